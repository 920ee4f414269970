/* SPDX-License-Identifier: MIT
 * 8254 programmable interval timer and port 0x61 (Intel 8254 data sheet): three channels, modes 0 to 5. Channel 0 drives ISA
 * line 0, channel 2 the speaker gate and bit 5 of port 0x61.
 * Nothing ticks: counts and outputs are computed from machine time when somebody looks. Channel 0 interrupts that the guest
 * was too late for are lost, never made up in a burst. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "timer.h"

struct machine;

#define PIT_HZ 1193182u

struct pit_channel {
    uint64_t start;       /* machine time (ns) at which `count` was loaded */
    uint64_t pending_at;  /* ns at which `pending` replaces count (modes 2 and 3), 0 = none */
    uint64_t held;        /* ticks counted when the gate fell (modes 0 and 4) */
    uint32_t count;       /* 1 to 65536 (10000 in BCD) */
    uint32_t pending;
    uint16_t latched;
    uint8_t mode, access; /* access: 1 low byte, 2 high byte, 3 both */
    uint8_t low_byte;     /* written first, waits for the second */
    uint8_t latched_left; /* bytes of `latched` still to be read */
    uint8_t status;       /* latched by read-back */
    bool status_latched;
    bool bcd, gate;
    bool counting;        /* a count is loaded (and triggered in modes 1 and 5) */
    bool loaded;          /* a count was written since the control word */
    bool write_high, read_high; /* the next byte is the high one */
};

struct pit_state {
    struct pit_channel channel[3];
    uint64_t last_tick;   /* ns of the last interrupt */
    uint8_t port61;       /* bits 0 to 3 as written */
};

struct pit {
    struct pit_state s;
    struct machine *machine;
    struct timer timer;
};

/* Ports 0x40 to 0x43 and 0x61. */
must_use enum status pit_init(struct pit *pit, struct machine *machine);
void pit_reset(struct pit *pit);
/* As firmware hands it over: channel 0 in mode 2 at 18.2 Hz, channel 1 refresh. */
void pit_firmware_setup(struct pit *pit);
