/* SPDX-License-Identifier: MIT
 * Wider accesses to devices with 8-bit registers: an ISA bus makes consecutive byte cycles of them. */
#pragma once

#include <stdint.h>

/* Reads `size` bytes from `offset` on; those at or beyond `count` are nobody's and read as ones. */
static inline uint32_t split_read(uint8_t (*read)(void *, uint16_t), void *device, uint16_t offset, unsigned size,
                                  unsigned count)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        uint32_t byte = offset + i < count ? read(device, (uint16_t)(offset + i)) : 0xff;
        value |= byte << (8 * i);
    }
    return value;
}

static inline void split_write(void (*write)(void *, uint16_t, uint8_t), void *device, uint16_t offset, unsigned size,
                               uint32_t value, unsigned count)
{
    for (unsigned i = 0; i < size && offset + i < count; i++)
        write(device, (uint16_t)(offset + i), (uint8_t)(value >> (8 * i)));
}
