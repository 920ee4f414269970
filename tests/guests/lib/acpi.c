/* SPDX-License-Identifier: MIT
 * Finds ACPI tables. */
#include "guest.h"

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t total = 0;
    while (n--)
        total += *p++;
    return total;
}

static const uint8_t *rsdp_scan(void)
{
    for (uint64_t a = 0xe0000; a < 0x100000; a += 16)
        if (!memcmp((const void *)a, "RSD PTR ", 8) && !sum((const uint8_t *)a, 20))
            return (const uint8_t *)a;
    return 0;
}

const uint8_t *acpi_rsdp(void)
{
    if (boot_kind == BOOT_PVH)
        return (const uint8_t *)(uint64_t)read32(boot_info + 32);
    if (boot_kind == BOOT_MULTIBOOT2)
        for (uint64_t tag = boot_info + 8ul; read32(tag); tag += (read32(tag + 4) + 7) & ~7ul)
            if (read32(tag) == 14 || read32(tag) == 15)
                return (const uint8_t *)tag + 8;
    return rsdp_scan();
}

const uint8_t *acpi_find(const char *signature)
{
    const uint8_t *rsdp = acpi_rsdp();
    if (!rsdp)
        return 0;
    bool wide = rsdp[15] >= 2 && *(const uint64_t *)(rsdp + 24);
    uint64_t root = wide ? *(const uint64_t *)(rsdp + 24) : *(const uint32_t *)(rsdp + 16);
    uint32_t entries = (read32(root + 4) - 36) / (wide ? 8 : 4);
    for (uint32_t i = 0; i < entries; i++) {
        uint64_t at = root + 36 + i * (wide ? 8 : 4);
        const uint8_t *table = (const uint8_t *)(read32(at) | (wide ? (uint64_t)read32(at + 4) << 32 : 0));
        if (!memcmp(table, signature, 4) && !sum(table, read32((uint64_t)table + 4)))
            return table;
    }
    return 0;
}
