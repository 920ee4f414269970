/* SPDX-License-Identifier: MIT
 * What a vcpu does before it enters the guest: requests of other threads, and the choice of the interrupt to deliver. */
#pragma once

#include "machine.h"

/* Takes the pending events (timer, console, poke) from the state page. */
void events_take(struct vcpu *vcpu);
/* Serves all requests: INIT, SIPI, NMI, interrupts, timers. Afterwards the state page says what to inject and to offer, or for which
 * window to exit, and the vcpu's activity is right. */
void requests_serve(struct vcpu *vcpu);
/* After an exit with vcpu.offer set, before anything else: what the guest has taken is in service, what it has not is pending again. */
void offer_settle(struct vcpu *vcpu);
