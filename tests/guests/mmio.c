/* SPDX-License-Identifier: MIT
 * Memory-mapped access in every form that operating systems use. The stopped main counter of the HPET is a 64-bit register that
 * keeps what is written: each instruction is executed once on RAM and once on the counter, and must do the same:
 * memory, registers and flags. */
#include "lib/guest.h"

#define HPET 0xfed00000ul
#define COUNTER (HPET + 0xf0)
#define TEXT 0xb8000ul /* text memory of the display, for writes of bytes and words, which the HPET does not take */
#define FLAGS_MASK 0x8c1u /* OF SF ZF CF; AF and PF are compared too where defined, see form.flags */

struct result { uint64_t memory, rax, rcx, rdx, rdi, rsi, flags; };
struct form {
    const char *name;
    void (*run)(uint64_t at, struct result *r);
    uint32_t flags; /* that the instruction defines */
    bool small;     /* an access of 1 or 2 bytes: in the text memory instead */
};

static uint64_t ram[4];
static uint64_t buffer[4] = { 0x1122334455667788, 0x99aabbccddeeff00, 0x0123456789abcdef, 0xfedcba9876543210 };

#define FORM(id, text) \
    static void id(uint64_t at, struct result *r) \
    { \
        uint64_t a = 0x00000000800000f1, c = 3, d = 0x123456789abcdef0, di = at, si = (uint64_t)buffer; \
        __asm__ volatile("cld; test %%eax, %%eax; clc\n" text "\npushf; pop %5; cld" \
            : "+a"(a), "+c"(c), "+d"(d), "+D"(di), "+S"(si), "=r"(r->flags) : : "memory", "cc", "rbx", "r8", "r9", "r15"); \
        r->rax = a, r->rcx = c, r->rdx = d, r->rdi = di - at, r->rsi = si; \
    }

FORM(load32, "mov (%%rdi), %%eax") FORM(load64, "mov (%%rdi), %%rax") FORM(load_high, "mov (%%rdi), %%r15d; mov %%r15, %%rax")
FORM(store32, "mov %%edx, (%%rdi)") FORM(store64, "mov %%rdx, (%%rdi)") FORM(store_imm, "movl $0x12345678, (%%rdi)")
FORM(store_imm64, "movq $-2, (%%rdi)") FORM(moffs, "mov %%rdx, %%r8; movabs %%eax, 0xfed000f0; mov %%r8, %%rdx")
FORM(and_mr, "and %%edx, (%%rdi)") FORM(or_mr, "or %%rdx, (%%rdi)") FORM(xor_mr, "xor %%edx, (%%rdi)") FORM(add_mr, "add %%edx, (%%rdi)")
FORM(sub_mr, "sub %%rdx, (%%rdi)") FORM(adc_mr, "stc; adc %%edx, (%%rdi)") FORM(sbb_mr, "stc; sbb %%edx, (%%rdi)") FORM(cmp_mr, "cmp %%edx, (%%rdi)")
FORM(test_mr, "test %%edx, (%%rdi)") FORM(and_rm, "and (%%rdi), %%edx") FORM(or_rm, "or (%%rdi), %%rdx") FORM(xor_rm, "xor (%%rdi), %%edx")
FORM(add_rm, "add (%%rdi), %%edx") FORM(sub_rm, "sub (%%rdi), %%rdx") FORM(cmp_rm, "cmp (%%rdi), %%edx") FORM(cmp_imm, "cmpl $0x12345678, (%%rdi)")
FORM(and_imm, "andl $0x0ff0ff00, (%%rdi)") FORM(or_imm8, "orl $0x55, (%%rdi)") FORM(add_imm8, "addq $-1, (%%rdi)") FORM(test_imm, "testl $0x80, (%%rdi)")
FORM(inc_m, "incl (%%rdi)") FORM(dec_m, "decq (%%rdi)") FORM(not_m, "notl (%%rdi)") FORM(neg_m, "negl (%%rdi)")
FORM(xchg_m, "xchg %%edx, (%%rdi)") FORM(xchg64, "xchg %%rdx, (%%rdi)") FORM(xadd_m, "lock xadd %%edx, (%%rdi)")
FORM(cmpxchg_no, "lock cmpxchg %%edx, (%%rdi)") FORM(cmpxchg_yes, "mov (%%rdi), %%eax; lock cmpxchg %%edx, (%%rdi)")
FORM(bt_imm, "btl $4, (%%rdi)") FORM(bts_imm, "lock btsl $5, (%%rdi)") FORM(btr_imm, "btrl $4, (%%rdi)") FORM(btc_imm, "btcl $31, (%%rdi)")
FORM(bt_reg, "bt %%ecx, (%%rdi)") FORM(bts_reg, "bts %%rcx, (%%rdi)") FORM(movsxd, "movslq (%%rdi), %%rdx") FORM(cmov, "cmp %%eax, %%eax; cmove (%%rdi), %%edx")
FORM(stos32, "stosl") FORM(stos64, "stosq") FORM(lods32, "xchg %%rsi, %%rdi; lodsl; xchg %%rsi, %%rdi") FORM(movs_to, "movsl") FORM(movs64, "movsq")
FORM(movs_from, "xchg %%rsi, %%rdi; movsl; xchg %%rsi, %%rdi") FORM(rep_stos, "mov $2, %%ecx; rep stosl") FORM(rep_movs, "mov $2, %%ecx; rep movsl")
FORM(rep_none, "xor %%ecx, %%ecx; rep stosl") FORM(std_stos, "std; stosl; cld") FORM(scas, "scasl") FORM(cmps, "cmpsl")
FORM(sib, "lea -0x30(%%rdi), %%r8; mov $6, %%ecx; mov (%%r8,%%rcx,8), %%eax; mov $3, %%ecx") FORM(disp8, "lea -0x10(%%rdi), %%r9; mov 0x10(%%r9), %%eax")
FORM(disp32, "lea -0x1000(%%rdi), %%r9; mov %%edx, 0x1000(%%r9)") FORM(address32, "mov (%%edi), %%eax") FORM(push_m, "push (%%rdi); pop %%rax")
FORM(pop_m, "push %%rdx; pop (%%rdi)") FORM(movnti, "movnti %%edx, (%%rdi)") FORM(shl_m, "shll $1, (%%rdi)") FORM(load8, "mov (%%rdi), %%al")
FORM(load16, "mov (%%rdi), %%ax") FORM(store8, "mov %%dl, (%%rdi)") FORM(store8h, "mov %%dh, 1(%%rdi)") FORM(store16, "mov %%dx, (%%rdi)")
FORM(movzx8, "movzbl (%%rdi), %%edx") FORM(movzx16, "movzwl 2(%%rdi), %%edx") FORM(movsx8, "movsbl (%%rdi), %%edx") FORM(movsx16, "movswq 2(%%rdi), %%rdx")
FORM(testb_imm, "testb $0x80, (%%rdi)") FORM(orb_imm, "orb $0x0f, 3(%%rdi)") FORM(setcc, "cmp %%eax, %%eax; sete (%%rdi)") FORM(stosb, "stosb") FORM(rep_movsb, "mov $4, %%ecx; rep movsb")

#define ALL 0x8d5u  /* OF SF ZF AF PF CF */
#define LOGIC 0x8c5u /* AF undefined */
static const struct form forms[] = {
    { "mov r32, m", load32, 0, 0 }, { "mov r64, m", load64, 0, 0 }, { "mov r15d, m", load_high, 0, 0 }, { "mov m, r32", store32, 0, 0 },
    { "mov m, r64", store64, 0, 0 }, { "mov m, imm32", store_imm, 0, 0 }, { "mov m64, imm32", store_imm64, 0, 0 }, { "and m, r", and_mr, LOGIC, 0 },
    { "or m64, r", or_mr, LOGIC, 0 }, { "xor m, r", xor_mr, LOGIC, 0 }, { "add m, r", add_mr, ALL, 0 }, { "sub m64, r", sub_mr, ALL, 0 },
    { "adc m, r", adc_mr, ALL, 0 }, { "sbb m, r", sbb_mr, ALL, 0 }, { "cmp m, r", cmp_mr, ALL, 0 }, { "test m, r", test_mr, LOGIC, 0 },
    { "and r, m", and_rm, LOGIC, 0 }, { "or r64, m", or_rm, LOGIC, 0 }, { "xor r, m", xor_rm, LOGIC, 0 }, { "add r, m", add_rm, ALL, 0 },
    { "sub r64, m", sub_rm, ALL, 0 }, { "cmp r, m", cmp_rm, ALL, 0 }, { "cmp m, imm32", cmp_imm, ALL, 0 }, { "and m, imm32", and_imm, LOGIC, 0 },
    { "or m, imm8", or_imm8, LOGIC, 0 }, { "add m64, imm8", add_imm8, ALL, 0 }, { "test m, imm32", test_imm, LOGIC, 0 }, { "inc m", inc_m, 0x8d4, 0 },
    { "dec m64", dec_m, 0x8d4, 0 }, { "not m", not_m, 0, 0 }, { "neg m", neg_m, ALL, 0 }, { "xchg m, r", xchg_m, 0, 0 }, { "xchg m64, r", xchg64, 0, 0 },
    { "lock xadd m, r", xadd_m, ALL, 0 }, { "lock cmpxchg, unequal", cmpxchg_no, ALL, 0 }, { "lock cmpxchg, equal", cmpxchg_yes, ALL, 0 },
    { "bt m, imm8", bt_imm, 1, 0 }, { "lock bts m, imm8", bts_imm, 1, 0 }, { "btr m, imm8", btr_imm, 1, 0 }, { "btc m, imm8", btc_imm, 1, 0 },
    { "bt m, r", bt_reg, 1, 0 }, { "bts m64, r", bts_reg, 1, 0 }, { "movsxd", movsxd, 0, 0 }, { "cmov r, m", cmov, 0, 0 }, { "stosd", stos32, 0, 0 },
    { "stosq", stos64, 0, 0 }, { "lodsd", lods32, 0, 0 }, { "movsd to it", movs_to, 0, 0 }, { "movsq to it", movs64, 0, 0 }, { "movsd from it", movs_from, 0, 0 },
    { "rep stosd", rep_stos, 0, 0 }, { "rep movsd", rep_movs, 0, 0 }, { "rep stosd, RCX 0", rep_none, 0, 0 }, { "stosd downwards", std_stos, 0, 0 },
    { "scasd", scas, ALL, 0 }, { "cmpsd", cmps, ALL, 0 }, { "base + index * 8", sib, 0, 0 }, { "disp8", disp8, 0, 0 }, { "disp32", disp32, 0, 0 },
    { "address size 32", address32, 0, 0 }, { "push m", push_m, 0, 0 }, { "pop m", pop_m, 0, 0 }, { "movnti", movnti, 0, 0 }, { "shl m, 1", shl_m, LOGIC, 0 },
    { "mov r8, m", load8, 0, 1 }, { "mov r16, m", load16, 0, 1 }, { "mov m, r8", store8, 0, 1 }, { "mov m, dh", store8h, 0, 1 },
    { "mov m, r16", store16, 0, 1 }, { "movzx r, m8", movzx8, 0, 1 }, { "movzx r, m16", movzx16, 0, 1 }, { "movsx r, m8", movsx8, 0, 1 },
    { "movsx r64, m16", movsx16, 0, 1 }, { "test m8, imm", testb_imm, LOGIC, 1 }, { "or m8, imm", orb_imm, LOGIC, 1 }, { "setcc m8", setcc, 0, 1 },
    { "stosb", stosb, 0, 1 }, { "rep movsb", rep_movsb, 0, 1 },
};

static struct result run(const struct form *form, uint64_t at)
{
    struct result r = { 0 };
    write32(at, 0x76543211);
    write32(at + 4, 0x89abcdef);
    form->run(at, &r);
    r.memory = read32(at) | (uint64_t)read32(at + 4) << 32;
    r.flags &= form->flags;
    return r;
}

struct attempt { const struct form *form; struct result result; };

static void attempt(void *p)
{
    struct attempt *a = p;
    a->result = run(a->form, a->form->small ? TEXT : COUNTER);
}

static void check_form(const struct form *form)
{
    struct result want = run(form, (uint64_t)ram);
    struct attempt a = { .form = form };
    int vector = try_call(attempt, &a);
    struct result *is = &a.result;
    bool same = vector == -1 && !memcmp(&want, is, sizeof want);
    if (ok(same, "%s", form->name))
        return;
    print("# vector %d; memory %lx rax %lx rcx %lx rdx %lx rdi %lx rsi %lx flags %lx\n", vector, is->memory, is->rax, is->rcx, is->rdx, is->rdi, is->rsi, is->flags);
    print("#   expected memory %lx rax %lx rcx %lx rdx %lx rdi %lx rsi %lx flags %lx\n", want.memory, want.rax, want.rcx, want.rdx, want.rdi, want.rsi, want.flags);
}

static void check_segment(void)
{
    write32(COUNTER, 0xcafe);
    wrmsr(0xc0000101, COUNTER - 0x20); /* GS_BASE */
    uint32_t v;
    __asm__ volatile("mov %%gs:0x20, %0" : "=r"(v));
    ok(v == 0xcafe, "GS prefix: %x", v);
    wrmsr(0xc0000101, 0);
}

static void check_others(void)
{
    ok((lapic_read(LAPIC_VERSION) & 0xff) >= 0x10, "local APIC version %x", lapic_read(LAPIC_VERSION));
    uint32_t version = ioapic_read(1);
    ok((version >> 16 & 0xff) == 23, "I/O APIC with %u pins", (version >> 16 & 0xff) + 1);
    ioapic_write(0x10 + 2 * 5, 0x10055);
    ok((ioapic_read(0x10 + 2 * 5) & 0x100ff) == 0x10055, "I/O APIC keeps an entry");
    uint64_t id = read32(HPET) | (uint64_t)read32(HPET + 4) << 32;
    ok(id >> 32 > 0 && id >> 32 <= 100000000, "HPET %lx", id);
    struct result wrapped;
    moffs(HPET, &wrapped);
    ok(read32(COUNTER) == 0x800000f1, "mov moffs, eax");
}

void main(void)
{
    write32(HPET + 0x10, 0); /* stop the counter */
    if (!acpi_find("HPET"))
        skip("HPET", "there is none");
    for (unsigned i = 0; i < COUNT(forms); i++)
        check_form(&forms[i]);
    uint32_t whole = read32(HPET), byte, word;
    __asm__ volatile("movzbl (%2), %0; movswl 2(%2), %1" : "=&r"(byte), "=r"(word) : "r"(HPET));
    if (boot_option("strict"))
        ok(byte == (whole & 0xff) && word == (uint32_t)((int32_t)whole >> 16), "bytes and words of the HPET's identity: %x %x", byte, word);
    check_segment();
    check_others();
    done();
}
