/* SPDX-License-Identifier: MIT
 * Arbitrary bytes as kernel image and module: loading ends with success or a message, never outside guest memory. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "e820.h"
#include "loader.h"
#include "machine.h"
#include "pc.h"

#define LOW (2u << 20)

unsigned e820_build(const struct machine *machine, struct e820_entry *out, unsigned max)
{
    (void)max;
    out[0] = (struct e820_entry){0, PC_EBDA, E820_RAM};
    out[1] = (struct e820_entry){PC_EBDA, 0x100000 - PC_EBDA, E820_RESERVED};
    out[2] = (struct e820_entry){0x100000, machine->memory.low - 0x100000, E820_RAM};
    return 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine machine;
    static struct start start;
    static struct vcpu_state state;
    static struct load_result result;
    uint8_t *memory = malloc(LOW); /* of its own, so that the sanitizer guards both ends */
    machine.memory = (struct memory){.base = memory, .low = LOW};
    machine.start = &start;
    machine.vcpus[0].state = &state;
    start.memory = start.low_memory = LOW;
    start.module_count = 1 + (size > 0 ? data[0] & 3 : 0);
    start.has_initrd = size > 0 && (data[0] & 4) != 0;
    for (unsigned i = 0; i < start.module_count; i++) {
        start.modules[i] = (struct start_module){.address = (uint64_t)data, .size = size, .name = "fuzz"};
    }
    memcpy(memory + PC_RSDP, "RSD PTR ", 8);
    memset(&result, 0, sizeof(result));
    if (load_guest(&machine, &result) != OK && result.error[0] == 0) {
        abort();
    }
    free(memory);
    return 0;
}
