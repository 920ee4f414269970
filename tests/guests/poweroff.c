/* SPDX-License-Identifier: MIT
 * Powers off by ACPI: finds \_S5 in the DSDT as a small system does, and writes SLP_TYP and SLP_EN. */
#include "lib/guest.h"

/* SLP_TYPa from "_S5_" PackageOp length count [BytePrefix] value (ACPI 6.4, 20.2.5.4). -1: not found. */
static int find_s5(const uint8_t *dsdt, uint32_t size)
{
    for (uint32_t i = 36; i + 12 < size; i++)
        if (!memcmp(dsdt + i, "_S5_\x12", 5)) {
            const uint8_t *p = dsdt + i + 5;
            p += 1 + (*p >> 6) + 1; /* PkgLength, NumElements */
            return *p == 0x0a ? p[1] : *p == 0 ? 0 : *p == 1 ? 1 : -1;
        }
    return -1;
}

void main(void)
{
    const uint8_t *fadt = acpi_find("FACP");
    if (!ok(fadt != 0, "FADT found"))
        done();
    uint64_t dsdt = read32((uint64_t)fadt + 40);
    int type = find_s5((const uint8_t *)dsdt, read32(dsdt + 4));
    if (!ok(type >= 0, "\\_S5 found, SLP_TYP %d", type))
        done();
    uint16_t control = read32((uint64_t)fadt + 64);
    print("powering off by port %x\n", control);
    while (!(inb(0x3fd) & 0x40))
        pause();
    outw(control, (inw(control) & 0xe3ff) | type << 10 | 1 << 13);
    for (volatile unsigned i = 0; i < 10000000; i++)
        ;
    ok(false, "still here");
    done();
}
