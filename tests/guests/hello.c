/* SPDX-License-Identifier: MIT
 * The smallest test: the boot protocol brought us here as it promises, and a line comes out. */
#include "lib/guest.h"

static void check_multiboot1(void)
{
    ok(boot_magic == 0x2badb002, "multiboot 1: EAX is %x", boot_magic);
    uint32_t flags = read32(boot_info);
    ok(flags & 1, "memory sizes are given");
    ok(read32(boot_info + 4) >= 512 && read32(boot_info + 8) >= 1024, "lower %u KiB, upper %u KiB", read32(boot_info + 4), read32(boot_info + 8));
    ok(flags & (1 << 6), "a memory map is given");
    uint64_t map = read32(boot_info + 48), end = map + read32(boot_info + 44), usable = 0;
    for (; map < end; map += read32(map) + 4)
        if (read32(map + 20) == 1)
            usable += read32(map + 12) | (uint64_t)read32(map + 16) << 32;
    ok(usable >= (uint64_t)read32(boot_info + 8) << 10, "usable memory %lu KiB", usable >> 10);
}

static void check_multiboot2(void)
{
    ok(boot_magic == 0x36d76289, "multiboot 2: EAX is %x", boot_magic);
    bool map = false, rsdp = false, basic = false;
    uint64_t end = boot_info + read32(boot_info), tag = boot_info + 8ul;
    for (; tag < end && read32(tag); tag += (read32(tag + 4) + 7) & ~7ul) {
        basic |= read32(tag) == 4;
        map |= read32(tag) == 6;
        rsdp |= read32(tag) == 15 || read32(tag) == 14;
    }
    ok(tag < end && read32(tag) == 0 && read32(tag + 4) == 8 && tag + 8 == end, "the list of tags ends with the end tag");
    ok(basic, "basic memory tag");
    ok(map, "memory map tag");
    ok(rsdp, "ACPI tag");
}

static void check_pvh(void)
{
    ok(read32(boot_info) == 0x336ec578, "PVH: magic is %x", read32(boot_info));
    ok(read32(boot_info + 4) >= 1, "version %u", read32(boot_info + 4));
    ok(read32(boot_info + 40) && read32(boot_info + 48), "memory map with %u entries", read32(boot_info + 48));
    const char *rsdp = (const char *)(uint64_t)read32(boot_info + 32);
    ok(rsdp && !memcmp(rsdp, "RSD PTR ", 8), "RSDP at %lx", (uint64_t)rsdp);
}

void main(void)
{
    print("hello from a guest, command line '%s'\n", boot_cmdline());
    static void (*const checks[])(void) = { [BOOT_MULTIBOOT1] = check_multiboot1, [BOOT_MULTIBOOT2] = check_multiboot2, [BOOT_PVH] = check_pvh };
    checks[boot_kind]();
    done();
}
