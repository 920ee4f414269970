/* SPDX-License-Identifier: MIT
 * Debug exceptions: single steps over instructions that exit and over those that do not, breakpoints, the debug registers. */
#include "lib/guest.h"

#define DR6_FIXED 0xffff0ff0ul
#define DR6_BD (1ul << 13)
#define DR6_BS (1ul << 14)
#define DR7_FIXED 0x400ul
#define CR4_DE (1ul << 3)
#define RFLAGS_RF 0x10000ul
#define V_TIMER 0x60
#define TRAPS_MAX 32

#define READ_DR(n) ({ uint64_t v_; __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v_)); v_; })
#define WRITE_DR(n, v) __asm__ volatile("mov %0, %%dr" #n : : "r"((uint64_t)(v)))

static volatile uint32_t traps, timers;
static uint64_t trap_rip[TRAPS_MAX], trap_dr6[TRAPS_MAX];
static volatile uint64_t watched;

static void on_debug(struct frame *f)
{
    uint64_t dr6 = READ_DR(6);
    if (traps < TRAPS_MAX) {
        trap_rip[traps] = f->rip;
        trap_dr6[traps] = dr6;
    }
    if (++traps >= TRAPS_MAX) { /* never ends otherwise */
        f->rflags &= ~0x100ul;
        WRITE_DR(7, DR7_FIXED);
    }
    if (dr6 & 15)
        f->rflags |= RFLAGS_RF;
    WRITE_DR(6, DR6_FIXED);
}

static void on_timer(struct frame *f)
{
    (void)f;
    timers++;
    lapic_eoi();
}

/* A piece is called with TF clear; it sets TF, runs its body, and clears TF again. I() is an instruction behind which a trap
 * comes: the address behind it goes into the piece's table. S() is one that holds the trap back. */
#define I(text) text "\n9: .pushsection .rodata.steps\n.quad 9b\n.popsection\n"
#define S(text) text "\n"
#define PIECE(name, before, body) \
    __asm__(".pushsection .rodata.steps\n" #name "_steps:\n.popsection\n.text\n" #name ": push %rbx\n" before "\npushf\norl $0x100, (%rsp)\npopf\n" body \
            I("pushf") I("andl $~0x100, (%rsp)") I("popf") "pop %rbx\nret\n.pushsection .rodata.steps\n" #name "_end:\n.popsection"); \
    void name(void); \
    extern const uint64_t name##_steps[], name##_end[]

PIECE(plain, "", I("nop") I("inc %eax") I("mov %eax, %ecx"));
PIECE(exits, "", I("xor %eax, %eax") I("cpuid") I("mov $0x3fd, %edx") I("inb %dx, %al") I("outb %al, $0x80") I("mov $0x1b, %ecx") I("rdmsr") I("wrmsr")
      I("mov 0xfee00030, %eax") I("mov %eax, 0xfee00030") I("mov %cr4, %rax") I("mov %rax, %cr4") I("wbinvd"));
PIECE(behind_sti, "cli", I("sti") I("nop") I("cli"));
PIECE(behind_sti_exit, "cli", I("xor %eax, %eax") I("sti") I("cpuid") I("cli"));
PIECE(behind_mov_ss, "mov %ss, %eax", S("mov %eax, %ss") I("nop") I("nop"));
PIECE(behind_mov_ss_exit, "mov %ss, %esi; xor %eax, %eax", S("mov %esi, %ss") I("cpuid") I("nop"));
PIECE(behind_mov_ss_port, "mov %ss, %esi; mov $0x3fd, %edx", S("mov %esi, %ss") I("inb %dx, %al") I("nop"));
PIECE(behind_mov_ss_mmio, "mov %ss, %esi", S("mov %esi, %ss") I("mov 0xfee00030, %eax") I("nop"));
PIECE(repeated, "mov $3, %ecx; mov $0x71, %edx; lea watched(%rip), %rdi; cld",
      "8: rep insb\n9: .pushsection .rodata.steps\n.quad 8b, 8b, 9b\n.popsection\n" I("nop"));
PIECE(halt, "cli", I("sti") I("hlt") I("cli"));
PIECE(general_detect, "mov $0x2400, %eax; mov %rax, %dr7", 
      "7: .pushsection .rodata.steps\n.quad 7b\n.popsection\n" I("mov %dr0, %rax") I("nop"));

static void run(const char *what, void (*piece)(void), const uint64_t *steps, const uint64_t *end)
{
    unsigned expected = end - steps, right = 0;
    traps = 0;
    WRITE_DR(6, DR6_FIXED);
    piece();
    for (unsigned i = 0; i < expected && i < traps; i++)
        right += trap_rip[i] == steps[i] && (trap_dr6[i] == (DR6_FIXED | DR6_BS) || (trap_dr6[i] & ~DR6_BS) == (DR6_FIXED | DR6_BD));
    ok(traps == expected && right == expected, "single step, %s: %u traps of %u, %u right", what, traps, expected, right);
    for (unsigned i = 0; i < traps && right < expected && i < TRAPS_MAX; i++)
        print("# %u: %lx DR6 %lx, expected %lx\n", i, trap_rip[i], trap_dr6[i], i < expected ? steps[i] : 0);
}
#define RUN(what, piece) run(what, piece, piece##_steps, piece##_end)

/* What QEMU's TCG gets wrong itself is left out with `tcg` on the command line: steps behind STI, and DR7.GD. */
static void check_steps(void)
{
    bool tcg = boot_option("tcg");
    RUN("plain instructions", plain);
    RUN("instructions that exit", exits);
    if (!tcg) {
        RUN("behind STI", behind_sti);
        RUN("behind STI, CPUID", behind_sti_exit);
    }
    RUN("behind MOV SS", behind_mov_ss);
    RUN("behind MOV SS, CPUID", behind_mov_ss_exit);
    RUN("behind MOV SS, IN", behind_mov_ss_port);
    RUN("behind MOV SS, device access", behind_mov_ss_mmio);
    RUN("each repetition of REP INSB", repeated);
    irq_set_handler(V_TIMER, on_timer);
    lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
    lapic_write(LAPIC_LVT_TIMER, V_TIMER);
    lapic_write(LAPIC_TIMER_INITIAL, 20000000);
    if (!tcg)
        RUN("a trap ends HLT", halt);
    lapic_write(LAPIC_TIMER_INITIAL, 0);
    if (!tcg)
        RUN("general detect", general_detect);
    ok(READ_DR(7) == DR7_FIXED, "the trap has cleared DR7.GD: %lx", READ_DR(7));
}

static void check_breakpoints(void)
{
    extern const uint8_t hit1[], hit2[], hit3[];
    traps = 0;
    WRITE_DR(2, hit1);
    WRITE_DR(7, DR7_FIXED | 0x20);
    __asm__ volatile("hit1: nop");
    ok(traps == 1 && trap_rip[0] == (uint64_t)hit1 && trap_dr6[0] == (DR6_FIXED | 4), "instruction breakpoint: %u, DR6 %lx", traps, trap_dr6[0]);
    traps = 0;
    WRITE_DR(2, hit2);
    WRITE_DR(6, DR6_FIXED | DR6_BS | 2);
    __asm__ volatile("hit2: nop");
    ok(traps == 1 && trap_dr6[0] == (DR6_FIXED | DR6_BS | 4), "B0 to B3 are set anew, BS stays: DR6 %lx", trap_dr6[0]);
    traps = 0;
    WRITE_DR(1, &watched);
    WRITE_DR(7, DR7_FIXED | 8 | 0x9ul << 20); /* 8 bytes, writes */
    __asm__ volatile("movq $42, %0\nhit3:" : "=m"(watched) : : "memory");
    ok(traps == 1 && trap_rip[0] == (uint64_t)hit3 && trap_dr6[0] == (DR6_FIXED | 2), "data breakpoint: %u, DR6 %lx", traps, trap_dr6[0]);
    WRITE_DR(7, DR7_FIXED);
}

static void read_dr4(void *argument) { __asm__ volatile("mov %%dr4, %0" : "=r"(*(uint64_t *)argument)); }
static void read_dr5(void *argument) { __asm__ volatile("mov %%dr5, %0" : "=r"(*(uint64_t *)argument)); }
static void write_dr6_high(void *argument) { (void)argument; WRITE_DR(6, 1ul << 32); }
static void write_dr7_high(void *argument) { (void)argument; WRITE_DR(7, 1ul << 32); }

static void check_registers(void)
{
    uint64_t dr4 = 0, dr5 = 0, cr4 = READ_CR(4);
    WRITE_DR(0, 0x123456789abcul);
    WRITE_DR(3, 0xffff800000000000ul);
    cpuid(0, 0);
    ok(READ_DR(0) == 0x123456789abc && READ_DR(3) == 0xffff800000000000, "address registers survive exits");
    WRITE_DR(6, DR6_FIXED | 9);
    ok(try_call(read_dr4, &dr4) < 0 && dr4 == (DR6_FIXED | 9), "DR4 is DR6: %lx", dr4);
    ok(try_call(read_dr5, &dr5) < 0 && dr5 == DR7_FIXED, "DR5 is DR7: %lx", dr5);
    WRITE_CR(4, cr4 | CR4_DE);
    ok(try_call(read_dr4, &dr4) == UD && try_call(read_dr5, &dr5) == UD, "with CR4.DE there is no DR4 and DR5");
    WRITE_CR(4, cr4);
    ok(try_call(write_dr6_high, NULL) == GP && try_call(write_dr7_high, NULL) == GP, "upper halves are reserved");
    WRITE_DR(6, DR6_FIXED);
}

/* Not every emulator knows the instruction: only on request. */
static void check_icebp(void)
{
    extern const uint8_t behind_icebp[];
    traps = 0;
    __asm__ volatile(".byte 0xf1\nbehind_icebp:");
    ok(traps == 1 && trap_rip[0] == (uint64_t)behind_icebp && trap_dr6[0] == DR6_FIXED, "INT1: %u, rip %lx, DR6 %lx", traps, trap_rip[0], trap_dr6[0]);
}

void main(void)
{
    lapic_init();
    irq_set_handler(DB, on_debug);
    check_registers();
    check_breakpoints();
    check_steps();
    if (boot_option("icebp"))
        check_icebp();
    done();
}
