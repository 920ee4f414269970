/* SPDX-License-Identifier: MIT
 * Fuzzer of the decoder: whatever the bytes, the answer is within limits and depends on no byte that is not part of the
 * instruction. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "decode.h"

#define MUST(c) do { if (!(c)) abort(); } while (0)

static void check(const uint8_t *bytes, unsigned available, enum insn_mode mode)
{
    struct insn insn, other;
    uint8_t copy[INSN_BUFFER];
    enum status status = insn_decode(&insn, bytes, available, mode);
    MUST(status == OK || status == ERR_FORMAT || status == ERR_NONE || status == ERR_PARAM);
    MUST(status != ERR_PARAM || available >= INSN_MAX_LENGTH);
    MUST(status != ERR_NONE || available < INSN_MAX_LENGTH);
    MUST(insn.op < OP_COUNT && insn.mode == mode);
    if (status != OK && status != ERR_FORMAT) {
        return;
    }
    MUST(insn.length >= 1 && insn.length <= INSN_MAX_LENGTH && insn.length <= available);
    MUST(insn.base < 16 || insn.base == INSN_NO_REG || insn.base == INSN_RIP);
    MUST((insn.index < 16 || insn.index == INSN_NO_REG) && insn.scale < 4);
    MUST(insn.reg < 16 && insn.rm < 16 && insn.segment < 6);
    MUST(insn.size == 1 || insn.size == 2 || insn.size == 4 || insn.size == 8 || insn.size == 16);
    MUST(insn.address_size == 2 || insn.address_size == 4 || insn.address_size == 8);
    memset(copy, 0xff, sizeof(copy));
    memcpy(copy, bytes, insn.length);
    MUST(insn_decode(&other, copy, INSN_MAX_LENGTH, mode) == status);
    MUST(memcmp(&insn, &other, sizeof(insn)) == 0);
    for (unsigned part = 0; part < insn.length; part++) {
        MUST(insn_decode(&other, copy, part, mode) == ERR_NONE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[INSN_BUFFER] = { 0 };
    unsigned available = size < INSN_MAX_LENGTH ? (unsigned)size : INSN_MAX_LENGTH;
    memcpy(bytes, data, size < INSN_BUFFER ? size : INSN_BUFFER);
    check(bytes, available, INSN_16);
    check(bytes, available, INSN_32);
    check(bytes, available, INSN_64);
    return 0;
}
