/* SPDX-License-Identifier: MIT
 * The device for test suites of virtual machines. */
#include "devices/test_device.h"
#include <string.h>
#include "machine.h"
#include "pc.h"

#define WORD_PORTS 4
#define FLUSH_PORT (PC_TEST_PORTS + 8) /* QEMU unmaps the page named by the value and maps it again: nothing to see */
#define FLUSH_PORTS 4

static uint32_t word_read(void *device, uint16_t offset, unsigned size)
{
    const struct test_device *d = device;
    (void)size; /* the bus cuts */
    return d->word >> 8 * offset;
}

static void word_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct test_device *d = device;
    uint32_t mask = (uint32_t)((1ull << 8 * size) - 1) << 8 * offset;
    d->word = (d->word & ~mask) | (value << 8 * offset & mask);
}

static void flush_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    (void)device, (void)offset, (void)size, (void)value;
}

static void irq_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    const struct test_device *d = device;
    (void)size;
    irq_set(d->machine, offset, value);
}

static uint64_t memory_read(void *device, uint64_t offset, unsigned size)
{
    const struct test_device *d = device;
    uint64_t value = 0;
    memcpy(&value, d->memory + offset, size);
    return value;
}

static void memory_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    const struct test_device *d = device;
    memcpy(d->memory + offset, &value, size);
}

void test_device_reset(struct test_device *device)
{
    device->word = 0;
    if (device->memory)
        memset(device->memory, 0, PC_TEST_MEMORY_SIZE);
}

enum status test_device_init(struct test_device *device, struct machine *machine)
{
    memset(device, 0, sizeof(*device));
    device->machine = machine;
    device->memory = machine->test_memory;
    if (!machine->start->debug_exit)
        return OK;
    const struct port_range ports[] = {
        { .base = PC_TEST_PORTS,
          .count = WORD_PORTS,
          .read = word_read,
          .write = word_write,
          .device = device,
          .name = "test port" },
        { .base = FLUSH_PORT, .count = FLUSH_PORTS, .write = flush_write, .device = device, .name = "test flush" },
        { .base = PC_TEST_IRQS,
          .count = PC_GSI_COUNT,
          .write = irq_write,
          .device = device,
          .name = "test interrupts" },
    };
    for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        enum status status = bus_add_port(&machine->bus, &ports[i]);
        if (status != OK)
            return status;
    }
    if (!device->memory)
        return OK;
    return bus_add_mmio(&machine->bus, &(struct mmio_range){ .base = PC_TEST_MEMORY,
                                                             .count = PC_TEST_MEMORY_SIZE,
                                                             .read = memory_read,
                                                             .write = memory_write,
                                                             .device = device,
                                                             .name = "test memory" });
}
