/* SPDX-License-Identifier: MIT
 * x87, SSE and AVX state survives exits of every kind, and differs between CPUs. */
#include "lib/guest.h"

static uint8_t pattern[16][32] __attribute__((aligned(32))), seen[16][32] __attribute__((aligned(32)));
static volatile uint32_t stop, other_bad, other_rounds;
static bool avx;

#define MOVES(op, reg, m) \
    op(0, reg, m) op(1, reg, m) op(2, reg, m) op(3, reg, m) op(4, reg, m) op(5, reg, m) op(6, reg, m) op(7, reg, m) \
    op(8, reg, m) op(9, reg, m) op(10, reg, m) op(11, reg, m) op(12, reg, m) op(13, reg, m) op(14, reg, m) op(15, reg, m)
#define LOAD(n, reg, m) "vmovdqa " #n "*32(%0), %%ymm" #n "\n"
#define STORE(n, reg, m) "vmovdqa %%ymm" #n ", " #n "*32(%0)\n"
#define LOAD_SSE(n, reg, m) "movdqa " #n "*32(%0), %%xmm" #n "\n"
#define STORE_SSE(n, reg, m) "movdqa %%xmm" #n ", " #n "*32(%0)\n"

static void load(const void *from)
{
    if (avx)
        __asm__ volatile(MOVES(LOAD, , ) : : "r"(from) : "memory");
    else
        __asm__ volatile(MOVES(LOAD_SSE, , ) : : "r"(from) : "memory");
}

static void store(void *to)
{
    if (avx)
        __asm__ volatile(MOVES(STORE, , ) : : "r"(to) : "memory");
    else
        __asm__ volatile(MOVES(STORE_SSE, , ) : : "r"(to) : "memory");
}

static void enable(void)
{
    WRITE_CR(4, READ_CR(4) | 0x600); /* OSFXSR, OSXMMEXCPT */
    WRITE_CR(0, (READ_CR(0) | 0x22) & ~0xcul); /* MP, NE; not EM, TS */
    __asm__ volatile("fninit");
    if (cpuid(1, 0).ecx & (1 << 26) && cpuid(1, 0).ecx & (1 << 28) && !boot_option("noavx")) {
        WRITE_CR(4, READ_CR(4) | 1 << 18);
        __asm__ volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
        avx = true;
    }
}

static void exit_cpuid(void) { cpuid(0, 0); }
static void exit_port(void) { inb(0x71); }
static void exit_mmio(void) { read32(0xfed000f0); }
static void exit_msr(void) { rdmsr(0x1b); }
static void exit_page(void) { static uint64_t at = 0x1000000; at += 0x1000; read32(at); }
static void exit_serial(void) { print("."); }
static void exit_long(void) { delay_us(20000); } /* long enough that another vcpu of the host CPU runs */

static void check_exits(void)
{
    static const struct { void (*run)(void); unsigned count; const char *name; } exits[] = {
        { exit_cpuid, 200, "CPUID" }, { exit_port, 200, "port input" }, { exit_mmio, 200, "MMIO" }, { exit_msr, 200, "MSR" },
        { exit_page, 200, "first touch of memory" }, { exit_serial, 20, "serial output" }, { exit_long, 10, "pre-emption" },
    };
    for (unsigned e = 0; e < COUNT(exits); e++) {
        unsigned bad = 0;
        for (unsigned i = 0; i < exits[e].count; i++) {
            for (unsigned b = 0; b < sizeof pattern; b++)
                ((uint8_t *)pattern)[b] = b * 7 + i * 13 + e;
            load(pattern);
            exits[e].run();
            store(seen);
            for (unsigned r = 0; r < 16; r++)
                bad += memcmp(pattern[r], seen[r], avx ? 32 : 16) != 0;
        }
        ok(bad == 0, "%s registers across %u exits by %s: %u changed", avx ? "YMM" : "XMM", exits[e].count, exits[e].name, bad);
    }
}

static void check_x87(void)
{
    uint16_t control = 0x0f7f, back = 0;
    uint32_t mxcsr = 0x9fc0, mxcsr_back = 0;
    uint64_t bits = 0;
    __asm__ volatile("fldcw %0; ldmxcsr %1; fldpi; fldl2e" : : "m"(control), "m"(mxcsr));
    for (unsigned i = 0; i < 50; i++) {
        cpuid(0, 0);
        inb(0x71);
    }
    __asm__ volatile("faddp; fstpl %2; fnstcw %0; stmxcsr %1" : "=m"(back), "=m"(mxcsr_back), "=m"(bits));
    ok(back == control && mxcsr_back == mxcsr, "control words %x %x", back, mxcsr_back);
    ok(bits >> 40 == 0x401256, "x87 stack: pi + log2(e) = %lx", bits);
}

static void do_fpu(void *p) { (void)p; __asm__ volatile("fld1; fstp %st(0)"); }
static void do_sse(void *p) { (void)p; __asm__ volatile("movaps %xmm0, %xmm1"); }
static void do_divide(void *p)
{
    (void)p;
    uint16_t control = 0x037b; /* division by zero not masked */
    __asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(control));
}

static void check_exceptions(void)
{
    uint64_t cr0 = READ_CR(0), cr4 = READ_CR(4);
    WRITE_CR(0, cr0 | 8);
    ok(try_call(do_fpu, 0) == NM && try_call(do_sse, 0) == NM, "#NM while CR0.TS is set");
    __asm__ volatile("clts");
    ok(try_call(do_fpu, 0) == -1 && READ_CR(0) == cr0, "CLTS");
    WRITE_CR(4, cr4 & ~0x200ul);
    ok(try_call(do_sse, 0) == UD, "#UD without OSFXSR");
    WRITE_CR(4, cr4);
    ok(try_call(do_divide, 0) == MF, "#MF by CR0.NE");
    __asm__ volatile("fninit");
}

static void other(void *argument)
{
    static uint8_t mine[16][32] __attribute__((aligned(32))), back[16][32] __attribute__((aligned(32)));
    (void)argument;
    enable();
    for (uint32_t i = 0; !stop; i++) {
        memset(mine, i, sizeof mine);
        load(mine);
        cpuid(0, 0);
        inb(0x80);
        store(back);
        for (unsigned r = 0; r < 16; r++)
            other_bad += memcmp(mine[r], back[r], avx ? 32 : 16) != 0;
        other_rounds++;
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}

void main(void)
{
    time_init();
    lapic_init();
    enable();
    check_x87();
    check_exits();
    check_exceptions();
    if (boot_option("smp")) {
        ok(cpu_start(1, other, 0), "a second CPU with other values");
        check_exits();
        stop = 1;
        delay_us(50000);
        ok(other_rounds > 0 && other_bad == 0, "there: %u rounds, %u changed", other_rounds, other_bad);
    }
    done();
}
