/* SPDX-License-Identifier: MIT
 * The memory map (UEFI 7.2), as it will be when the boot services have ended. */
#include "firmware.h"

#define MORE_DESCRIPTORS 64 /* allocations split entries */

void memory_map_prepare(struct memory_map *map)
{
    UINT32 version;
    UINTN size = 0;
    *map = (struct memory_map){ .stride = sizeof(EFI_MEMORY_DESCRIPTOR) };
    firmware->BootServices->GetMemoryMap(&size, NULL, &map->key, &map->stride, &version);
    map->room = size + MORE_DESCRIPTORS * map->stride;
    map->descriptors = take_pages(map->room, EfiLoaderData, "the memory map");
    map->list = take_pages(map->room / map->stride * sizeof(*map->list), EfiLoaderData, "the memory map");
}

EFI_STATUS memory_map_read(struct memory_map *map)
{
    UINT32 version;
    map->size = map->room;
    return firmware->BootServices->GetMemoryMap(&map->size, (EFI_MEMORY_DESCRIPTOR *)map->descriptors, &map->key,
                                                &map->stride, &version);
}

static uint32_t type_of(const EFI_MEMORY_DESCRIPTOR *d)
{
    static const uint8_t types[] = {
        [EfiLoaderCode] = MEMORY_FREE, [EfiLoaderData] = MEMORY_FREE, [EfiBootServicesCode] = MEMORY_FREE,
        [EfiBootServicesData] = MEMORY_FREE, [EfiConventionalMemory] = MEMORY_FREE,
        [EfiUnusableMemory] = MEMORY_DEFECTIVE,
        [EfiACPIReclaimMemory] = MEMORY_ACPI, [EfiACPIMemoryNVS] = MEMORY_NVS,
    };
    return d->Type < sizeof(types) && types[d->Type] ? types[d->Type] : MEMORY_RESERVED;
}

size_t memory_map_convert(struct memory_map *map)
{
    size_t count = 0;
    for (UINTN at = 0; at + map->stride <= map->size; at += map->stride) {
        const EFI_MEMORY_DESCRIPTOR *d = (const EFI_MEMORY_DESCRIPTOR *)(map->descriptors + at);
        map->list[count++] = (struct memory){ d->PhysicalStart, d->NumberOfPages * EFI_PAGE_SIZE, type_of(d) };
    }
    return count;
}
