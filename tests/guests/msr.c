/* SPDX-License-Identifier: MIT
 * MSRs: those of the model work as the manual says, all others give #GP or a value; nothing ends the machine. */
#include "lib/guest.h"

enum { TSC = 0x10, APIC_BASE = 0x1b, TSC_ADJUST = 0x3b, MTRR_CAP = 0xfe, SYSENTER_CS = 0x174, SYSENTER_ESP = 0x175, SYSENTER_EIP = 0x176,
       MISC_ENABLE = 0x1a0, MTRR_PHYSBASE0 = 0x200, PAT = 0x277, MTRR_DEF = 0x2ff, EFER = 0xc0000080, STAR = 0xc0000081, LSTAR = 0xc0000082,
       CSTAR = 0xc0000083, FMASK = 0xc0000084, FS_BASE = 0xc0000100, GS_BASE = 0xc0000101, KERNEL_GS_BASE = 0xc0000102, TSC_AUX = 0xc0000103 };

struct access { uint32_t index; uint64_t value; };

static void do_read(void *p)
{
    struct access *a = p;
    a->value = rdmsr(a->index);
}

static void do_write(void *p)
{
    const struct access *a = p;
    wrmsr(a->index, a->value);
}

static int write_msr(uint32_t index, uint64_t value)
{
    struct access a = { index, value };
    return try_call(do_write, &a);
}

static bool keeps(uint32_t index, uint64_t value)
{
    uint64_t before = rdmsr(index);
    bool good = write_msr(index, value) == -1 && rdmsr(index) == value;
    wrmsr(index, before);
    return good;
}

static void check_model(void)
{
    static const struct { struct access access; const char *name; } kept[] = {
        { { SYSENTER_CS, 0x1234 }, "SYSENTER_CS" }, { { SYSENTER_ESP, 0xffff800012345678 }, "SYSENTER_ESP" },
        { { SYSENTER_EIP, 0x123456789a }, "SYSENTER_EIP" }, { { PAT, 0x0007040600070401 }, "PAT" },
        { { STAR, 0x123456789abcdef0 }, "STAR" }, { { LSTAR, 0xffffffff81000000 }, "LSTAR" }, { { CSTAR, 0xffffffff82000000 }, "CSTAR" },
        { { FMASK, 0x47700 }, "FMASK" }, { { FS_BASE, 0x7fff12345678 }, "FS_BASE" }, { { GS_BASE, 0xffff888000000000 }, "GS_BASE" },
        { { KERNEL_GS_BASE, 0xffff888012345000 }, "KERNEL_GS_BASE" }, { { MTRR_DEF, 0xc06 }, "MTRR_DEF_TYPE" },
    };
    for (unsigned i = 0; i < COUNT(kept); i++)
        ok(keeps(kept[i].access.index, kept[i].access.value), "%s keeps %lx", kept[i].name, kept[i].access.value);
    uint64_t efer = rdmsr(EFER);
    ok((efer & 0xd00) == 0xd00, "EFER is %lx", efer);
    ok(write_msr(EFER, efer | 1) == -1 && (rdmsr(EFER) & 1), "EFER.SCE can be set");
    wrmsr(EFER, efer);
    uint64_t base = rdmsr(APIC_BASE);
    ok((base & ~0x7fful) == (0xfee00000 | 0x800) && (base & 0x100), "APIC_BASE is %lx", base);
    ok(write_msr(APIC_BASE, base) == -1, "APIC_BASE takes its own value");
    uint64_t now = rdmsr(TSC), direct = rdtsc();
    ok(!boot_option("strict") || (now && direct >= now && rdmsr(TSC) >= direct), "the TSC's MSR and RDTSC agree");
    if (cpuid(0x80000001, 0).edx & (1u << 27)) {
        uint64_t aux;
        wrmsr(TSC_AUX, 0x1234);
        __asm__ volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
        ok(aux == 0x1234, "RDTSCP reads TSC_AUX %lx", aux);
    }
}

static void check_swapgs(void)
{
    wrmsr(GS_BASE, 0x111000);
    wrmsr(KERNEL_GS_BASE, 0x222000);
    __asm__ volatile("swapgs");
    ok(rdmsr(GS_BASE) == 0x222000 && rdmsr(KERNEL_GS_BASE) == 0x111000, "SWAPGS swaps what the MSRs show");
}

static void check_refused(void)
{
    static const struct { struct access access; const char *name; } refused[] = {
        { { PAT, 0x0007040600070402 }, "PAT with a reserved type" }, { { LSTAR, 0x0000800000000000 }, "LSTAR not canonical" },
        { { FS_BASE, 0x8000000000000000 }, "FS_BASE not canonical" }, { { KERNEL_GS_BASE, 0x0001000000000000 }, "KERNEL_GS_BASE not canonical" },
        { { EFER, 0xd00 | 1ul << 20 }, "EFER with a reserved bit" }, { { EFER, 0xc00 & ~0x100 }, "EFER.LME cleared while paging" },
        { { APIC_BASE, 0xfee00800 | 1ul << 60 }, "APIC_BASE beyond the address width" }, { { APIC_BASE, 0xfee00900 | 1 }, "APIC_BASE with a reserved bit" },
        { { MTRR_DEF, 0xc02 }, "MTRR_DEF_TYPE with a reserved type" }, { { MTRR_CAP, 0 }, "MTRR_CAP, which is read-only" },
        { { 0x12345678, 0 }, "an MSR that no CPU has" }, { { 0xc0010117, 0 }, "VM_HSAVE_PA, which belongs to SVM" },
    };
    for (unsigned i = 0; i < COUNT(refused); i++) {
        uint32_t index = refused[i].access.index;
        /* These are the hardware's own to check, and QEMU's TCG does not. */
        if (boot_option("tcg") && (index == LSTAR || index == FS_BASE || index == KERNEL_GS_BASE))
            continue;
        int vector = write_msr(index, refused[i].access.value);
        ok(vector == GP, "write of %s: vector %d", refused[i].name, vector);
    }
    static const uint32_t absent[] = { 0x480, 0x48b, 0xc0010114, 0xc1, 0x186, 0x345, 0x12345678, 0xffffffff };
    for (unsigned i = 0; i < COUNT(absent); i++) {
        struct access a = { absent[i], 0 };
        ok(try_call(do_read, &a) == GP, "read of %x is #GP", absent[i]);
    }
    struct access feature = { 0x3a, 0 };
    int vector = try_call(do_read, &feature);
    ok(vector == GP || !(feature.value & 6), "FEATURE_CONTROL gives no VMX (%d, %lx)", vector, feature.value);
}

/* Reads all, and writes back what was read. */
static void sweep(void)
{
    static const struct { uint32_t first, last; } ranges[] = {
        { 0, 0x1fff }, { 0x40000000, 0x4000010f }, { 0x4b564d00, 0x4b564d0f }, { 0xc0000000, 0xc00011ff }, { 0xc0010000, 0xc00111ff },
    };
    unsigned readable = 0, refused = 0, strange = 0;
    for (unsigned r = 0; r < COUNT(ranges); r++)
        for (uint32_t i = ranges[r].first; i <= ranges[r].last; i++) {
            struct access a = { i, 0 };
            int vector = try_call(do_read, &a);
            readable += vector == -1;
            refused += vector == GP;
            strange += vector != -1 && vector != GP;
            if (vector == -1 && i != TSC && i != TSC_ADJUST) {
                vector = try_call(do_write, &a);
                strange += vector != -1 && vector != GP;
            }
        }
    ok(strange == 0, "all MSRs: %u readable, %u refused, %u other", readable, refused, strange);
}

void main(void)
{
    check_model();
    check_swapgs();
    if (boot_option("strict"))
        check_refused();
    sweep();
    done();
}
