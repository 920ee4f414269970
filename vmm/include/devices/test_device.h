/* SPDX-License-Identifier: MIT
 * QEMU's device for test suites of virtual machines ("pc-testdev"; docs/specs and hw/misc of QEMU name the addresses):
 * ports 0xe0 to 0xe3 remember what is written to them, a write to 0x2000 + n drives interrupt line n, and 64 KiB of
 * memory at 0xff000000 are a device: every access to them is an exit. There when the debug-exit port is. */
#pragma once

#include <stdint.h>
#include "abi/status.h"
#include "pc.h"

struct machine;

struct test_device {
    struct machine *machine;
    uint32_t word;   /* ports 0xe0 to 0xe3 */
    uint8_t memory[PC_TEST_MEMORY_SIZE];
};

/* ERR_MEMORY: a table of the bus is full. */
must_use enum status test_device_init(struct test_device *device, struct machine *machine);
void test_device_reset(struct test_device *device);
