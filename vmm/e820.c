/* SPDX-License-Identifier: MIT
 * The guest's memory map: fixed areas of the PC below 1 MiB, RAM, and the PCI configuration window. */
#include "e820.h"
#include "machine.h"
#include "pc.h"

#define MIB (1ull << 20)

struct map {
    struct e820_entry *out;
    unsigned count, max;
};

static void add(struct map *map, uint64_t base, uint64_t end, enum e820_type type)
{
    if (base < end && map->count < map->max)
        map->out[map->count++] = (struct e820_entry){ base, end - base, type };
}

unsigned e820_build(const struct machine *machine, struct e820_entry *out, unsigned max)
{
    const struct memory *memory = &machine->memory;
    struct map map = { .out = out, .max = max };
    if (machine_has_firmware(machine)) { /* it takes from the first MiB what it needs */
        add(&map, 0, memory->low - PC_FIRMWARE_TABLES, E820_RAM);
        add(&map, memory->low - PC_FIRMWARE_TABLES, memory->low, E820_RESERVED);
        add(&map, PC_ECAM, PC_ECAM + PC_ECAM_SIZE, E820_RESERVED);
        add(&map, memory->high_base, memory->high_base + memory->high, E820_RAM);
        return map.count;
    }
    add(&map, 0, PC_EBDA, E820_RAM);
    add(&map, PC_EBDA, PC_EBDA + PC_EBDA_SIZE, E820_RESERVED);
    add(&map, PC_BIOS_AREA, PC_BIOS_END, E820_RESERVED); /* holds the ACPI and MP tables */
    add(&map, MIB, memory->low, E820_RAM);
    add(&map, PC_ECAM, PC_ECAM + PC_ECAM_SIZE, E820_RESERVED); /* Linux uses ECAM only if it is reserved */
    add(&map, memory->high_base, memory->high_base + memory->high, E820_RAM);
    return map.count;
}
