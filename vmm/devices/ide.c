/* SPDX-License-Identifier: MIT
 * Two IDE channels without drives: every register reads as 0 (ATA/ATAPI-6, 9.16.1, no device present). */
#include "devices/ide.h"
#include "machine.h"

static uint32_t ide_read(void *device, uint16_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return 0;
}

static void ide_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    (void)device, (void)offset, (void)size, (void)value;
}

enum status ide_init(struct ide *ide, struct machine *machine)
{
    static const struct { uint16_t base, count; } ports[] = { { 0x1f0, 8 }, { 0x3f6, 1 }, { 0x170, 8 }, { 0x376, 1 } };
    ide->machine = machine;
    for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        enum status status = bus_add_port(&machine->bus, &(struct port_range){
            .base = ports[i].base, .count = ports[i].count, .read = ide_read, .write = ide_write, .device = ide,
            .name = "IDE without drives" });
        if (status)
            return status;
    }
    return OK;
}
