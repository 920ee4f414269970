/* SPDX-License-Identifier: MIT
 * Attacks by instructions, control registers, descriptor tables and page tables. */
#include "hostile.h"

#define INSTRUCTIONS(X) \
    X("vmcall") X("vmmcall") X("vmlaunch") X("vmresume") X("vmxoff") X("vmxon (%rsp)") X("vmptrld (%rsp)") X("vmclear (%rsp)") X("vmptrst (%rsp)") \
    X("vmread %rax, %rcx") X("vmwrite %rax, %rcx") X("invept (%rsp), %rax") X("invvpid (%rsp), %rax") X("vmfunc") X("vmrun %rax") X("vmload %rax") \
    X("vmsave %rax") X("stgi") X("clgi") X("skinit %eax") X("invlpga %rax, %ecx") X("rsm") X("getsec") X("wbinvd") X("invd") X("rdpmc") X("rdtscp") \
    X("monitor %rax, %ecx, %edx") X("mwait %eax, %ecx") X("xsetbv") X("xgetbv") X("invpcid (%rsp), %rax") X("sysenter") X("sysexitl") X("syscall") X("sysretq") \
    X("lldt %ax") X("ltr %ax") X("lmsw %ax") X("clts") X("smsw %rax") X("sldt %rax") X("str %rax") X("sgdt -64(%rsp)") X("sidt -64(%rsp)") X("invlpg (%rax)") \
    X("hlt") X("int3") X("int $0x20") X("int $0xff") X("int $2") X("int $8") X(".byte 0xf1") X("ud2") X(".byte 0x0f, 0xff, 0xc0") X(".byte 0x0f, 0xb9, 0xc0") \
    X("iretq") X("swapgs") X("rdfsbase %rax") X("wrgsbase %rax") X("xsave (%rsp)") X("xrstor (%rsp)") X("xsaves (%rsp)") X("xrstors (%rsp)") X("fxrstor 1(%rsp)") \
    X("encls") X("enclu") X("pconfig") X("clac") X("stac") X("rdpkru") X("wrpkru") X("rdrand %rax") X("rdseed %rax") X("movq %cr0, %rax") X("movq %cr8, %rax") \
    X(".byte 0x0f, 0x22, 0xc8") X(".byte 0x0f, 0x20, 0xe9") X("movq %rax, %cr2") X("movq %db4, %rax") X("movq %rax, %db5") X(".byte 0xf0, 0x0f, 0x20, 0xc0") \
    X("lock; .byte 0x0f, 0x05") X("outsl") X("insl") X("rep outsb") X("rep insl") X("in %dx, %eax") X("cpuid") X("lretl") X("verr %ax") X("lar %ax, %eax") X("lsl %ax, %eax") \
    X(".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90") X("movntdqa (%rsp), %xmm0") X("ljmp *(%rsp)") X("lcall *(%rsp)")

/* Each instruction as a function of its own. */
#define EMIT(text) ".quad 1f\n.pushsection .text\n1: " text "\nret\n.popsection\n"
__asm__(".pushsection .rodata\n.balign 8\nhostile_code:\n"
#define X(text) EMIT(text)
        INSTRUCTIONS(X)
#undef X
        ".quad 0\n.popsection");
extern const uint64_t hostile_code[];

static const char *const hostile_names[] = {
#define X(text) text,
    INSTRUCTIONS(X)
#undef X
};

struct registers { uint64_t code, rax, rcx, rdx; };

static uint8_t scratch[8192] __attribute__((aligned(64)));

static void run_code(void *p)
{
    const struct registers *r = p;
    uint64_t a = r->rax, c = r->rcx, d = r->rdx, si = (uint64_t)scratch, di = (uint64_t)scratch;
    __asm__ volatile("sub $0x1000, %%rsp; call *%5; add $0x1000, %%rsp"
                     : "+a"(a), "+c"(c), "+d"(d), "+S"(si), "+D"(di) : "b"(r->code) : "memory", "cc", "r8", "r9", "r10", "r11");
}

static void do_wrcr0(void *p) { WRITE_CR(0, p); }
static void do_wrcr3(void *p) { WRITE_CR(3, p); }
static void do_wrcr4(void *p) { WRITE_CR(4, p); }
static void do_wrcr8(void *p) { WRITE_CR(8, p); }

static void ignore(struct frame *f) { (void)f; lapic_eoi(); }

/* HLT needs something that ends it: the local APIC's timer. */
static void timer_on(void)
{
    for (unsigned v = 32; v < 256; v++)
        irq_set_handler(v, ignore);
    lapic_write(LAPIC_SVR, 0x1ff);
    lapic_write(LAPIC_TIMER_DIVIDE, 3);
    lapic_write(LAPIC_LVT_TIMER, 0x20000 | 0x40);
    lapic_write(LAPIC_TIMER_INITIAL, 200000);
}

void attack_instructions(void)
{
    static const uint64_t values[] = { 0, 1, ~0ull, 0x1000, 0x80000001, 0xfed00000, 0x7fffffffffff, 0x8000000000000000 };
    uint64_t cr0 = READ_CR(0), cr3 = READ_CR(3), cr4 = READ_CR(4);
    for (unsigned i = 0; hostile_code[i]; i++) {
        bool privileged_return = hostile_names[i][0] == 'i' && hostile_names[i][1] == 'r';
        for (unsigned v = 0; v < COUNT(values) && !privileged_return; v++) {
            struct registers r = { hostile_code[i], values[v], hostile_random() % 4 ? values[(v + i) % COUNT(values)] : hostile_random(), 0x80 };
            if (!memcmp(hostile_names[i], "rep", 3))
                r.rcx &= 0xff; /* no endless copy over ourselves */
            /* TCG takes a null task register and then stops itself at the next exception. */
            if (!memcmp(hostile_names[i], "ltr", 3) && !(r.rax & 0xfffc))
                continue;
            /* TCG reports it as WBINVD. */
            if (!memcmp(hostile_names[i], "invd", 5) && boot_option("tcg"))
                continue;
            /* What would only end this program: SYSCALL and SYSENTER to nowhere, SYSRET and SYSEXIT to ring 3. */
            if (hostile_names[i][0] == 's' && hostile_names[i][1] == 'y')
                continue;
            timer_on();
            sti();
            try_call(run_code, &r);
            cli();
            idt_load();
            WRITE_CR(0, cr0);
            WRITE_CR(4, cr4);
            WRITE_CR(3, cr3);
            __asm__ volatile("lldt %w0" : : "r"(0));
        }
    }
    lapic_write(LAPIC_LVT_TIMER, 0x10000);
}

static volatile uint32_t debug_count;

static void on_debug(struct frame *f)
{
    debug_count++;
    f->rflags |= 1 << 16; /* RF */
    if (debug_count > 1000)
        f->rflags &= ~0x100ul;
}

/* Single steps and breakpoints across instructions that exit. */
void attack_debug(void)
{
    irq_set_handler(DB, on_debug);
    __asm__ volatile("pushf; orl $0x100, (%%rsp); popf; cpuid; in $0x80, %%al; out %%al, $0x80; mov (%%rdi), %%eax; rdtsc; mov %%cr0, %%rax; mov %%ss, %%eax; mov %%eax, %%ss; cpuid;"
                     "pushf; andl $~0x100, (%%rsp); popf" : : "D"(0xfed000f0), "a"(0), "c"(0) : "rbx", "rdx", "memory");
    ok(debug_count >= 10 && debug_count < 40, "%u single steps", debug_count);
    debug_count = 0;
    static volatile uint32_t watched;
    uint64_t dr7 = 0x000d0001 | 0x100; /* 4 bytes, write */
    __asm__ volatile("mov %0, %%db0; mov %1, %%db7" : : "r"(&watched), "r"(dr7));
    watched = 1;
    cpuid(0, 0);
    watched = 2;
    __asm__ volatile("mov %0, %%db7" : : "r"(0x400ul));
    ok(debug_count == 2, "%u hits of a watchpoint", debug_count);
    for (unsigned i = 0; i < 200; i++) {
        uint64_t v = hostile_random() & 0xffffdfff; /* not GD */
        __asm__ volatile("mov %0, %%db1; mov %0, %%db6; mov %1, %%db7; cpuid" : : "r"(v), "r"(v & ~0xfful), "a"(0), "c"(0) : "rbx", "rdx");
    }
    __asm__ volatile("mov %0, %%db7" : : "r"(0x400ul));
    irq_set_handler(DB, 0);
}

void attack_registers(void)
{
    uint64_t cr0 = READ_CR(0), cr3 = READ_CR(3), cr4 = READ_CR(4);
    for (unsigned i = 0; i < 64; i++) {
        if ((i != 5 && i != 12) || boot_option("strict")) /* TCG lets PAE go in long mode, and hangs over LA57 */
            try_call(do_wrcr4, (void *)(cr4 ^ 1ul << i));
        WRITE_CR(4, cr4);
        try_call(do_wrcr8, (void *)(1ul << i));
        WRITE_CR(8, 0);
        if (i != 31 && i != 0) /* without paging this 64-bit program is at its end */
            try_call(do_wrcr0, (void *)(cr0 ^ 1ul << i));
        WRITE_CR(0, cr0);
        if ((i >= 52 && !boot_option("tcg")) || i < 12) /* TCG makes reserved bits an exit of an invalid state */
            try_call(do_wrcr3, (void *)(cr3 | 1ul << i));
        WRITE_CR(3, cr3);
    }
    for (unsigned i = 0; i < 300; i++) {
        try_call(do_wrcr0, (void *)(hostile_random() | 0x80010001));
        WRITE_CR(0, cr0);
        try_call(do_wrcr4, (void *)((hostile_random() & ~0x1000ul) | 0x20));
        WRITE_CR(4, cr4);
    }
    ok(try_call(do_wrcr0, (void *)(cr0 & ~1ul)) == GP, "PG without PE is refused");
    if (boot_option("strict"))
        ok(try_call(do_wrcr4, (void *)(cr4 & ~0x20ul)) == GP, "PAE cannot be cleared in long mode");
}

static uint64_t bad_gdt[512] __attribute__((aligned(4096)));

__asm__(".pushsection .text\nhostile_undefined: ud2\n.popsection");
extern const uint8_t hostile_undefined[];

static void do_far(void *p)
{
    struct __attribute__((packed)) { uint32_t offset; uint16_t selector; } target = { (uint32_t)(uint64_t)hostile_undefined, (uint64_t)p };
    __asm__ volatile("lcall *%0" : : "m"(target) : "memory");
}

static void do_load_ds(void *p) { __asm__ volatile("mov %w0, %%ds" : : "r"(p)); }
static void do_load_ss(void *p) { __asm__ volatile("mov %w0, %%ss" : : "r"(p)); }
static void do_load_fs(void *p) { __asm__ volatile("mov %w0, %%fs" : : "r"(p)); }
static void do_load_tr(void *p) { __asm__ volatile("ltr %w0" : : "r"(p)); }
static void do_load_ldt(void *p) { __asm__ volatile("lldt %w0" : : "r"(p)); }

/* Random descriptors, each loaded into every register that takes one. */
void attack_tables(void)
{
    static void (*const loads[])(void *) = { do_load_ds, do_load_ss, do_load_fs, do_load_tr, do_load_ldt, do_far };
    struct __attribute__((packed)) { uint16_t limit; uint64_t base; } pointer = { sizeof bad_gdt - 1, (uint64_t)bad_gdt };
    extern const uint64_t gdt[9];
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 512; i++)
            bad_gdt[i] = hostile_random();
        memcpy(bad_gdt, gdt, 9 * sizeof(uint64_t));
        __asm__ volatile("lgdt %0" : : "m"(pointer));
        for (unsigned i = 9; i < 512; i++)
            for (unsigned l = 0; l < COUNT(loads) - 1; l++) {
                try_call(loads[l], (void *)(uint64_t)(i * 8 + hostile_random() % 8));
                do_load_ss((void *)0x10);
                do_load_ds((void *)0x10);
            }
    }
    for (unsigned i = 9; i < 512; i++)
        try_call(do_far, (void *)(uint64_t)(i * 8));
}

static uint64_t wild[4][512] __attribute__((aligned(4096)));

static void do_use(void *p)
{
    volatile uint8_t *at = p;
    at[0] = at[1];
    __asm__ volatile("lock incl (%0); cpuid" : : "r"(p), "a"(0), "c"(0) : "rbx", "rdx", "memory");
}

/* Tables that nest wrongly: loops, tables in devices and beyond memory, reserved bits; device accesses through them. */
void attack_paging(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned level = 0; level < 4; level++) {
            static const uint64_t targets[] = { 0xfed00000, 0xfee00000, 0xffffffff000, 0x40000000, 0x3f0000, 0xfffffffffffff000, 0 };
            uint64_t pick = hostile_random() % 12;
            uint64_t target = pick < COUNT(targets) ? targets[pick] : (uint64_t)wild[pick % 4];
            uint64_t bits = hostile_random() & (hostile_random() % 4 ? 0x7f : 0xfff0000000000fff);
            for (unsigned i = 0; i < 512; i += 64)
                wild[level][i] = target | bits | 1;
        }
        pml4[2] = (uint64_t)wild[0] | 7;
        pml4[3] = (uint64_t)pml4 | 7; /* itself */
        WRITE_CR(3, READ_CR(3));
        try_call(do_use, (void *)0x10000000000);
        if (round % 8 == 0)
            try_call(do_use, (void *)(0x10000000000 + 0x1000000ul * (hostile_random() % 512)));
    }
    pml4[2] = pml4[3] = 0;
    WRITE_CR(3, READ_CR(3));
}

void attack_idt_mmio(void)
{
    struct __attribute__((packed)) { uint16_t limit; uint64_t base; } pointer = { 0xfff, 0xfed00000 };
    __asm__ volatile("lidt %0; int $0x20" : : "m"(pointer));
}

void attack_gdt_mmio(void)
{
    struct __attribute__((packed)) { uint16_t limit; uint64_t base; } pointer = { 0xfff, 0xfed00000 };
    __asm__ volatile("lgdt %0; mov %1, %%ds; mov %1, %%ss; lretq" : : "m"(pointer), "r"(0x10));
}

void attack_cr3_mmio(void) { WRITE_CR(3, 0xfed00000); }
void attack_cr3_wild(void) { WRITE_CR(3, 0xffffffffff000); }

/* Garbage executed in real mode, with all of low memory as data and stack. */
void attack_real(void)
{
    static uint8_t code[2048];
    for (unsigned i = 0; i < sizeof code; i++)
        code[i] = hostile_random();
    struct real_registers r = { 0 };
    real_mode_call(code, code + sizeof code, &r);
}

/* A task gate in long mode is refused; in 32-bit protected mode a task switch is asked for. */
__asm__(".pushsection .rodata\n.code16\ntask_switch:\n lgdtl 0x7000 + tgdt - task_switch\n mov %cr0, %eax\n or $1, %al\n mov %eax, %cr0\n ljmpl $8, $0x7000 + task32 - task_switch\n"
        ".code32\ntask32: mov $16, %eax\n mov %eax, %ds\n mov %eax, %ss\n mov $24, %eax\n ltr %ax\n ljmp $32, $0\n 1: jmp 1b\n .balign 8\n"
        "tgdt: .short 39\n .long 0x7000 + tgdt - task_switch\n .short 0\n .quad 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x0000890060000067, 0x0000890061000067\n"
        "task_switch_end:\n.code64\n.popsection");
extern const uint8_t task_switch[], task_switch_end[];

void attack_task(void)
{
    struct real_registers r = { 0 };
    real_mode_call(task_switch, task_switch_end, &r);
}

static void do_iret(void *p)
{
    const uint64_t *f = p;
    __asm__ volatile("push %0; push %1; push %2; push %3; push %4; iretq" : : "r"(f[0]), "r"(f[1]), "r"(f[2]), "r"(f[3]), "r"(f[4]) : "memory");
}

/* Flags that no program should have: VM, NT, IOPL, TF with garbage, by POPF and IRET. */
void attack_state(void)
{
    for (unsigned i = 0; i < 200; i++) {
        uint64_t frame[5] = { 0x10, (uint64_t)frame, hostile_random() & ~0x10100ul, hostile_random() % 8 ? hostile_random() & 0xffff : 0x08, hostile_random() };
        if ((frame[3] & ~3ul) == 0x28 || (frame[3] & ~3ul) == 0x18 || (frame[3] & ~7ul) == 0x08)
            frame[3] = 0x50; /* code segments of ours: the program would be lost in them */
        try_call(do_iret, frame);
    }
    __asm__ volatile("pushf; orl $0x7000, (%%rsp); popf; cpuid; pushf; andl $0xffff0fff, (%%rsp); popf" : : "a"(0), "c"(0) : "rbx", "rdx", "memory");
}
