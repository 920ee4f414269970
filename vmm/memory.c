/* SPDX-License-Identifier: MIT
 * Guest RAM as the monitor sees it: from a guest-physical range to a host pointer. */
#include <stddef.h>
#include "machine.h"

/* Is [offset, offset + size) inside [0, limit)? Cannot wrap. */
static bool inside(uint64_t offset, uint64_t size, uint64_t limit)
{
    return offset <= limit && size <= limit - offset;
}

void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t size)
{
    if (inside(gpa, size, memory->low)) {
        return memory->base + gpa;
    }
    if (gpa >= memory->high_base && inside(gpa - memory->high_base, size, memory->high)) {
        return memory->base + gpa;
    }
    return NULL;
}
