/* SPDX-License-Identifier: MIT
 * QEMU's device for test suites of virtual machines ("pc-testdev"): ports 0xe0 to 0xe3 remember what is written to
 * them, a write to 0x2000 + n drives interrupt line n, and there are 64 KiB of memory at 0xff000000. There when the
 * debug-exit port is. The memory is real (the manager maps it), so that all instructions work on it, also those that
 * the monitor does not execute on a device; what it does execute (string input) goes through the bus to the same
 * memory. */
#pragma once

#include <stdint.h>
#include "abi/status.h"

struct machine;

struct test_device {
    struct machine *machine;
    uint32_t word;   /* ports 0xe0 to 0xe3 */
    uint8_t *memory; /* machine->test_memory */
};

/* ERR_MEMORY: a table of the bus is full. */
must_use enum status test_device_init(struct test_device *device, struct machine *machine);
void test_device_reset(struct test_device *device);
