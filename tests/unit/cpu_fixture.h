/* SPDX-License-Identifier: MIT
 * A guest CPU with a little RAM for tests of the decoder, the page walk and the emulator: page tables of every mode,
 * code, fake devices. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "cr.h"
#include "emulate.h"
#include "fetch.h"
#include "machine.h"
#include "walk.h"

#define CPU_RAM_SIZE (16u << 20)
#define CPU_TABLES 0x100000u     /* page tables are built from here on */
#define CPU_DEVICE 0xd0000000ull /* guest-physical: fake device memory, CPU_DEVICE_PAGES pages */
#define CPU_DEVICE_PAGES 16u
#define CPU_ATTR_CODE64 0xa09bu
#define CPU_ATTR_CODE32 0xc09bu
#define CPU_ATTR_CODE16 0x009bu
#define CPU_ATTR_DATA32 0xc093u
#define CPU_ATTR_DATA16 0x0093u

#define CPU_LOG 64
struct cpu_access {
    uint64_t address, value;
    unsigned size;
    bool write, port;
};

struct cpu {
    struct vcpu_state state;
    struct machine *machine;
    struct vcpu *vcpu;
    uint8_t *ram;
    uint8_t device[CPU_DEVICE_PAGES * 4096];
    uint64_t next_table;
    unsigned log_count; /* may exceed CPU_LOG: only the first are kept */
    struct cpu_access log[CPU_LOG];
    uint32_t port_value;
};

extern const struct emulate_ops cpu_ops;

struct cpu *cpu_create(void);
void cpu_free(struct cpu *cpu);
/* The state of a kernel in flat 64-bit mode, 4-level paging, nothing mapped. */
void cpu_mode64(struct cpu *cpu);
/* Flat 32-bit protected mode without paging; 16-bit real mode. */
void cpu_mode32(struct cpu *cpu);
void cpu_mode16(struct cpu *cpu);
/* Maps one 4 KiB page in the current 4-level tables. flags: leaf bits (1 P, 2 W, 4 U, NX 1<<63). Returns its leaf
 * entry. */
uint64_t *cpu_map(struct cpu *cpu, uint64_t linear, uint64_t gpa, uint64_t flags);
/* Copies code to guest-physical gpa. */
void cpu_code(struct cpu *cpu, uint64_t gpa, const void *bytes, size_t size);
