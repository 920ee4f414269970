/* SPDX-License-Identifier: MIT
 * The decoder: a table of encodings with their meaning, length limits, and the lengths of every instruction of this
 * very executable against objdump's. */
#include "cpu_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "decode.h"

#define NONE INSN_NO_REG
struct sample {
    uint8_t mode;
    const char *hex;
    uint8_t op, form, size, source_size, segment, reg, base, index, scale;
    int64_t displacement;
    uint64_t immediate;
};

static const struct sample samples[] = {
    /* mode, bytes, op, form, size, source, segment, reg, base, index, scale, displacement, immediate */
    { INSN_64, "8907", OP_MOV, FORM_RM_REG, 4, 4, SEG_DS, RAX, RDI, NONE, 0, 0, 0 },
    { INSN_64, "4c894708", OP_MOV, FORM_RM_REG, 8, 8, SEG_DS, R8, RDI, NONE, 0, 8, 0 },
    { INSN_64, "668b45f0", OP_MOV, FORM_REG_RM, 2, 2, SEG_SS, RAX, RBP, NONE, 0, -16, 0 },
    { INSN_64, "418a4500", OP_MOV, FORM_REG_RM, 1, 1, SEG_DS, RAX, R13, NONE, 0, 0, 0 },
    { INSN_64, "8b0424", OP_MOV, FORM_REG_RM, 4, 4, SEG_SS, RAX, RSP, NONE, 0, 0, 0 },
    { INSN_64, "418b0424", OP_MOV, FORM_REG_RM, 4, 4, SEG_DS, RAX, R12, NONE, 0, 0, 0 },
    { INSN_64, "8b0510000000", OP_MOV, FORM_REG_RM, 4, 4, SEG_DS, RAX, INSN_RIP, NONE, 0, 16, 0 },
    { INSN_64, "8b0425000000fe", OP_MOV, FORM_REG_RM, 4, 4, SEG_DS, RAX, NONE, NONE, 0, -0x2000000, 0 },
    { INSN_64, "428b84a300100000", OP_MOV, FORM_REG_RM, 4, 4, SEG_DS, RAX, RBX, R12, 2, 0x1000, 0 },
    { INSN_64, "65488b042528000000", OP_MOV, FORM_REG_RM, 8, 8, SEG_GS, RAX, NONE, NONE, 0, 0x28, 0 },
    { INSN_64, "2e8b07", OP_MOV, FORM_REG_RM, 4, 4, SEG_DS, RAX, RDI, NONE, 0, 0, 0 }, /* CS does not count */
    { INSN_64, "48c70780000080", OP_MOV, FORM_RM_IMM, 8, 8, SEG_DS, RAX, RDI, NONE, 0, 0, 0xffffffff80000080 },
    { INSN_64, "66c7073412", OP_MOV, FORM_RM_IMM, 2, 2, SEG_DS, RAX, RDI, NONE, 0, 0, 0x1234 },
    { INSN_64, "c60780", OP_MOV, FORM_RM_IMM, 1, 1, SEG_DS, RAX, RDI, NONE, 0, 0, ~0x7full },
    { INSN_64, "48b88877665544332211", OP_MOV, FORM_OPREG_IMM, 8, 8, SEG_DS, RAX, NONE, NONE, 0, 0,
      0x1122334455667788 },
    { INSN_64, "a18877665544332211", OP_MOV, FORM_ACC_MEM, 4, 4, SEG_DS, 1, NONE, NONE, 0, 0x1122334455667788, 0 },
    { INSN_64, "67a144332211", OP_MOV, FORM_ACC_MEM, 4, 4, SEG_DS, 1, NONE, NONE, 0, 0x11223344, 0 },
    { INSN_32, "a144332211", OP_MOV, FORM_ACC_MEM, 4, 4, SEG_DS, 1, NONE, NONE, 0, 0x11223344, 0 },
    { INSN_16, "a13412", OP_MOV, FORM_ACC_MEM, 2, 2, SEG_DS, 1, NONE, NONE, 0, 0x1234, 0 },
    { INSN_64, "0fb607", OP_MOVZX, FORM_REG_RM, 4, 1, SEG_DS, RAX, RDI, NONE, 0, 0, 0 },
    { INSN_64, "480fbf07", OP_MOVSX, FORM_REG_RM, 8, 2, SEG_DS, RAX, RDI, NONE, 0, 0, 0 },
    { INSN_64, "486307", OP_MOVSX, FORM_REG_RM, 8, 4, SEG_DS, RAX, RDI, NONE, 0, 0, 0 },
    { INSN_64, "f0830701", OP_ADD, FORM_RM_IMM, 4, 4, SEG_DS, 0, RDI, NONE, 0, 0, 1 },
    { INSN_64, "4883e7f0", OP_AND, FORM_RM_IMM, 8, 8, SEG_DS, 4, NONE, NONE, 0, 0, ~0xfull },
    { INSN_64, "f70700000080", OP_TEST, FORM_RM_IMM, 4, 4, SEG_DS, 0, RDI, NONE, 0, 0, 0xffffffff80000000 },
    { INSN_64, "f717", OP_NOT, FORM_RM, 4, 4, SEG_DS, 2, RDI, NONE, 0, 0, 0 },
    { INSN_64, "f0480fba2f40", OP_BTS, FORM_RM_IMM, 8, 8, SEG_DS, 5, RDI, NONE, 0, 0, 0x40 },
    { INSN_64, "f0480fc70f", OP_CMPXCHG8B, FORM_RM, 16, 8, SEG_DS, 1, RDI, NONE, 0, 0, 0 },
    { INSN_64, "ff37", OP_PUSH, FORM_RM, 8, 8, SEG_DS, 6, RDI, NONE, 0, 0, 0 },
    { INSN_64, "66ff37", OP_PUSH, FORM_RM, 2, 2, SEG_DS, 6, RDI, NONE, 0, 0, 0 },
    { INSN_64, "0f38f007", OP_MOVBE, FORM_REG_RM, 4, 4, SEG_DS, RAX, RDI, NONE, 0, 0, 0 },
    { INSN_64, "f348a5", OP_MOVS, FORM_NONE, 8, 8, SEG_DS, 5, NONE, NONE, 0, 0, 0 },
    { INSN_64, "64f366a5", OP_MOVS, FORM_NONE, 2, 2, SEG_FS, 5, NONE, NONE, 0, 0, 0 },
    { INSN_64, "486d", OP_INS, FORM_NONE, 4, 8, SEG_DS, 5, NONE, NONE, 0, 0, 0 },
    { INSN_16, "8b4204", OP_MOV, FORM_REG_RM, 2, 2, SEG_SS, RAX, RBP, RSI, 0, 4, 0 },
    { INSN_16, "8b8600f0", OP_MOV, FORM_REG_RM, 2, 2, SEG_SS, RAX, RBP, NONE, 0, -0x1000, 0 },
    { INSN_16, "8b0e3412", OP_MOV, FORM_REG_RM, 2, 2, SEG_DS, RCX, NONE, NONE, 0, 0x1234, 0 },
    { INSN_16, "66678b0c88", OP_MOV, FORM_REG_RM, 4, 4, SEG_DS, RCX, RAX, RCX, 2, 0, 0 },
    { INSN_16, "268b07", OP_MOV, FORM_REG_RM, 2, 2, SEG_ES, RAX, RBX, NONE, 0, 0, 0 },
    { INSN_32, "40", OP_INC, FORM_OPREG, 4, 4, SEG_DS, RAX, NONE, NONE, 0, 0, 0 },
    { INSN_32, "ea785634122000", OP_JMP_FAR, FORM_IMM, 4, 4, SEG_DS, 2, NONE, NONE, 0, 0, 0x2012345678 },
    { INSN_64, "0f22c0", OP_MOV_TO_CR, FORM_REG_RM, 8, 8, SEG_DS, 0, NONE, NONE, 0, 0, 0 },
    { INSN_64, "440f20c0", OP_MOV_FROM_CR, FORM_RM_REG, 8, 8, SEG_DS, 8, NONE, NONE, 0, 0, 0 },
    { INSN_32, "f00f22c0", OP_MOV_TO_CR, FORM_REG_RM, 4, 4, SEG_DS, 8, NONE, NONE, 0, 0, 0 },
    { INSN_32, "0f2305", OP_MOV_TO_DR, FORM_REG_RM, 4, 4, SEG_DS, 0, NONE, NONE, 0, 0, 0 }, /* mod is ignored */
    { INSN_32, "0f0130", OP_LMSW, FORM_RM, 4, 2, SEG_DS, 6, RAX, NONE, 0, 0, 0 },
    { INSN_64, "0f01f0", OP_LMSW, FORM_RM, 4, 2, SEG_DS, 6, NONE, NONE, 0, 0, 0 },
    { INSN_64, "0f01e0", OP_SMSW, FORM_RM, 4, 4, SEG_DS, 4, NONE, NONE, 0, 0, 0 },
    { INSN_64, "0f01d9", OP_VMMCALL, FORM_NONE, 4, 4, SEG_DS, 3, NONE, NONE, 0, 0, 0 },
    { INSN_64, "0f01c1", OP_VMCALL, FORM_NONE, 4, 4, SEG_DS, 0, NONE, NONE, 0, 0, 0 },
    { INSN_64, "0f01f9", OP_RDTSCP, FORM_NONE, 4, 4, SEG_DS, 7, NONE, NONE, 0, 0, 0 },
    { INSN_64, "0f01d1", OP_XSETBV, FORM_NONE, 4, 4, SEG_DS, 2, NONE, NONE, 0, 0, 0 },
    { INSN_64, "0f013f", OP_INVLPG, FORM_RM, 4, 4, SEG_DS, 7, RDI, NONE, 0, 0, 0 },
    { INSN_64, "f390", OP_PAUSE, FORM_ACC_OPREG, 4, 4, SEG_DS, 0, NONE, NONE, 0, 0, 0 },
    { INSN_64, "e560", OP_IN, FORM_ACC_IMM, 4, 4, SEG_DS, 5, NONE, NONE, 0, 0, 0x60 },
    { INSN_64, "66ef", OP_OUT, FORM_NONE, 2, 2, SEG_DS, 7, NONE, NONE, 0, 0, 0 },
    { INSN_64, "0fa2", OP_CPUID, FORM_NONE, 4, 4, SEG_DS, 2, NONE, NONE, 0, 0, 0 },
    { INSN_64, "f0480fb117", OP_CMPXCHG, FORM_RM_REG, 8, 8, SEG_DS, RDX, RDI, NONE, 0, 0, 0 },
    { INSN_64, "c5f877", OP_OTHER, FORM_NONE, 4, 4, SEG_DS, 0, NONE, NONE, 0, 0, 0 },
    { INSN_64, "62f17c48100500000000", OP_OTHER, FORM_NONE, 4, 4, SEG_DS, 0, INSN_RIP, NONE, 0, 0, 0 },
    { INSN_64, "66410f3a0f042408", OP_OTHER, FORM_NONE, 2, 2, SEG_DS, 0, R12, NONE, 0, 0, 8 },
};

static unsigned unhex(const char *hex, uint8_t *bytes)
{
    unsigned length = 0;
    memset(bytes, 0, INSN_BUFFER);
    for (unsigned value; sscanf(hex + 2 * length, "%2x", &value) == 1; length++) {
        bytes[length] = (uint8_t)value;
    }
    return length;
}

static void test_samples(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        const struct sample *s = &samples[i];
        uint8_t bytes[INSN_BUFFER];
        unsigned length = unhex(s->hex, bytes);
        struct insn insn;
        if (insn_decode(&insn, bytes, length, s->mode) != OK || insn.length != length) {
            fail_msg("%s: length %u", s->hex, insn.length);
        }
        bool same = insn.op == s->op && insn.form == s->form && insn.size == s->size &&
                    insn.source_size == s->source_size && insn.segment == s->segment && insn.reg == s->reg &&
                    insn.base == s->base && insn.index == s->index && insn.scale == s->scale &&
                    insn.displacement == s->displacement && insn.immediate == s->immediate;
        if (!same) {
            fail_msg("%s: op %u form %u size %u source %u segment %u reg %u base %u index %u scale %u disp %lx imm %lx",
                     s->hex, insn.op, insn.form, insn.size, insn.source_size, insn.segment, insn.reg, insn.base,
                     insn.index, insn.scale, insn.displacement, insn.immediate);
        }
    }
}

static void expect_status(enum insn_mode mode, const char *hex, enum status status)
{
    uint8_t bytes[INSN_BUFFER];
    struct insn insn;
    unsigned length = unhex(hex, bytes);
    if (insn_decode(&insn, bytes, length, mode) != status) {
        fail_msg("%s: not %d", hex, status);
    }
}

static void test_refused(void **unused)
{
    (void)unused;
    expect_status(INSN_64, "0f0b", ERR_FORMAT);
    expect_status(INSN_64, "06", ERR_FORMAT);             /* PUSH ES */
    expect_status(INSN_64, "9a000000000000", ERR_FORMAT); /* far call */
    expect_status(INSN_64, "8ec8", OK);
    expect_status(INSN_64, "f08907", ERR_FORMAT);         /* LOCK MOV */
    expect_status(INSN_64, "f001c0", ERR_FORMAT);         /* LOCK with a register */
    expect_status(INSN_64, "f03907", ERR_FORMAT);         /* LOCK CMP */
    expect_status(INSN_64, "f00fa307", ERR_FORMAT);       /* LOCK BT */
    expect_status(INSN_32, "f00f22d8", ERR_FORMAT);       /* LOCK MOV CR3 */
    expect_status(INSN_64, "0fc3c0", ERR_FORMAT);         /* MOVNTI to a register */
    expect_status(INSN_64, "0fc7c8", ERR_FORMAT);         /* CMPXCHG8B of a register */
    expect_status(INSN_64, "8fc8", ERR_FORMAT);
    expect_status(INSN_64, "ffff", ERR_FORMAT);
    expect_status(INSN_64, "66c5f877", ERR_FORMAT);       /* VEX behind a prefix */
    expect_status(INSN_32, "c507", OK);                   /* LDS */
    expect_status(INSN_64, "89", ERR_NONE);
    expect_status(INSN_64, "", ERR_NONE);
    expect_status(INSN_64, "666666666666666666666666668907", OK); /* 15 bytes */
    expect_status(INSN_64, "66666666666666666666666666668907", ERR_PARAM);
    expect_status(INSN_64, "666666666666666666666666666666", ERR_PARAM);
    expect_status(INSN_64, "66666666666666666666666666", ERR_NONE);
}

/* Each line of objdump -d is "address:<tab>bytes<tab>text". Lines without a plain instruction are skipped. */
static bool parse_line(char *line, uint8_t *bytes, unsigned *length)
{
    char *hex = strchr(line, '\t'), *text = hex ? strchr(hex + 1, '\t') : NULL;
    if (text == NULL || strstr(text, "(bad)") || strstr(text, ".byte") || strstr(text, "data16") ||
        strstr(text, "rex")) {
        return false;
    }
    *text = 0;
    *length = 0;
    memset(bytes, 0, INSN_BUFFER);
    for (char *at = hex + 1, *end; *length < INSN_MAX_LENGTH; at = end) {
        unsigned long value = strtoul(at, &end, 16);
        if (end == at) {
            break;
        }
        bytes[(*length)++] = (uint8_t)value;
    }
    return true;
}

static void test_objdump(void **unused)
{
    (void)unused;
    char line[512], command[256], self[128];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    assert_true(size > 0);
    self[size] = 0;
    snprintf(command, sizeof(command), "objdump -d -w --insn-width=16 '%s' | head -200000", self);
    FILE *pipe = popen(command, "r");
    unsigned long count = 0;
    while (fgets(line, sizeof(line), pipe)) {
        uint8_t bytes[INSN_BUFFER], part[INSN_BUFFER];
        unsigned length;
        struct insn insn;
        if (!parse_line(line, bytes, &length)) {
            continue;
        }
        enum status status = insn_decode(&insn, bytes, INSN_MAX_LENGTH, INSN_64);
        if ((status != OK && status != ERR_FORMAT) || insn.length != length) {
            fail_msg("%s: status %d, length %u", line, status, insn.length);
        }
        for (unsigned have = 0; have < length; have++) { /* never decided on bytes that are not there */
            memset(part, 0xff, sizeof(part));
            memcpy(part, bytes, have);
            assert_int_equal(insn_decode(&insn, part, have, INSN_64), ERR_NONE);
        }
        count++;
    }
    pclose(pipe);
    printf("%lu instructions\n", count);
    if (count == 0) {
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_samples), cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_objdump) };
    return cmocka_run_group_tests_name("decoder", tests, NULL, NULL);
}
