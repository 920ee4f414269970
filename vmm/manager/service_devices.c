/* SPDX-License-Identifier: MIT
 * What drivers-dom gets of the machine: device memory, ports, interrupts. */
#include "service_parts.h"

#define MSI_COUNT 16u
#define DEVICE_END 0xfec00000ull          /* I/O APIC and up are the kernel's */

/* ISA interrupts: keyboard, COM1, and those that PCI INTx and IDE use. */
static const uint32_t lines[] = {1, 4, 5, 9, 10, 11, 14, 15};

/* Device memory: from the end of RAM below 4 GiB to the I/O APIC, in pieces, since parts of it may be refused; and PCI's
 * configuration space. */
static void give_device_memory(const struct manager *manager, const struct domain *domain)
{
    uint64_t low = 0;
    for (unsigned i = 0; i < manager->info->range_count; i++) {
        const struct boot_range *range = &manager->info->ranges[i];
        if (range->kind != RANGE_RESERVED && range->base + range->size <= DEVICE_END && range->base + range->size > low) {
            low = range->base + range->size;
        }
    }
    const uint64_t step = 2ull << 20;
    for (uint64_t at = (low + step - 1) & ~(step - 1); at < DEVICE_END; at += step) {
        (void)!service_map(domain, MAP_READ | MAP_WRITE | MAP_DEVICE, at, step);
    }
}

/* The screen: VGA's memory lies below what give_device_memory looks at, a frame buffer may lie above. */
static void give_screen(const struct manager *manager, struct service *service, const struct domain *domain)
{
    const struct boot_screen *screen = &manager->info->screen;
    uint64_t first = screen->base & ~PAGE_MASK, size = (uint64_t)screen->height * screen->pitch;
    uint64_t end = (screen->base + size + PAGE_MASK) & ~PAGE_MASK;
    service->control->screen = *screen;
    if (screen->kind == SCREEN_NONE) {
        return;
    }
    enum status status = service_map(domain, MAP_READ | MAP_WRITE | MAP_DEVICE, first, end - first);
    if (status != OK && status != ERR_EXISTS) { /* EXISTS: among the device memory */
        service->control->screen.kind = SCREEN_NONE;
    }
}

static enum status give_ports(const struct domain *domain)
{
    static const struct { uint16_t first; uint32_t count; } ports[] = {
        {0x60, 1},  {0x64, 1},    {0x170, 8}, {0x1f0, 8}, {0x376, 1},      /* keyboard, IDE */
        {0x3c0, 32}, {0x3f6, 1}, {0x3f8, 8}, {0xcf8, 8}, {0x1000, 0xf000}, /* VGA, IDE, COM1, PCI */
    };
    for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        enum status status = sys_port_give(domain->handle, ports[i].first, ports[i].count);
        if (status != OK) {
            return status;
        }
    }
    return OK;
}

/* Event bits 1 and up: message-signalled interrupts, then lines. */
static enum status give_interrupts(struct service *service, const struct domain *domain)
{
    struct control *control = service->control;
    unsigned cpu = domain->cpus[0];
    control->irq_count = 0;
    for (unsigned i = 0; i < MSI_COUNT + sizeof(lines) / sizeof(lines[0]); i++) {
        bool line = i >= MSI_COUNT;
        uint32_t gsi = line ? lines[i - MSI_COUNT] : 0, number, data, address;
        handle_t event;
        enum status status = sys_event_of(domain->handle, EVENT_TARGET_PV, i + 1, &event);
        if (status != OK) {
            return status;
        }
        status = sys_irq_create(event, cpu, line, gsi, &number, &data, &address);
        (void)sys_handle_close(event);
        if (status != OK) {
            continue; /* a line that this machine does not have */
        }
        control->irqs[control->irq_count++] = (struct control_irq){
            .event_bit = i + 1, .line = line, .gsi = gsi, .number = number, .data = data, .address = address};
    }
    return OK;
}

enum status service_claim(const struct manager *manager, const struct domain *domain)
{
    return manager->info->features & BOOT_FEATURE_IOMMU ? sys_devices_give(domain->handle) : OK;
}

enum status service_give_devices(const struct manager *manager, struct service *service, const struct domain *domain)
{
    enum status status = give_ports(domain);
    status = status == OK ? give_interrupts(service, domain) : status;
    give_device_memory(manager, domain);
    give_screen(manager, service, domain);
    return status;
}
