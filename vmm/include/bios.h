/* SPDX-License-Identifier: MIT
 * The BIOS of the virtual PC: the services that real-mode code calls by INT (Ralf Brown's interrupt list). The vectors
 * lead to stubs in guest memory (bios_area.c); each traps to the monitor by an output to PC_BIOS_CALL, and the service
 * is C. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct vcpu_state;

/* The stubs, PC_BIOS_STUB_SIZE bytes each from PC_BIOS_CODE on. */
enum bios_stub {
    STUB_RETURN, STUB_MASTER, STUB_SLAVE, /* an IRET; interrupts that are only acknowledged */
    STUB_RESET,                           /* the CPU came out of reset or INIT */
    STUB_TICK,                            /* INT 08h, the timer */
    STUB_SERVICE,                         /* INT 10h and those behind it */
    STUB_COUNT = STUB_SERVICE + 11
};
#define BIOS_SERVICE_FIRST 0x10u
#define BIOS_SERVICE_LAST (BIOS_SERVICE_FIRST + STUB_COUNT - STUB_SERVICE - 1)

/* What the services remember; no pointers. */
struct bios {
    uint64_t wait_until;  /* machine time (ns) at which INT 15h AH=86h returns; 0: nobody waits */
    uint8_t row, column;  /* cursor of the terminal at COM1, which shows what INT 10h writes */
    bool placed;          /* ... is known */
};

void bios_reset(struct bios *bios);

/* An output to PC_BIOS_CALL. True: it came from a stub and has been dealt with, the guest is to be run; false: it is an
 * ordinary output to a port that nobody owns. Needs BIOS_GROUPS. */
#define BIOS_GROUPS (GROUP_CR | GROUP_CODE | GROUP_SEG)
bool bios_serve(struct vcpu *vcpu);
