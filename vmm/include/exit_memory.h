/* SPDX-License-Identifier: MIT
 * Exits of port and memory accesses to devices. */
#pragma once

#include "machine.h"

void exit_io(struct vcpu *vcpu);   /* EXIT_IO */
void exit_page(struct vcpu *vcpu); /* EXIT_PAGE */
