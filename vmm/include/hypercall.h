/* SPDX-License-Identifier: MIT
 * The monitor's part of the paravirtual interface (abi/hypercall.h), and what guests of KVM's kind expect of unknown calls. */
#pragma once

#include "machine.h"

/* EXIT_HYPERCALL, any guest. Above CPL 0: #UD. A number outside of Bulkhead's range gets KVM's -ENOSYS, an unknown one inside it ERR_CALL.
 * What the kernel serves comes here only while the guest single-steps (RFLAGS.TF). */
void exit_hypercall(struct vcpu *vcpu);
