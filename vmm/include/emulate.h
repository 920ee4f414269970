/* SPDX-License-Identifier: MIT
 * Executes one instruction on a guest's behalf: one whose memory operand lies in a device, or a string port access. The
 * state afterwards is the one that the hardware would have left, or nothing has changed. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "decode.h"
#include "machine.h"

/* The guest's outside world. Addresses of RAM never come here. size: 1, 2, 4, 8 (ports: 1, 2, 4). */
struct emulate_ops {
    uint64_t (*mmio_read)(struct vcpu *vcpu, uint64_t gpa, unsigned size);
    void (*mmio_write)(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t value);
    uint32_t (*port_read)(struct vcpu *vcpu, uint16_t port, unsigned size);
    void (*port_write)(struct vcpu *vcpu, uint16_t port, unsigned size, uint32_t value);
};

enum emulate_result {
    EMULATE_DONE,  /* executed: registers, RFLAGS and RIP are those behind it */
    EMULATE_AGAIN, /* run the guest again: a part of a repeated string instruction is done (RIP is still at it), or the
                    * guest's code or page tables changed meanwhile. Interrupts may be delivered first */
    EMULATE_FAULT, /* the guest gets an exception (state->inject is set); nothing else changed */
    EMULATE_UNKNOWN, /* not an instruction that the monitor executes; nothing changed. emulate_describe() says which */
};

/* Groups that an instruction can need. Not all have to be valid: if one that this instruction needs is not, emulate()
 * adds it to wanted[] of the exit's reason and returns EMULATE_AGAIN, so that the guest exits once more, now with the
 * group. 64-bit code without FS, GS and single-stepping needs FETCH_GROUPS only: ask for these, and reset wanted[] when
 * it seems worth while. */
#define EMULATE_GROUPS (GROUP_CR | GROUP_CODE | GROUP_SEG)
/* Iterations of a repeated string instruction in one call. */
#define EMULATE_REPEAT_MAX 256

/* Fetches, decodes and executes the instruction at CS:RIP; for EXIT_PAGE outside RAM, and for EXIT_IO with
 * exit.io.string set (also executes IN and OUT). Call it only if state->inject is not valid: with an interrupted event
 * delivery RIP is not the culprit. */
enum emulate_result emulate(struct vcpu *vcpu, const struct emulate_ops *ops);

/* May emulate_simple() execute it (for fetch.c, which remembers the answer)? */
bool emulate_is_simple(const struct insn *insn);

/* Text for a message: mode, CS:RIP, the bytes there. */
void emulate_describe(struct vcpu *vcpu, char *text, size_t size);
