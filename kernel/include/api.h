/* SPDX-License-Identifier: MIT
 * What the boot code calls and what the core calls in the machine layer: the seams inside the kernel. */
#pragma once

#include <stdarg.h>
#include "abi/info.h"
#include "cpu.h"
#include "domain.h"

/* --- console.c: COM1, polled; log.c: messages. Any CPU, one lock each --- */
void console_init(void);                                       /* 16550 at 0x3f8, 115200 8N1 (LCR set before the first character) */
void print(const char *format, ...) __attribute__((format(printf, 1, 2))); /* "kernel: " is not added */
void vprint(const char *format, va_list args);
void console_raw(const char *text, uint32_t length);           /* bytes as they are */
int console_poll(void);                                        /* next input byte or -1 */
void console_flush(void);                                      /* waits until the last byte has left the port */

/* --- machine layer --- */
void lapic_enable(void);                        /* this CPU; x2APIC if the host offers it, else xAPIC */
void lapic_eoi(void);
void lapic_command(uint32_t apic_id, uint32_t command); /* an interprocessor interrupt: ICR_* | vector, by default a fixed one */
#define ICR_INIT (5u << 8)
#define ICR_STARTUP (6u << 8) /* | number of the page to start in, in real mode */
void lapic_timer(uint64_t tsc_deadline);        /* one-shot VECTOR_TIMER at (or just after) this TSC; 0 = off. TSC-deadline mode if
                                                   the CPU has it; else a deadline beyond the counter's reach comes early: arm it again */
void machine_off(unsigned how);                 /* 0: ACPI S5, else the emulators' ports (Bochs: "Shutdown" to 0x8900); 1: reset. Returns if nothing worked */

enum { VECTOR_TIMER = 0xf0, VECTOR_KICK = 0xf1, VECTOR_IOMMU = 0xf2, VECTOR_SPURIOUS = 0xff };

/* --- the core, called by the machine layer --- */
/* Last step of boot on each CPU (the boot CPU calls it when all are up): schedule for ever. */
_Noreturn void scheduler_start(void);
/* Builds the manager from its ELF image and gives it `info`. Called once, on the boot CPU, while boot mappings still exist.
 * image: pointer by which the boot code sees the manager's module. take: takes page-aligned machine memory from the free
 * ranges, returns a pointer through boot mappings and its address. Null on success, or a sentence. */
const char *manager_create(const void *image, uint64_t size, struct boot_info *info);
/* Traps and interrupts, from entry.S. */
void trap(struct trap_frame *frame);
