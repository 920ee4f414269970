/* SPDX-License-Identifier: MIT
 * Packing and unpacking of task-state segments. */
#include "tss.h"
#include <string.h>

static uint32_t get(const uint8_t *image, unsigned offset, unsigned size)
{
    uint32_t value = 0;
    memcpy(&value, image + offset, size);
    return value;
}

void tss_unpack(struct tss *tss, const uint8_t *image, bool wide)
{
    unsigned size = wide ? 4 : 2, at = tss_saved_offset(wide);
    memset(tss, 0, sizeof(*tss));
    tss->link = (uint16_t)get(image, 0, 2);
    tss->cr3 = wide ? get(image, 0x1c, 4) : 0;
    tss->eip = get(image, at, size);
    tss->eflags = get(image, at + size, size);
    for (unsigned i = 0; i < 8; i++) {
        tss->gpr[i] = get(image, at + (2 + i) * size, size);
    }
    for (unsigned i = 0; i < (wide ? 6u : 4u); i++) {
        tss->seg[i] = (uint16_t)get(image, at + (10 + i) * size, 2);
    }
    tss->ldt = (uint16_t)get(image, wide ? 0x60 : 0x2a, 2);
    tss->debug_trap = wide && (image[0x64] & 1);
}

void tss_pack(const struct tss *tss, uint8_t *saved, bool wide)
{
    unsigned size = wide ? 4 : 2;
    memcpy(saved, &tss->eip, size);
    memcpy(saved + size, &tss->eflags, size);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(saved + (2 + i) * size, &tss->gpr[i], size);
    }
    for (unsigned i = 0; i < (wide ? 6u : 4u); i++) {
        uint32_t selector = tss->seg[i];
        memcpy(saved + (10 + i) * size, &selector, size);
    }
}
