/* SPDX-License-Identifier: MIT
 * Asks for a reset: by the keyboard controller, or (command line: acpi, cf9) another way. */
#include "lib/guest.h"

void main(void)
{
    print("asking for a reset\n");
    while (!(inb(0x3fd) & 0x40))
        pause();
    if (boot_option("acpi")) {
        const uint8_t *fadt = acpi_find("FACP");
        if (!ok(fadt && read32((uint64_t)fadt + 4) >= 129 && fadt[116] == 1, "FADT names a reset port"))
            done();
        outb(*(const uint16_t *)(fadt + 120), fadt[128]);
    } else if (boot_option("cf9")) {
        outb(0xcf9, 2);
        outb(0xcf9, 6);
    } else {
        outb(0x64, 0xfe);
    }
    for (volatile unsigned i = 0; i < 10000000; i++)
        ;
    ok(false, "still here");
    done();
}
