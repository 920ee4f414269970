/* SPDX-License-Identifier: MIT
 * Paging: 4 KiB, 2 MiB and 1 GiB pages in long mode with their faults, 32-bit and PAE paging, device accesses through each. */
#include "lib/guest.h"

#define VIRTUAL 0x8000000000ul /* pml4[1] */
#define P 1ul
#define W 2ul
#define U 4ul
#define UNCACHED 0x18ul
#define A 0x20ul
#define D 0x40ul
#define PS 0x80ul
#define NX (1ul << 63)
#define HPET 0xfed00000ul

static uint64_t tables[3][512] __attribute__((aligned(4096)));
static uint64_t data[1024] __attribute__((aligned(4096)));

static void flush(void) { WRITE_CR(3, READ_CR(3)); }

static volatile uint64_t *map4k(uint64_t entry)
{
    pml4[1] = (uint64_t)tables[0] | P | W | U;
    tables[0][0] = (uint64_t)tables[1] | P | W | U;
    tables[1][0] = (uint64_t)tables[2] | P | W | U;
    tables[2][0] = entry;
    flush();
    return (volatile uint64_t *)VIRTUAL;
}

static void do_read(void *p) { (void)*(volatile uint64_t *)p; }
static void do_write(void *p) { *(volatile uint64_t *)p = 1; }
static void do_jump(void *p) { ((void (*)(void))p)(); }

static bool faults(void (*what)(void *), volatile uint64_t *at, uint64_t error)
{
    int vector = try_call(what, (void *)at);
    return vector == PF && caught.error == error && caught_cr2 == (uint64_t)at;
}

static void check_small(void)
{
    uint64_t frame = (uint64_t)data;
    volatile uint64_t *v = map4k(frame | P | W);
    *v = 0x1234;
    ok(data[0] == 0x1234 && (tables[2][0] & (A | D)) == (A | D), "4 KiB page; accessed and dirty are set");
    *(uint8_t *)data = 0xc3; /* RET */
    map4k(frame | P | W);
    ok(try_call(do_jump, (void *)v) == -1, "code in it");
    map4k(frame | P | W | NX);
    ok(faults(do_jump, v, 0x11), "not executable: error %lx", caught.error);
    map4k(frame | P);
    ok(faults(do_write, v, 3), "read-only: error %lx", caught.error);
    map4k(0);
    ok(faults(do_read, v, 0), "not present: error %lx, CR2 %lx", caught.error, caught_cr2);
    map4k(frame | P | 1ul << 51);
    int vector = try_call(do_read, (void *)v);
    ok(vector == PF && (caught.error & 8), "an address beyond the width: vector %d, error %lx", vector, caught.error);
    map4k(frame | P | W);
    (void)*v;
    tables[2][0] = 0;
    __asm__ volatile("invlpg (%0)" : : "r"(v) : "memory");
    ok(faults(do_read, v, 0), "INVLPG");
    vector = try_call(do_read, (void *)0x800000000000);
    ok(vector == GP, "a non-canonical address: vector %d", vector);
}

static void check_device(volatile uint32_t *hpet, const char *how)
{
    uint32_t period = hpet[1];
    hpet[0xf0 / 4] = 0x5a5a5a5a;
    ok(period == read32(HPET + 4) && read32(HPET + 0xf0) == 0x5a5a5a5a, "device through %s: %x", how, period);
}

static void check_devices(void)
{
    write32(HPET + 0x10, 0);
    check_device((volatile uint32_t *)map4k(HPET | P | W | UNCACHED), "a 4 KiB page");
    tables[1][0] = (HPET & ~0x1ffffful) | P | W | PS | UNCACHED;
    flush();
    check_device((volatile uint32_t *)(VIRTUAL + (HPET & 0x1fffff)), "a 2 MiB page");
    if (!(cpuid(0x80000001, 0).edx & (1 << 26))) {
        skip("1 GiB pages", "not offered");
    } else {
        tables[0][0] = (HPET & ~0x3ffffffful) | P | W | PS | UNCACHED;
        flush();
        check_device((volatile uint32_t *)(VIRTUAL + (HPET & 0x3fffffff)), "a 1 GiB page");
    }
    pml4[1] = 0;
    flush();
}

/* 32-bit paging without and with PAE: from real mode into it, read and write through linear 0x400000 (RAM at EDI) and 0x800000
 * (the HPET), and back. EAX: CR3, EBX: bits of CR4, ECX: value to write. Out: EAX, EBX from RAM, EDX HPET period, ESI its counter. */
__asm__(".pushsection .rodata\n.code16\npaged:\n mov %eax, %cr3\n mov %ebx, %cr4\n lgdtl 0x7000 + pgdt - paged\n mov %cr0, %eax\n or $0x80000001, %eax\n mov %eax, %cr0\n"
        " ljmpl $8, $0x7000 + paged32 - paged\n.code32\npaged32: mov $16, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n"
        " mov %ecx, 0x400000\n mov 0x400000, %eax\n mov 0x400004, %ebx\n mov %ecx, 0x8000f0\n mov 0x800004, %edx\n mov 0x8000f0, %esi\n orl $1, 0x8000f0\n mov 0x8000f0, %edi\n"
        " ljmp $24, $0x7000 + paged16 - paged\n.code16\npaged16: mov $32, %cx\n mov %cx, %ds\n mov %cx, %es\n mov %cx, %ss\n push %eax\n mov %cr0, %eax\n and $0x7ffffffe, %eax\n mov %eax, %cr0\n"
        " ljmp $0, $0x7000 + paged_out - paged\npaged_out: xor %cx, %cx\n mov %cx, %ds\n mov %cx, %es\n mov %cx, %ss\n xor %eax, %eax\n mov %eax, %cr4\n pop %eax\n lret\n .balign 8\n"
        "pgdt: .short 39\n .long 0x7000 + pgdt - paged\n .short 0\n .quad 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00009b000000ffff, 0x000093000000ffff\n"
        "paged_end:\n.code64\n.popsection");
extern const uint8_t paged[], paged_end[];

static void check_mode(const char *name, uint32_t cr3, uint32_t cr4)
{
    struct real_registers r = { .eax = cr3, .ebx = cr4, .ecx = 0xcafe00f0 };
    data[0] = 0xaaaaaaaabbbbbbbb;
    data[1] = 0;
    real_mode_call(paged, paged_end, &r);
    ok(r.eax == 0xcafe00f0 && r.ebx == 0xaaaaaaaa && (uint32_t)data[0] == 0xcafe00f0, "%s paging: RAM %x %x", name, r.eax, r.ebx);
    ok(r.edx == read32(HPET + 4) && r.esi == 0xcafe00f0 && r.edi == 0xcafe00f1, "%s paging: device %x %x %x", name, r.edx, r.esi, r.edi);
}

static void check_32bit(void)
{
    uint32_t *pd32 = (uint32_t *)0x20000, *pt32 = (uint32_t *)0x21000, *pt_device = (uint32_t *)0x22000;
    memset(pd32, 0, 0x3000);
    pd32[0] = P | W | PS | U; /* low 4 MiB, for the code */
    pd32[1] = 0x21000 | P | W | U;
    pd32[2] = 0x22000 | P | W | U;
    pt32[0] = (uint32_t)(uint64_t)data | P | W;
    pt_device[0] = HPET | P | W | UNCACHED;
    check_mode("32-bit", 0x20000, 0x10);
    ok((pt32[0] & (A | D)) == (A | D), "32-bit paging: accessed and dirty are set");
}

static void check_pae(void)
{
    uint64_t *pdpte = (uint64_t *)0x20000, *low = (uint64_t *)0x21000, *pt = (uint64_t *)0x22000, *pt_device = (uint64_t *)0x23000;
    memset(pdpte, 0, 0x4000);
    pdpte[0] = 0x21000 | P;
    low[0] = P | W | PS;
    low[2] = 0x22000 | P | W;
    low[4] = 0x23000 | P | W;
    pt[0] = (uint64_t)data | P | W;
    pt_device[0] = HPET | P | W | UNCACHED;
    check_mode("PAE", 0x20000, 0x20);
    ok((pt[0] & (A | D)) == (A | D), "PAE paging: accessed and dirty are set");
}

void main(void)
{
    check_small();
    check_devices();
    check_32bit();
    check_pae();
    done();
}
