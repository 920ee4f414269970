/* SPDX-License-Identifier: MIT
 * The debug-exit port: how a test guest reports its result. */
#include "abi/syscall.h"
#include "devices/debug_exit.h"
#include "machine.h"
#include "pc.h"

#define DEBUG_EXIT_PORTS 4

static uint32_t debug_exit_read(void *device, uint16_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return 0; /* tells a probing guest from an absent port that the device is there */
}

static void debug_exit_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct debug_exit *exit = device;
    if (offset) /* only the first port ends the domain; the others are the upper bytes of a wide write */
        return;
    if (size < 4)
        value &= (1u << (8 * size)) - 1;
    if (value == 0)
        machine_end(exit->machine, END_DEBUG_EXIT, "debug exit, status 0");
    else
        machine_end(exit->machine, END_DEBUG_EXIT_FAILED, "debug exit, status %u (0x%x)", value, value);
}

enum status debug_exit_init(struct debug_exit *exit, struct machine *machine)
{
    exit->machine = machine;
    if (!machine->start->debug_exit)
        return OK;
    return bus_add_port(&machine->bus, &(struct port_range){
        .base = PC_DEBUG_EXIT, .count = DEBUG_EXIT_PORTS, .read = debug_exit_read, .write = debug_exit_write,
        .device = exit, .name = "debug exit" });
}
