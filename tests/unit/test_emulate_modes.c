/* SPDX-License-Identifier: MIT
 * The emulator where the host's CPU cannot be the judge: real mode, segments, faults, port strings, bounded repetition,
 * and what the devices see. */
#include "cpu_fixture.h"
#include <stdio.h>
#include <string.h>

#define CODE 0x1000u

static struct cpu *cpu;

static void code(const char *hex)
{
    unsigned value, length = 0;
    memset(cpu->ram + CODE, 0x90, 32);
    for (; sscanf(hex + 2 * length, "%2x", &value) == 1; length++) {
        cpu->ram[CODE + length] = (uint8_t)value;
    }
    cpu->log_count = 0;
    cpu->state.rip = CODE;
}

static void start64(const char *hex)
{
    cpu_mode64(cpu);
    cpu_map(cpu, CODE, CODE, 3);
    cpu_map(cpu, 0x400000, CPU_DEVICE, 3);
    cpu_map(cpu, 0x401000, 0x5000, 3);
    cpu->state.gpr[RDI] = 0x400000;
    memset(cpu->device, 0, sizeof(cpu->device));
    code(hex);
}

static void start16(const char *hex)
{
    cpu_mode16(cpu);
    code(hex);
}

static void done(unsigned length)
{
    assert_int_equal(emulate(cpu->vcpu, &cpu_ops), EMULATE_DONE);
    assert_int_equal(cpu->state.rip, CODE + length);
}

/* The fault is injected, and nothing else has changed. */
static void faults(uint8_t vector, uint32_t error)
{
    struct vcpu_state before = cpu->state;
    assert_int_equal(emulate(cpu->vcpu, &cpu_ops), EMULATE_FAULT);
    assert_int_equal(INJECT_VECTOR(cpu->state.inject), vector);
    assert_int_equal(cpu->state.inject_error, error);
    assert_int_equal(cpu->log_count, 0);
    before.inject = cpu->state.inject;
    before.inject_error = cpu->state.inject_error;
    before.cr2 = cpu->state.cr2;
    before.dirty = cpu->state.dirty;
    assert_memory_equal(&cpu->state, &before, sizeof(before));
}

static void page_faults(uint64_t address, uint32_t error)
{
    faults(EXCEPTION_PF, error);
    assert_int_equal(cpu->state.cr2, address);
    assert_true(cpu->state.dirty & GROUP_CR);
    assert_true(cpu->state.inject & INJECT_ERROR_CODE);
}

static void test_what_devices_see(void **unused)
{
    (void)unused;
    start64("8907");
    cpu->state.gpr[RAX] = 0x1122334455667788;
    done(2);
    assert_int_equal(cpu->log_count, 1);
    assert_int_equal(cpu->log[0].address, CPU_DEVICE);
    assert_int_equal(cpu->log[0].size, 4);
    assert_int_equal(cpu->log[0].value, 0x55667788);
    start64("0107"); /* read-modify-write: one read, one write */
    done(2);
    assert_int_equal(cpu->log_count, 2);
    assert_true(!cpu->log[0].write && cpu->log[1].write);
    start64("3907"); /* CMP only reads */
    done(2);
    assert_int_equal(cpu->log_count, 1);
    start64("4889870d000000"); /* misaligned, in one page: one access */
    done(7);
    assert_int_equal(cpu->log_count, 1);
    assert_int_equal(cpu->log[0].size, 8);
    start64("488987fd0f0000"); /* three bytes in the device, five in RAM */
    cpu->state.gpr[RAX] = 0x1122334455667788;
    done(7);
    assert_int_equal(cpu->log_count, 2);
    assert_int_equal(cpu->log[0].size, 2);
    assert_int_equal(cpu->log[1].size, 1);
    assert_int_equal(cpu->log[1].address, CPU_DEVICE + 0xfff);
    assert_memory_equal(cpu->ram + 0x5000, "\x55\x44\x33\x22\x11", 5);
}

static void test_page_faults(void **unused)
{
    (void)unused;
    start64("8907");
    cpu->state.gpr[RDI] = 0x600000;
    page_faults(0x600000, PF_WRITE);
    start64("488987ff1f0000"); /* the second page is missing */
    page_faults(0x402000, PF_WRITE);
    start64("8b07");
    *cpu_map(cpu, 0x400000, CPU_DEVICE, 3) = 0;
    page_faults(0x400000, 0);
    start64("0107"); /* read-modify-write of what may only be read: write fault */
    cpu_map(cpu, 0x400000, CPU_DEVICE, 1);
    page_faults(0x400000, PF_PRESENT | PF_WRITE);
    start64("a5"); /* MOVS: the target faults, the source is not read */
    cpu->state.gpr[RSI] = 0x400000;
    cpu->state.gpr[RDI] = 0x600000;
    page_faults(0x600000, PF_WRITE);
    start64("ff37"); /* PUSH: the stack faults, the source is not read */
    cpu->state.gpr[RSP] = 0x700000;
    page_faults(0x6ffff8, PF_WRITE);
    start64("8907"); /* the code itself */
    cpu->state.rip = 0x800000;
    page_faults(0x800000, PF_FETCH);
}

static void test_other_faults(void **unused)
{
    (void)unused;
    start64("8907");
    cpu->state.gpr[RDI] = 0x800000000000;
    faults(EXCEPTION_GP, 0);
    start64("894500");
    cpu->state.gpr[RBP] = 0x800000000000;
    faults(EXCEPTION_SS, 0);
    start64("f08907");
    faults(EXCEPTION_UD, 0);
    assert_false(cpu->state.inject & INJECT_ERROR_CODE);
    start64("66666666666666666666666666668907");
    faults(EXCEPTION_GP, 0);
    start64("480fc74f04"); /* CMPXCHG16B, misaligned */
    faults(EXCEPTION_GP, 0);
    start64("8b4701"); /* #AC */
    cpu->state.cr0 |= CR0_AM;
    cpu->state.rflags |= RFLAGS_AC;
    cpu->state.seg[SEG_SS].attr |= 0x60;
    cpu_map(cpu, 0x400000, CPU_DEVICE, 7);
    cpu_map(cpu, CODE, CODE, 7);
    for (uint64_t table = CPU_TABLES; table < cpu->next_table; table += 8) {
        *(uint64_t *)(cpu->ram + table) |= *(uint64_t *)(cpu->ram + table) & 1 ? 4 : 0;
    }
    faults(EXCEPTION_AC, 0);
}

static void test_real_mode(void **unused)
{
    (void)unused;
    start16("8907"); /* MOV [BX], AX at DS:BX */
    cpu->state.seg[SEG_DS].base = 0xd0000000; /* "unreal": the base reaches the device */
    cpu->state.gpr[RBX] = 0xffff0010;
    cpu->state.gpr[RAX] = 0xaaaa1234;
    done(2);
    assert_int_equal(cpu->log[0].address, CPU_DEVICE + 0x10);
    assert_int_equal(cpu->log[0].size, 2);
    start16("894002"); /* [BX + SI + 2] wraps at 64 KiB */
    cpu->state.seg[SEG_DS].base = 0xd0000000;
    cpu->state.gpr[RBX] = 0xfff0;
    cpu->state.gpr[RSI] = 0x20;
    done(3);
    assert_int_equal(cpu->log[0].address, CPU_DEVICE + 0x12);
    start16("8907"); /* beyond the limit */
    cpu->state.gpr[RBX] = 0xffff;
    faults(EXCEPTION_GP, 0);
    start16("894600");
    cpu->state.gpr[RBP] = 0xffff;
    faults(EXCEPTION_SS, 0);
    start16("268907"); /* ES override */
    cpu->state.seg[SEG_ES].base = 0xd0001000;
    cpu->state.gpr[RBX] = 4;
    done(3);
    assert_int_equal(cpu->log[0].address, CPU_DEVICE + 0x1004);
    start16("6667c70078563412"); /* 32-bit operand and address */
    cpu->state.seg[SEG_DS].base = 0xd0000000;
    cpu->state.gpr[RAX] = 0x20;
    done(8);
    assert_int_equal(cpu->log[0].value, 0x12345678);
    start16("f3aa"); /* REP STOSB wraps DI and keeps the upper half of EDI */
    cpu->state.seg[SEG_ES].base = 0xd0000000;
    cpu->state.gpr[RDI] = 0x1234fffe;
    cpu->state.gpr[RCX] = 0xabcd0004;
    done(2);
    assert_int_equal(cpu->state.gpr[RDI], 0x12340002);
    assert_int_equal(cpu->state.gpr[RCX], 0xabcd0000);
    assert_int_equal(cpu->log[3].address, CPU_DEVICE + 1);
}

static void test_segments(void **unused)
{
    (void)unused;
    cpu_mode32(cpu);
    code("8907");
    struct segment *ds = &cpu->state.seg[SEG_DS];
    cpu->state.gpr[RDI] = CPU_DEVICE;
    done(2);
    code("8907"); /* read-only data */
    ds->attr = 0xc091;
    faults(EXCEPTION_GP, 0);
    code("8907"); /* null */
    ds->attr = SEG_ATTR_UNUSABLE;
    faults(EXCEPTION_GP, 0);
    code("2e8b07"); /* execute-only code */
    cpu->state.seg[SEG_CS].attr = 0xc099;
    faults(EXCEPTION_GP, 0);
    cpu->state.seg[SEG_CS].attr = CPU_ATTR_CODE32;
    code("8907"); /* expand-down: valid above the limit only */
    *ds = (struct segment){ .limit = 0xcfffffff, .attr = 0xc097 };
    done(2);
    code("8907");
    ds->limit = CPU_DEVICE;
    faults(EXCEPTION_GP, 0);
    code("8907"); /* expand-down with B clear ends at 64 KiB */
    *ds = (struct segment){ .limit = 0xff, .attr = 0x97, .base = CPU_DEVICE };
    cpu->state.gpr[RDI] = 0xfffd;
    faults(EXCEPTION_GP, 0);
    code("8907");
    cpu->state.gpr[RDI] = 0xfffc;
    done(2);
    cpu_mode32(cpu); /* the code segment's limit */
    code("8907");
    cpu->state.seg[SEG_CS].limit = CODE;
    faults(EXCEPTION_GP, 0);
    start64("658907"); /* GS in 64-bit mode */
    cpu->state.seg[SEG_GS].base = 0x10;
    done(3);
    assert_int_equal(cpu->log[0].address, CPU_DEVICE + 0x10);
}

static void test_repeat(void **unused)
{
    (void)unused;
    start64("f3ab");
    cpu->state.gpr[RCX] = EMULATE_REPEAT_MAX + 10;
    assert_int_equal(emulate(cpu->vcpu, &cpu_ops), EMULATE_AGAIN);
    assert_int_equal(cpu->state.gpr[RCX], 10);
    assert_int_equal(cpu->state.gpr[RDI], 0x400000 + 4 * EMULATE_REPEAT_MAX);
    assert_int_equal(cpu->state.rip, CODE);
    assert_true(cpu->state.rflags & RFLAGS_RF);
    done(2);
    assert_int_equal(cpu->state.gpr[RCX], 0);
    assert_false(cpu->state.rflags & RFLAGS_RF);
    start64("f3ab"); /* a fault in the middle: what is done is done */
    cpu->state.gpr[RDI] = 0x401ff0;
    cpu->state.gpr[RCX] = 100;
    assert_int_equal(emulate(cpu->vcpu, &cpu_ops), EMULATE_FAULT);
    assert_int_equal(cpu->state.gpr[RCX], 96);
    assert_int_equal(cpu->state.gpr[RDI], 0x402000);
    assert_int_equal(cpu->state.cr2, 0x402000);
    assert_int_equal(cpu->state.rip, CODE);
    start64("f3ab"); /* single-stepping: a trap after each element */
    cpu->state.gpr[RCX] = 2;
    cpu->state.rflags |= RFLAGS_TF;
    assert_int_equal(emulate(cpu->vcpu, &cpu_ops), EMULATE_AGAIN);
    assert_int_equal(INJECT_VECTOR(cpu->state.inject), EXCEPTION_DB);
    assert_true(cpu->state.dr6 & DR6_BS);
    assert_int_equal(cpu->state.gpr[RCX], 1);
}

static void test_ports(void **unused)
{
    (void)unused;
    start64("f36d"); /* REP INSD to RAM */
    cpu->port_value = 0x100;
    cpu->state.gpr[RDX] = 0xabc01f0;
    cpu->state.gpr[RDI] = 0x401000;
    cpu->state.gpr[RCX] = 4;
    done(2);
    assert_int_equal(cpu->log_count, 4);
    assert_int_equal(cpu->log[0].address, 0x1f0);
    assert_int_equal(cpu->log[0].size, 4);
    const uint32_t values[4] = { 0x100, 0x101, 0x102, 0x103 };
    assert_memory_equal(cpu->ram + 0x5000, values, 16);
    start64("f36c"); /* backwards, bytes, and the fault comes before the port is read */
    cpu->state.gpr[RDI] = 0x600000;
    cpu->state.gpr[RCX] = 1;
    cpu->state.rflags |= RFLAGS_DF;
    page_faults(0x600000, PF_WRITE);
    cpu_mode32(cpu);
    code("64f3666f"); /* REP OUTSW with FS */
    memcpy(cpu->ram + 0x5000, "\x11\x22\x33\x44", 4);
    cpu->state.seg[SEG_FS].base = 0x4000;
    cpu->state.gpr[RSI] = 0x1000;
    cpu->state.gpr[RDX] = 0x3f8;
    cpu->state.gpr[RCX] = 2;
    done(4);
    assert_int_equal(cpu->log[0].value, 0x2211);
    assert_int_equal(cpu->log[1].value, 0x4433);
    assert_int_equal(cpu->state.gpr[RSI], 0x1004);
    code("e460"); /* IN AL, imm */
    cpu->port_value = 0x5a;
    cpu->state.gpr[RAX] = 0x11223344;
    done(2);
    assert_int_equal(cpu->state.gpr[RAX], 0x1122335a);
    code("66ef"); /* OUT DX, AX */
    done(2);
    assert_int_equal(cpu->log[0].size, 2);
    assert_int_equal(cpu->log[0].value, 0x335a);
}

static void test_other_outcomes(void **unused)
{
    (void)unused;
    start64("01c3"); /* the guest changed its code: no memory operand */
    assert_int_equal(emulate(cpu->vcpu, &cpu_ops), EMULATE_AGAIN);
    start64("8ed8"); /* MOV DS, AX: its descriptor lies in a device. Not for ever */
    enum emulate_result result = EMULATE_AGAIN;
    for (unsigned i = 0; i < 1000 && result == EMULATE_AGAIN; i++) {
        result = emulate(cpu->vcpu, &cpu_ops);
    }
    assert_int_equal(result, EMULATE_UNKNOWN);
    start64("0f1007"); /* MOVUPS */
    assert_int_equal(emulate(cpu->vcpu, &cpu_ops), EMULATE_UNKNOWN);
    char text[160];
    emulate_describe(cpu->vcpu, text, sizeof(text));
    assert_non_null(strstr(text, "64-bit code"));
    assert_non_null(strstr(text, "0f 10 07"));
    start64("658907"); /* a group is missing */
    cpu->state.valid = GROUP_RIP | FETCH_GROUPS;
    cpu->state.exit.reason = EXIT_PAGE;
    assert_int_equal(emulate(cpu->vcpu, &cpu_ops), EMULATE_AGAIN);
    assert_true(cpu->state.wanted[EXIT_PAGE] & GROUP_SEG);
    assert_int_equal(cpu->log_count, 0);
    start64("8907"); /* the interrupt shadow ends, RF is cleared */
    cpu->state.blocking = BLOCKING_SHADOW | BLOCKING_NMI;
    cpu->state.rflags |= RFLAGS_RF;
    done(2);
    assert_int_equal(cpu->state.blocking, BLOCKING_NMI);
    assert_true(cpu->state.dirty & GROUP_BLOCKING);
    assert_false(cpu->state.rflags & RFLAGS_RF);
    start64("8907"); /* across a page border: the second page is fetched */
    cpu_map(cpu, 0x2000, 0x2000, 3);
    memcpy(cpu->ram + 0x1fff, "\x89\x07", 2);
    cpu->state.rip = 0x1fff;
    assert_int_equal(emulate(cpu->vcpu, &cpu_ops), EMULATE_DONE);
    assert_int_equal(cpu->state.rip, 0x2001);
    *cpu_map(cpu, 0x2000, 0x2000, 3) = 0;
    cpu->state.rip = 0x1fff;
    cpu->log_count = 0;
    page_faults(0x2000, PF_FETCH);
}

static void expect_length(unsigned reason, const char *hex, unsigned length)
{
    code(hex);
    cpu->state.exit.reason = reason;
    for (unsigned pass = 0; pass < 2; pass++) { /* the second from the cache */
        assert_int_equal(insn_length_fast(cpu->vcpu), length);
        assert_int_equal(insn_length(cpu->vcpu, reason, NULL), length);
    }
}

static void test_lengths(void **unused)
{
    (void)unused;
    for (unsigned mode = 0; mode < 3; mode++) {
        mode == 0 ? start64("90") : mode == 1 ? cpu_mode32(cpu) : cpu_mode16(cpu);
        expect_length(EXIT_CPUID, "0fa2", 2);
        expect_length(EXIT_CPUID, "f30fa2", 3);
        expect_length(EXIT_CPUID, "0f32", 0); /* another instruction by now */
        expect_length(EXIT_CPUID, "00000000", 0);
        expect_length(EXIT_MSR_READ, "0f32", 2);
        expect_length(EXIT_MSR_WRITE, "0f30", 2);
        expect_length(EXIT_HLT, "f4", 1);
        expect_length(EXIT_IO, "ec", 1);
        expect_length(EXIT_IO, "e680", 2);
        expect_length(EXIT_IO, "66e580", 3);
        expect_length(EXIT_IO, "f36c", 2);
        expect_length(EXIT_HYPERCALL, "0f01c1", 3);
        expect_length(EXIT_HYPERCALL, "0f01d9", 3);
        expect_length(EXIT_RDTSCP, "0f01f9", 3);
        expect_length(EXIT_INVLPG, "0f0138", 3);
        expect_length(EXIT_CR, "0f22c0", 3);
        expect_length(EXIT_CR, "0f06", 2);
        expect_length(EXIT_DR, "0f23f8", 3);
        expect_length(EXIT_UNKNOWN, "90", 0);
    }
    cpu_mode32(cpu); /* RIP beyond the segment's limit */
    code("0fa2");
    cpu->state.exit.reason = EXIT_CPUID;
    cpu->state.seg[SEG_CS].limit = 0x800;
    struct fault fault;
    assert_int_equal(insn_length(cpu->vcpu, EXIT_CPUID, &fault), 0);
    assert_int_equal(fault.vector, EXCEPTION_GP);
}

static int setup(void **unused)
{
    (void)unused;
    cpu = cpu_create();
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    cpu_free(cpu);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_devices_see),
        cmocka_unit_test(test_page_faults),
        cmocka_unit_test(test_other_faults),
        cmocka_unit_test(test_real_mode),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_other_outcomes),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests_name("emulate: modes and faults", tests, setup, teardown);
}
