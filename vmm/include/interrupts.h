/* SPDX-License-Identifier: MIT
 * What a vcpu does before it enters the guest: requests of other threads, and the choice of the interrupt to deliver. */
#pragma once

#include "machine.h"

/* Takes the pending events (timer, console, poke) from the state page. */
void events_take(struct vcpu *vcpu);
/* Serves all requests: INIT, SIPI, NMI, interrupts, timers. Afterwards the state page says what to inject or for which window to
 * exit, and the vcpu's activity is right. */
void requests_serve(struct vcpu *vcpu);
