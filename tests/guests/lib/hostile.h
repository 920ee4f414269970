/* SPDX-License-Identifier: MIT
 * The attacks of the hostile guest. */
#pragma once

#include "guest.h"

struct attack {
    const char *name;
    void (*run)(void);
    bool survivable; /* on a real machine the program goes on */
};

uint64_t hostile_random(void);

/* hostile_cpu.c */
void attack_instructions(void);
void attack_debug(void);
void attack_registers(void);
void attack_tables(void);
void attack_paging(void);
void attack_idt_mmio(void);
void attack_gdt_mmio(void);
void attack_cr3_mmio(void);
void attack_cr3_wild(void);
void attack_real(void);
void attack_task(void);
void attack_state(void);

/* hostile_apic.c */
void attack_apic(void);
void attack_storm(void);
void attack_init_self(void);
