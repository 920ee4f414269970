/* SPDX-License-Identifier: MIT
 * PCI: enumeration, BARs, capabilities and interrupts, on configuration spaces that are arrays. */
#include "service_fixture.h"
#include <linux/pci_regs.h>
#include "drivers.h"
#include "hypercall.h"
#include "pci.h"

#define FUNCTIONS 4

/* A function: its configuration space, and which bits of its BARs can be written. */
static struct fake {
    uint8_t bus, slot, function;
    uint8_t space[256];
    uint32_t bar_mask[6];
} fakes[FUNCTIONS];
static unsigned fake_count;

static struct fake *find(const struct pci_device *device)
{
    for (unsigned i = 0; i < fake_count; i++) {
        if (fakes[i].bus == device->bus && fakes[i].slot == device->slot && fakes[i].function == device->function) {
            return &fakes[i];
        }
    }
    return NULL;
}

uint32_t pci_read(const struct pci_device *device, unsigned offset, unsigned size)
{
    struct fake *fake = find(device);
    uint32_t value = 0xffffffff;
    if (fake != NULL && offset + size <= sizeof(fake->space)) {
        memcpy(&value, fake->space + offset, size);
    }
    return size == 4 ? value : value & ((1u << size * 8) - 1);
}

void pci_write(const struct pci_device *device, unsigned offset, unsigned size, uint32_t value)
{
    struct fake *fake = find(device);
    assert_non_null(fake);
    assert_true(offset + size <= sizeof(fake->space));
    if (offset >= PCI_BASE_ADDRESS_0 && offset < PCI_BASE_ADDRESS_0 + 24) {
        uint32_t mask = fake->bar_mask[(offset - PCI_BASE_ADDRESS_0) / 4], old;
        memcpy(&old, fake->space + offset, 4);
        value = (value & mask) | (old & ~mask);
        if ((old & 1) == 0 && value != old) {
            assert_false(fake->space[PCI_COMMAND] & 3); /* never sized while it decodes */
        }
    }
    memcpy(fake->space + offset, &value, size);
}

void pci_config_init(const struct control *control) { (void)control; }
unsigned pci_first_bus(void) { return 0; }
unsigned pci_last_bus(void) { return 255; }

const struct pci_driver *const pci_drivers[] = {NULL};

static unsigned msi_count, lines_given;
enum status service_msi(uint16_t source, void (*handler)(void *context), void *context, uint64_t *address, uint32_t *data)
{
    (void)source;
    (void)handler;
    (void)context;
    *address = 0xfee01000;
    *data = 0x40 + msi_count++;
    return OK;
}

enum status service_line(uint32_t gsi, void (*handler)(void *context), void *context)
{
    (void)handler;
    (void)context;
    lines_given++;
    return gsi == 11 ? OK : ERR_NONE;
}

static void put16(struct fake *fake, unsigned offset, uint16_t value) { memcpy(fake->space + offset, &value, 2); }
static void put32(struct fake *fake, unsigned offset, uint32_t value) { memcpy(fake->space + offset, &value, 4); }

static struct fake *add(uint8_t bus, uint8_t slot, uint8_t function)
{
    struct fake *fake = &fakes[fake_count++];
    memset(fake, 0, sizeof(*fake));
    fake->bus = bus;
    fake->slot = slot;
    fake->function = function;
    put16(fake, PCI_VENDOR_ID, 0x1af4);
    put16(fake, PCI_DEVICE_ID, 0x1042);
    put32(fake, PCI_CLASS_REVISION, 0x01000001);
    put16(fake, PCI_COMMAND, 7);
    return fake;
}

static void with_capabilities(struct fake *fake, uint8_t first)
{
    put16(fake, PCI_STATUS, PCI_STATUS_CAP_LIST);
    fake->space[PCI_CAPABILITY_LIST] = first;
}

static int setup(void **state)
{
    (void)state;
    fixture_reset();
    fake_count = msi_count = lines_given = 0;
    return 0;
}

static void test_enumeration(void **state)
{
    (void)state;
    add(0, 3, 0);
    fakes[0].space[PCI_HEADER_TYPE] = 0x80;
    add(0, 3, 5);
    add(7, 31, 0); /* behind a bridge, or another host bridge */
    add(0, 4, 1);  /* no function 0: not there */
    struct pci_device *device = pci_enumerate(0, 255);
    assert_string_equal(device->name, "00:03.0");
    assert_int_equal(device->class_code, 0x010000);
    assert_string_equal(device->next->name, "00:03.5");
    assert_string_equal(device->next->next->name, "07:1f.0");
    assert_null(device->next->next->next);
    for (unsigned i = 0; i < 3; i++) {
        uint16_t command;
        memcpy(&command, fakes[i].space + PCI_COMMAND, 2);
        assert_int_equal(command, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
    }
}

static void test_bridges_go_on(void **state)
{
    (void)state;
    struct fake *bridge = add(0, 1, 0);
    bridge->space[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
    put32(bridge, PCI_CLASS_REVISION, 0x06040000);
    put32(bridge, 0x18, 0x00000000); /* claims to lead to bus 0 again: no loop */
    struct pci_device *device = pci_enumerate(0, 255);
    assert_null(device->next);
    assert_int_equal(bridge->space[PCI_COMMAND], 7);
}

static void test_bars(void **state)
{
    (void)state;
    struct fake *fake = add(0, 2, 0);
    put32(fake, PCI_BASE_ADDRESS_0, 0xc001);
    fake->bar_mask[0] = 0x0000ffe0;
    put32(fake, PCI_BASE_ADDRESS_1, 0xfebd0000);
    fake->bar_mask[1] = 0xffff0000;
    put32(fake, PCI_BASE_ADDRESS_4, 0x0000000c);
    put32(fake, PCI_BASE_ADDRESS_5, 0x00000008);
    fake->bar_mask[4] = 0xff000000;
    fake->bar_mask[5] = 0xffffffff;
    put32(fake, PCI_BASE_ADDRESS_2, 0xc0000004);
    fake->bar_mask[2] = 0xffff0000; /* 64 bits, but the upper half is hard-wired to zero */
    struct pci_device *device = pci_enumerate(0, 0);
    assert_true(device->bars[0].io);
    assert_int_equal(device->bars[0].base, 0xc000);
    assert_int_equal(device->bars[0].size, 32);
    assert_false(device->bars[1].io);
    assert_int_equal(device->bars[1].base, 0xfebd0000);
    assert_int_equal(device->bars[1].size, 0x10000);
    assert_int_equal(device->bars[2].base, 0xc0000000);
    assert_int_equal(device->bars[2].size, 0x10000);
    assert_int_equal(device->bars[3].size, 0);
    assert_int_equal(device->bars[4].base, 0x800000000);
    assert_int_equal(device->bars[4].size, 0x1000000);
    assert_true(device->bars[4].prefetchable);
    assert_int_equal(device->bars[5].size, 0);
    assert_ptr_equal(pci_map_bar(device, 1, 0x10000), machine(0xfebd0000));
    assert_int_equal(pci_port_bar(device, 0, 32), 0xc000);
}

static void test_bars_that_cannot_be_used(void **state)
{
    (void)state;
    struct pci_device device = {.name = "00:02.0", .vendor = 0x1234, .device = 0x5678};
    device.bars[0].base = 0;
    device.bars[0].size = 0x1000;
    device.bars[1].base = 0xa0000;
    device.bars[1].size = 0x1000;
    device.bars[2].base = 1ull << 39;
    device.bars[2].size = 0x1000;
    device.bars[3].base = (1ull << 39) - 0x1000;
    device.bars[3].size = UINT64_MAX;
    device.bars[4].base = 0xc000;
    device.bars[4].size = 16;
    device.bars[4].io = true;
    static const struct {
        unsigned bar;
        uint64_t size;
        const char *error;
    } cases[] = {
        {0, 1, "PCI 00:02.0 (1234:5678): BAR 0 was not assigned by the firmware"},
        {1, 1, "BAR 1 lies below 1 MiB"},
        {2, 1, "BAR 2 lies above 512 GiB"},
        {3, 1, "BAR 3 lies above 512 GiB"},
        {4, 1, "BAR 4 is not of memory"},
        {5, 1, "BAR 5 is not there"},
        {7, 1, "BAR 7 is not there"},
        {1, 0x1001, "BAR 1 is too small"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_log[0] = 0;
        assert_null((void *)(uintptr_t)pci_map_bar(&device, cases[i].bar, cases[i].size));
        assert_logged(cases[i].error);
    }
    assert_int_equal(pci_port_bar(&device, 0, 1), 0);
    assert_int_equal(pci_port_bar(&device, 4, 17), 0);
}

static void test_capabilities(void **state)
{
    (void)state;
    struct fake *fake = add(0, 2, 0);
    struct pci_device device = {.slot = 2, .name = "00:02.0"};
    assert_int_equal(pci_capability(&device, PCI_CAP_ID_VNDR, 0), 0);
    with_capabilities(fake, 0x50);
    put16(fake, 0x50, PCI_CAP_ID_VNDR | 0x60 << 8);
    put16(fake, 0x60, PCI_CAP_ID_MSIX | 0x73 << 8); /* low bits are to be ignored */
    put16(fake, 0x70, PCI_CAP_ID_VNDR);
    assert_int_equal(pci_capability(&device, PCI_CAP_ID_VNDR, 0), 0x50);
    assert_int_equal(pci_capability(&device, PCI_CAP_ID_VNDR, 0x50), 0x70);
    assert_int_equal(pci_capability(&device, PCI_CAP_ID_VNDR, 0x70), 0);
    assert_int_equal(pci_capability(&device, PCI_CAP_ID_MSIX, 0), 0x60);
    assert_int_equal(pci_capability(&device, PCI_CAP_ID_MSI, 0), 0);
    assert_string_equal(fixture_log, "");
}

static void test_bad_capabilities(void **state)
{
    (void)state;
    struct fake *fake = add(0, 2, 0);
    struct pci_device device = {.slot = 2, .name = "00:02.0"};
    with_capabilities(fake, 0x50);
    put16(fake, 0x50, PCI_CAP_ID_PM | 0x50 << 8);
    assert_int_equal(pci_capability(&device, PCI_CAP_ID_VNDR, 0), 0);
    assert_logged("PCI 00:02.0: the list of capabilities has a loop");
    put16(fake, 0x50, PCI_CAP_ID_PM | 0x10 << 8);
    assert_int_equal(pci_capability(&device, PCI_CAP_ID_VNDR, 0), 0);
    assert_logged("points into the header (at 0x10)");
    put16(fake, 0x50, PCI_CAP_ID_PM | 0xfc << 8);
    put32(fake, 0xfc, 0xffffffff);
    assert_int_equal(pci_capability(&device, PCI_CAP_ID_VNDR, 0), 0);
    assert_logged("ends in nothing (at 0xfc)");
}

static void nothing(void *context) { (void)context; }

static void test_msix(void **state)
{
    (void)state;
    struct fake *fake = add(0, 2, 0);
    with_capabilities(fake, 0x40);
    put16(fake, 0x40, PCI_CAP_ID_MSIX);
    put16(fake, 0x42, 3); /* four vectors */
    put32(fake, 0x44, 0x1000 | 1);
    struct pci_device device = {.slot = 2, .name = "00:02.0", .line_gsi = PCI_NO_LINE};
    device.bars[1].base = 0x10000000;
    device.bars[1].size = 0x1030;
    /* the table does not fit: no MSI, no line either */
    assert_int_equal(pci_interrupt(&device, 0, nothing, NULL), ERR_SUPPORT);
    assert_logged("BAR 1 is too small");
    assert_int_equal(pci_msix_count(&device), 4);
    assert_int_equal(pci_interrupt(&device, 4, nothing, NULL), ERR_NONE);
}

static void test_msi(void **state)
{
    (void)state;
    struct fake *fake = add(0, 2, 0);
    with_capabilities(fake, 0x40);
    put16(fake, 0x40, PCI_CAP_ID_MSI);
    put16(fake, 0x42, PCI_MSI_FLAGS_64BIT | 3 << 1 | PCI_MSI_FLAGS_QSIZE);
    struct pci_device device = {.slot = 2, .name = "00:02.0"};
    assert_int_equal(pci_interrupt(&device, 0, nothing, NULL), OK);
    assert_int_equal(pci_read(&device, 0x44, 4), 0xfee01000);
    assert_int_equal(pci_read(&device, 0x4c, 2), 0x40);
    assert_int_equal(pci_read(&device, 0x42, 2) & (PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE), PCI_MSI_FLAGS_ENABLE);
    assert_false(pci_msix_active(&device));
    pci_interrupts_off(&device);
    assert_int_equal(pci_read(&device, 0x42, 2) & PCI_MSI_FLAGS_ENABLE, 0);
}

static void test_line(void **state)
{
    (void)state;
    struct fake *fake = add(0, 2, 0);
    fake->space[PCI_INTERRUPT_PIN] = 1;
    fake->space[PCI_INTERRUPT_LINE] = 11;
    struct pci_device *device = pci_enumerate(0, 0);
    assert_int_equal(device->line_gsi, 11);
    assert_int_equal(pci_interrupt(device, 0, nothing, NULL), OK);
    assert_int_equal(pci_read(device, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE, 0);
    fake->space[PCI_INTERRUPT_LINE] = 10;
    device = pci_enumerate(0, 0);
    assert_int_equal(pci_interrupt(device, 0, nothing, NULL), ERR_NONE);
    assert_logged("interrupt line 10 was not given");
    fake->space[PCI_INTERRUPT_LINE] = 255;
    device = pci_enumerate(0, 0);
    assert_int_equal(pci_interrupt(device, 0, nothing, NULL), ERR_SUPPORT);
    assert_logged("no way to interrupt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_enumeration, setup),
        cmocka_unit_test_setup(test_bridges_go_on, setup),
        cmocka_unit_test_setup(test_bars, setup),
        cmocka_unit_test_setup(test_bars_that_cannot_be_used, setup),
        cmocka_unit_test_setup(test_capabilities, setup),
        cmocka_unit_test_setup(test_bad_capabilities, setup),
        cmocka_unit_test_setup(test_msix, setup),
        cmocka_unit_test_setup(test_msi, setup),
        cmocka_unit_test_setup(test_line, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
