/* SPDX-License-Identifier: MIT
 * Firmware of the guest's own, such as SeaBIOS: the manager has mapped its file to the end of the first 4 GiB, where the CPU's reset
 * vector is (SDM 3A 9.1.4); here its end is copied below 1 MiB, as a chip set shows it there. That copy is RAM, which firmware
 * otherwise would have to make of it. */
#include <string.h>
#include "load.h"
#include "pc.h"

#define RESET_VECTOR 0xfffffff0u
#define VECTOR_SIZE 16u

static bool probe(const struct load *load)
{
    return machine_has_firmware(load->machine);
}

/* An image without contents at the reset vector is none of a PC's. */
static bool has_reset_vector(const struct load *load)
{
    static const uint8_t empty[2][2] = {{0, 0}, {0xff, 0xff}};
    const uint8_t *vector = load->image + load->size - VECTOR_SIZE;
    return memcmp(vector, empty[0], sizeof(empty[0])) != 0 && memcmp(vector, empty[1], sizeof(empty[1])) != 0;
}

static enum status place(struct load *load)
{
    uint64_t size = load->size < PC_FIRMWARE_SHADOW ? load->size : PC_FIRMWARE_SHADOW;
    uint8_t *shadow = memory_at(&load->machine->memory, PC_BIOS_END - size, size);
    if (load->size < PC_FIRMWARE_SIZE_MIN || load->size > PC_FIRMWARE_SIZE_MAX || load->size % PAGE_SIZE != 0) {
        return load_error(load, ERR_FORMAT, "%llu bytes; an image of firmware has 64 KiB to 8 MiB, in whole pages of 4 KiB",
                          (unsigned long long)load->size);
    }
    if (!has_reset_vector(load)) {
        return load_error(load, ERR_FORMAT, "there is no code at the reset vector, 16 bytes before the end: not firmware of a PC");
    }
    if (shadow == NULL) {
        return load_error(load, ERR_MEMORY, "the guest has less than 1 MiB of memory");
    }
    memcpy(shadow, load->image + load->size - size, size);
    load->result->entry = RESET_VECTOR;
    return OK;
}

const struct loader firmware_loader = {GUEST_FIRMWARE, "firmware", probe, place};
