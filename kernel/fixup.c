/* SPDX-License-Identifier: MIT
 * Looks faulting instructions up in the fixup table, which the linker collects. */
#include "fixup.h"
#include "cpu.h"

struct fixup {
    uint64_t fault, recover;
};
extern const struct fixup fixup_start[], fixup_end[];

bool fixup_trap(struct trap_frame *frame)
{
    for (const struct fixup *f = fixup_start; f < fixup_end; f++)
        if (f->fault == frame->rip) {
            frame->rip = f->recover;
            return true;
        }
    return false;
}
