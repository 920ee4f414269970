/* SPDX-License-Identifier: MIT
 * The PCI function of a virtio device (virtio 1.2, 4.1): identity, capabilities, BARs, the window of the configuration space. */
#include "devices/virtio_pci.h"
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include "devices/virtio_parts.h"
#include "machine.h"

#define VENDOR_VIRTIO 0x1af4u
#define DEVICE_FIRST 0x1040u
#define SUBSYSTEM 0x1100u

/* The memory BAR: registers in the first page, MSI-X in the second. */
#define MEMORY_BAR 1
#define MEMORY_SIZE 0x2000u
#define COMMON_AT 0x000u
#define COMMON_SIZE 0x40u
#define ISR_AT 0x100u
#define ISR_SIZE 4u
#define CONFIG_AT 0x200u
#define MSIX_AT 0x1000u
#define NOTIFY_SIZE (CHANNEL_MAX_QUEUES * VIRTIO_NOTIFY_MULTIPLIER)

/* Names for messages, and class codes by which operating systems sort devices. */
static const struct {
    const char *kind;
    uint32_t class_code;
} types[] = {
    [CHANNEL_NET] = { "network", 0x020000 },     /* Ethernet controller */
    [CHANNEL_BLOCK] = { "disk", 0x010000 },      /* SCSI storage controller */
    [CHANNEL_CONSOLE] = { "console", 0x078000 }, /* other communication controller */
    [CHANNEL_RNG] = { "rng", 0x00ff00 },         /* no class */
};
#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))

const char *virtio_pci_kind(const struct virtio_pci *device)
{
    return types[device->start->type].kind;
}

/* --- BARs --- */

static uint64_t config_read(const struct virtio_pci *device, uint32_t offset, unsigned size)
{
    uint64_t value = 0;
    if (size <= CHANNEL_CONFIG_SIZE - offset)
        memcpy(&value, device->s.offer.config + offset, size);
    return value;
}

static uint64_t memory_read(void *context, uint64_t offset, unsigned size)
{
    struct virtio_pci *device = context;
    if (offset >= MSIX_AT)
        return msix_read(&device->msix, (uint32_t)offset - MSIX_AT, size);
    if (offset >= CONFIG_AT && offset < CONFIG_AT + CHANNEL_CONFIG_SIZE)
        return config_read(device, (uint32_t)offset - CONFIG_AT, size);
    if (offset == ISR_AT)
        return virtio_isr_take(device);
    return virtio_common_read(device, (uint32_t)offset, size);
}

static void memory_write(void *context, uint64_t offset, unsigned size, uint64_t value)
{
    struct virtio_pci *device = context;
    if (offset >= MSIX_AT)
        msix_write(&device->msix, (uint32_t)offset - MSIX_AT, size, value);
    else if (offset < COMMON_AT + COMMON_SIZE)
        virtio_common_write(device, (uint32_t)offset, size, value);
}

static uint32_t notify_read(void *context, uint16_t offset, unsigned size)
{
    (void)context, (void)offset, (void)size;
    return 0;
}

static void notify_write(void *context, uint16_t offset, unsigned size, uint32_t value)
{
    (void)size, (void)value;
    if (offset % VIRTIO_NOTIFY_MULTIPLIER == 0)
        virtio_kick(context, offset / VIRTIO_NOTIFY_MULTIPLIER);
}

/* --- the window: access to the BARs by configuration space alone (virtio 1.2, 4.1.4.9) --- */

#define WINDOW_DATA offsetof(struct virtio_pci_cfg_cap, pci_cfg_data)

struct window {
    const struct pci_bar *bar;
    uint32_t offset, length;
};

/* What the driver has aimed at. False: nothing that an access could be made to. */
static bool window_aim(const struct virtio_pci *device, struct window *window)
{
    const struct pci_function *function = &device->function;
    unsigned bar = function->config[device->window + VIRTIO_PCI_CAP_BAR];
    window->offset = pci_get32(function, device->window + VIRTIO_PCI_CAP_OFFSET);
    window->length = pci_get32(function, device->window + VIRTIO_PCI_CAP_LENGTH);
    if (bar >= PCI_BARS || function->bars[bar].kind == PCI_BAR_NONE)
        return false;
    window->bar = &function->bars[bar];
    return (window->length == 1 || window->length == 2 || window->length == 4) && window->offset % window->length == 0 &&
           window->offset < window->bar->size;
}

static bool window_touched(const struct virtio_pci *device, unsigned offset, unsigned size)
{
    unsigned data = device->window + WINDOW_DATA;
    return offset < data + 4 && offset + size > data;
}

static void reading(struct pci_function *function, unsigned offset, unsigned size)
{
    struct virtio_pci *device = function->device;
    struct window window;
    if (!window_touched(device, offset, size) || !window_aim(device, &window))
        return;
    uint32_t value = window.bar->kind == PCI_BAR_IO ? window.bar->port_read(device, (uint16_t)window.offset, window.length)
                                                    : (uint32_t)window.bar->mmio_read(device, window.offset, window.length);
    memcpy(function->config + device->window + WINDOW_DATA, &value, window.length);
}

static void window_write(struct virtio_pci *device)
{
    struct window window;
    uint32_t value = 0;
    if (!window_aim(device, &window))
        return;
    memcpy(&value, device->function.config + device->window + WINDOW_DATA, window.length);
    if (window.bar->kind == PCI_BAR_IO)
        window.bar->port_write(device, (uint16_t)window.offset, window.length, value);
    else
        window.bar->mmio_write(device, window.offset, window.length, value);
}

static void written(struct pci_function *function, unsigned offset, unsigned size)
{
    struct virtio_pci *device = function->device;
    if (window_touched(device, offset, size))
        window_write(device);
    msix_written(&device->msix, offset, size);
    if (msix_enabled(&device->msix))
        pci_set_intx(function, false);
    virtio_bind(device);
}

/* --- construction --- */

static enum status add_structure(struct pci_function *function, uint8_t type, uint8_t bar, uint32_t offset, uint32_t length,
                                 uint8_t size, uint8_t *at)
{
    enum status status = pci_add_capability(function, PCI_CAP_ID_VNDR, size, at);
    if (status)
        return status;
    function->config[*at + VIRTIO_PCI_CAP_LEN] = size;
    function->config[*at + VIRTIO_PCI_CAP_CFG_TYPE] = type;
    function->config[*at + VIRTIO_PCI_CAP_BAR] = bar;
    pci_put32(function, *at + VIRTIO_PCI_CAP_OFFSET, offset);
    pci_put32(function, *at + VIRTIO_PCI_CAP_LENGTH, length);
    return OK;
}

/* The newest capability is the first of the list; drivers take the first of a type. */
static enum status add_capabilities(struct virtio_pci *device)
{
    struct pci_function *function = &device->function;
    const uint8_t plain = sizeof(struct virtio_pci_cap);
    uint8_t at;
    enum status status = add_structure(function, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0, sizeof(struct virtio_pci_cfg_cap), &device->window);
    if (status == OK)
        status = add_structure(function, VIRTIO_PCI_CAP_DEVICE_CFG, MEMORY_BAR, CONFIG_AT, CHANNEL_CONFIG_SIZE, plain, &at);
    if (status == OK)
        status = add_structure(function, VIRTIO_PCI_CAP_ISR_CFG, MEMORY_BAR, ISR_AT, ISR_SIZE, plain, &at);
    if (status == OK)
        status = add_structure(function, VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_NOTIFY_BAR, 0, NOTIFY_SIZE,
                               sizeof(struct virtio_pci_notify_cap), &at);
    if (status)
        return status;
    pci_put32(function, at + VIRTIO_PCI_NOTIFY_CAP_MULT, VIRTIO_NOTIFY_MULTIPLIER);
    function->write_mask[device->window + VIRTIO_PCI_CAP_BAR] = 0xff;
    memset(function->write_mask + device->window + VIRTIO_PCI_CAP_OFFSET, 0xff, 12); /* offset, length, data */
    return add_structure(function, VIRTIO_PCI_CAP_COMMON_CFG, MEMORY_BAR, COMMON_AT, COMMON_SIZE, plain, &at);
}

static enum status add_bars(struct virtio_pci *device)
{
    const struct pci_bar notify = {
        .kind = PCI_BAR_IO, .size = NOTIFY_SIZE, .port_read = notify_read, .port_write = notify_write, .device = device };
    const struct pci_bar memory = {
        .kind = PCI_BAR_MEMORY32, .size = MEMORY_SIZE, .mmio_read = memory_read, .mmio_write = memory_write, .device = device };
    enum status status = pci_add_bar(&device->function, VIRTIO_NOTIFY_BAR, &notify);
    return status ? status : pci_add_bar(&device->function, MEMORY_BAR, &memory);
}

static enum status build_function(struct virtio_pci *device, struct pci *pci, unsigned devfn)
{
    uint32_t type = device->start->type;
    const struct pci_identity identity = {
        .vendor = VENDOR_VIRTIO, .device = (uint16_t)(DEVICE_FIRST + type), .subsystem_vendor = VENDOR_VIRTIO, .subsystem = SUBSYSTEM,
        .class_code = types[type].class_code, .revision = 1, .interrupt_pin = 1, .name = types[type].kind };
    pci_function_init(&device->function, &identity);
    device->function.device = device;
    enum status status = add_bars(device);
    if (status == OK)
        status = msix_init(&device->msix, &device->function, device->start->queue_count + 1, MEMORY_BAR, MSIX_AT);
    if (status == OK)
        status = add_capabilities(device);
    if (status)
        return status;
    device->msix.changed = virtio_bind_vector;
    device->msix.device = device;
    device->function.written = written;
    device->function.reading = reading;
    return pci_add(pci, &device->function, devfn);
}

enum status virtio_pci_init(struct virtio_pci *device, struct machine *machine, const struct virtio_setup *setup, struct pci *pci,
                            unsigned devfn)
{
    const struct start_channel *start = setup->start;
    *device = (struct virtio_pci){ .machine = machine, .channel = setup->channel, .start = start, .ops = setup->ops };
    memcpy(device->call_bits, setup->call_bits, sizeof(device->call_bits));
    if (setup->channel->magic != CHANNEL_MAGIC || setup->channel->type != start->type || start->type >= TYPE_COUNT ||
        !types[start->type].kind || start->queue_count == 0 || start->queue_count > CHANNEL_MAX_QUEUES)
        return ERR_FORMAT;
    device->s.generation = setup->channel->front.generation;
    device->s.offer.features = 1ull << VIRTIO_F_VERSION_1;
    enum status status = build_function(device, pci, devfn);
    if (status == OK)
        status = setup->ops->bind(start->control_event, EVENT_TARGET_STATE, 0, setup->control_bit);
    if (status)
        return status;
    virtio_clear(device);
    virtio_look(device);
    return OK;
}
