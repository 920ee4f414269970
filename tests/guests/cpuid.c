/* SPDX-License-Identifier: MIT
 * The CPU model: it has what x86-64-v2 names, says what it is, and what it does not offer does not work either.
 * `strict` demands the virtual CPU of the hypervisor; without it the rules that an emulator breaks are left out. */
#include "lib/guest.h"

struct feature {
    uint32_t leaf, subleaf;
    uint8_t reg, bit; /* reg: 0 EAX, 1 EBX, 2 ECX, 3 EDX */
    const char *name;
};

static const struct feature required[] = {
    { 1, 0, 3, 0, "fpu" }, { 1, 0, 3, 3, "pse" }, { 1, 0, 3, 4, "tsc" }, { 1, 0, 3, 5, "msr" }, { 1, 0, 3, 6, "pae" },
    { 1, 0, 3, 8, "cx8" }, { 1, 0, 3, 9, "apic" }, { 1, 0, 3, 11, "sep" }, { 1, 0, 3, 13, "pge" }, { 1, 0, 3, 15, "cmov" },
    { 1, 0, 3, 16, "pat" }, { 1, 0, 3, 23, "mmx" }, { 1, 0, 3, 24, "fxsr" }, { 1, 0, 3, 25, "sse" }, { 1, 0, 3, 26, "sse2" },
    { 1, 0, 2, 0, "sse3" }, { 1, 0, 2, 9, "ssse3" }, { 1, 0, 2, 13, "cx16" }, { 1, 0, 2, 19, "sse4.1" }, { 1, 0, 2, 20, "sse4.2" },
    { 1, 0, 2, 23, "popcnt" }, { 0x80000001, 0, 2, 0, "lahf" }, { 0x80000001, 0, 3, 11, "syscall" },
    { 0x80000001, 0, 3, 20, "nx" }, { 0x80000001, 0, 3, 29, "lm" },
};
static const struct feature forbidden[] = {
    { 1, 0, 2, 3, "monitor" }, { 1, 0, 2, 5, "vmx" }, { 1, 0, 2, 6, "smx" }, { 1, 0, 2, 15, "pdcm" }, { 1, 0, 3, 21, "ds" },
    { 7, 0, 1, 2, "sgx" }, { 7, 0, 1, 25, "pt" }, { 0x80000001, 0, 2, 2, "svm" }, { 0x80000001, 0, 2, 10, "ibs" },
    { 0x80000001, 0, 2, 12, "skinit" },
};
static const struct feature offered[] = { { 1, 0, 2, 21, "x2apic" }, { 1, 0, 2, 24, "tsc-deadline" }, { 1, 0, 2, 31, "hypervisor" } };

static uint32_t max_basic, max_extended;

static bool has(const struct feature *f)
{
    if (f->leaf > (f->leaf >= 0x80000000 ? max_extended : max_basic))
        return false;
    struct cpuid r = cpuid(f->leaf, f->subleaf);
    uint32_t regs[4] = { r.eax, r.ebx, r.ecx, r.edx };
    return regs[f->reg] >> f->bit & 1;
}

static void set_cr4(void *value)
{
    WRITE_CR(4, value);
}

static void set_xcr0(void *value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)(uint64_t)value), "d"((uint32_t)((uint64_t)value >> 32)));
}

static void get_xcr0(void *value)
{
    uint32_t a, d;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    *(uint64_t *)value = a | (uint64_t)d << 32;
}

/* A control bit of CR4 can be set exactly if the feature that it belongs to is offered. */
static void check_cr4(void)
{
    static const struct { unsigned bit; struct feature feature; } bits[] = {
        { 11, { 7, 0, 2, 2, "umip" } }, { 13, { 1, 0, 2, 5, "vmx" } }, { 14, { 1, 0, 2, 6, "smx" } },
        { 16, { 7, 0, 1, 0, "fsgsbase" } }, { 17, { 1, 0, 2, 17, "pcid" } }, { 18, { 1, 0, 2, 26, "xsave" } },
        { 20, { 7, 0, 1, 7, "smep" } }, { 21, { 7, 0, 1, 20, "smap" } }, { 22, { 7, 0, 2, 3, "pku" } },
        { 23, { 7, 0, 2, 7, "cet" } }, { 24, { 7, 0, 2, 31, "pks" } },
    };
    uint64_t before = READ_CR(4);
    for (unsigned i = 0; i < COUNT(bits); i++) {
        int vector = try_call(set_cr4, (void *)(before | 1ul << bits[i].bit));
        bool works = vector < 0 && (READ_CR(4) >> bits[i].bit & 1);
        WRITE_CR(4, before);
        ok(works == has(&bits[i].feature), "CR4 bit %u (%s): offered %d, settable %d (vector %d)", bits[i].bit, bits[i].feature.name,
           has(&bits[i].feature), works, vector);
    }
    ok(try_call(set_cr4, (void *)(before | 1ul << 63)) == GP, "a reserved bit of CR4 is refused");
}

static void check_xsave(void)
{
    static const struct feature xsave = { 1, 0, 2, 26, "xsave" };
    uint64_t xcr0 = 0, before = READ_CR(4);
    ok(try_call(get_xcr0, &xcr0) == UD, "XGETBV without CR4.OSXSAVE is #UD");
    if (!has(&xsave)) {
        skip("xsave", "not offered");
        return;
    }
    WRITE_CR(4, before | 1 << 18);
    ok(cpuid(1, 0).ecx & (1 << 27), "CPUID.OSXSAVE follows CR4");
    struct cpuid d = cpuid(0xd, 0);
    uint64_t offered_mask = d.eax | (uint64_t)d.edx << 32;
    int vector = try_call(get_xcr0, &xcr0);
    ok(vector == -1 && xcr0 == 1, "XCR0 at reset is %lx", xcr0);
    ok(try_call(set_xcr0, (void *)3) == -1, "XCR0 = x87, SSE");
    ok(cpuid(0xd, 0).ebx == 576, "save area for x87 and SSE: %u", cpuid(0xd, 0).ebx);
    ok(try_call(set_xcr0, (void *)2) == GP, "XCR0 without x87 is refused");
    if (offered_mask & 4) {
        ok(try_call(set_xcr0, (void *)7) == -1, "XCR0 with AVX");
        ok(cpuid(0xd, 0).ebx >= 576 + 256, "save area with AVX: %u", cpuid(0xd, 0).ebx);
    }
    ok(try_call(set_xcr0, (void *)offered_mask) == -1, "XCR0 = all that is offered, %lx", offered_mask);
    ok(cpuid(0xd, 0).ebx == cpuid(0xd, 0).ecx, "then the save area has its greatest size, %u", cpuid(0xd, 0).ecx);
    /* On QEMU's TCG XSETBV cannot be intercepted: there the guest reaches what the host CPU has. */
    for (unsigned bit = 2; bit < 63 && !boot_option("tcg"); bit++)
        if (!(offered_mask >> bit & 1) && try_call(set_xcr0, (void *)(3 | 1ul << bit)) != GP)
            ok(false, "XCR0 bit %u is not offered but settable", bit);
    set_xcr0((void *)3);
    WRITE_CR(4, before);
}

static void check_identity(void)
{
    struct cpuid r = cpuid(0, 0);
    char vendor[13] = { 0 };
    memcpy(vendor, &r.ebx, 4);
    memcpy(vendor + 4, &r.edx, 4);
    memcpy(vendor + 8, &r.ecx, 4);
    ok(!memcmp(vendor, "GenuineIntel", 12) || !memcmp(vendor, "AuthenticAMD", 12), "vendor %s", vendor);
    ok(max_basic >= 0xd && max_basic < 0x100, "highest basic leaf %x", max_basic);
    ok(max_extended >= 0x80000008 && max_extended < 0x80000100, "highest extended leaf %x", max_extended);
    char brand[49] = { 0 };
    for (unsigned i = 0; i < 3; i++) {
        r = cpuid(0x80000002 + i, 0);
        memcpy(brand + 16 * i, &r, 16);
    }
    bool printable = brand[0] != 0;
    for (unsigned i = 0; brand[i]; i++)
        printable &= brand[i] >= ' ' && brand[i] < 127;
    ok(printable, "brand '%s'", brand);
    uint32_t physical = cpuid(0x80000008, 0).eax & 0xff, linear = cpuid(0x80000008, 0).eax >> 8 & 0xff;
    ok(physical >= 36 && physical <= 52 && (linear == 48 || linear == 57), "address widths %u, %u", physical, linear);
    ok(cpuid(1, 0).ebx >> 24 == lapic_id(), "initial APIC ID %u", cpuid(1, 0).ebx >> 24);
    if (max_basic >= 0xb)
        ok(cpuid(0xb, 0).edx == lapic_id(), "x2APIC ID %u", cpuid(0xb, 0).edx);
}

static void check_hypervisor(void)
{
    struct cpuid r = cpuid(0x40000000, 0);
    char name[13] = { 0 };
    memcpy(name, &r.ebx, 12);
    ok(r.eax >= 0x40000000 && r.eax < 0x40010000, "hypervisor leaves to %x", r.eax);
    bool printable = name[0] != 0;
    for (unsigned i = 0; name[i]; i++)
        printable &= name[i] >= ' ' && name[i] < 127;
    ok(printable, "hypervisor '%s'", name);
    ok(max_basic < 0xa || (cpuid(0xa, 0).eax & 0xff) == 0, "no performance counters");
}

/* Every leaf can be asked for; it is the kind of thing a fuzzer does first. */
static void check_all_leaves(void)
{
    uint32_t mix = 0;
    for (uint32_t leaf = 0; leaf < 0x40; leaf++)
        for (uint32_t sub = 0; sub < 4; sub++)
            mix ^= cpuid(leaf, sub).eax ^ cpuid(0x40000000 + leaf, sub).ebx ^ cpuid(0x80000000 + leaf, sub).ecx;
    mix ^= cpuid(0xffffffff, 0xffffffff).edx ^ cpuid(0x7fffffff, 0).edx ^ cpuid(0x8fffffff, 0).edx;
    ok(true, "all leaves answer (%x)", mix);
}

void main(void)
{
    bool strict = boot_option("strict");
    max_basic = cpuid(0, 0).eax;
    max_extended = cpuid(0x80000000, 0).eax;
    check_identity();
    for (unsigned i = 0; i < COUNT(required); i++)
        ok(has(&required[i]), "has %s", required[i].name);
    check_all_leaves();
    check_xsave();
    if (strict) {
        for (unsigned i = 0; i < COUNT(forbidden); i++)
            ok(!has(&forbidden[i]), "does not offer %s", forbidden[i].name);
        for (unsigned i = 0; i < COUNT(offered); i++)
            ok(has(&offered[i]), "offers %s", offered[i].name);
        check_hypervisor();
        check_cr4();
    }
    done();
}
