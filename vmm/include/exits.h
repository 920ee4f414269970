/* SPDX-License-Identifier: MIT
 * The table of exits: for each reason its handler, the register groups it needs, and its name. */
#pragma once

#include "machine.h"

struct exit_entry {
    void (*handle)(struct vcpu *vcpu);
    uint16_t groups; /* enum group: valid when the handler runs */
    uint8_t fetches; /* needs FETCH_GROUPS too where the hardware does not tell the instruction's length */
    const char *name;
};
extern const struct exit_entry exit_table[EXIT_COUNT];

/* With RFLAGS.TF set, what executes the instruction of an exit raises the single-step trap behind it, and that changes DR6,
 * which few exits bring. True: this one does not; now all will, and the guest is to be run to make the exit again. */
bool exit_lacks_debug(struct vcpu *vcpu);
/* The groups that an exit needs on this host. */
uint16_t exit_groups(const struct vcpu_state *state, unsigned reason);
/* Tells the kernel which groups each exit needs. */
void exits_init(struct vcpu_state *state);
/* Prints the counters of all vcpus. */
void exits_print(const struct machine *machine);
