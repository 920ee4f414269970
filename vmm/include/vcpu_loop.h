/* SPDX-License-Identifier: MIT
 * The loop of a vcpu's thread: run the guest, handle the exit, deliver what is pending, run again. */
#pragma once

#include "machine.h"

/* Runs the vcpu for ever. */
_Noreturn void vcpu_loop(struct vcpu *vcpu);

/* The instruction that exited is done: goes on behind it. False if the guest's code could not be read or is another instruction by
 * now: then a fault is injected or the guest executes it again. */
bool vcpu_skip(struct vcpu *vcpu);

/* Queues an exception for the next entry; two that collide become a double fault, three a shutdown (SDM 3A 6.15, table 6-5). */
void vcpu_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error);

/* HLT and the like: the guest does not run until an interrupt (or INIT, SIPI, NMI) comes. */
void vcpu_halt(struct vcpu *vcpu);

/* Gives the CPU to another thread of the same priority, if one waits. */
void vcpu_yield(void);
