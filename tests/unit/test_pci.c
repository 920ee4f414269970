/* SPDX-License-Identifier: MIT
 * The PCI bus: configuration accesses of all kinds, BARs that move, shared interrupt lines, capabilities. */
#include "fake_pc.h"
#include "abi/syscall.h"
#include "devices/pci.h"
#include "devices/pci_bridges.h"

#define ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc

static struct machine *pc;
static struct pci *pci;
static struct pci_function card, second;
static uint32_t port_value;
static uint64_t mmio_value;
static unsigned written_offset, written_size;

static uint32_t card_port_read(void *device, uint16_t offset, unsigned size)
{
    (void)device, (void)size;
    return port_value + offset;
}

static void card_port_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    (void)device, (void)offset, (void)size;
    port_value = value;
}

static uint64_t card_mmio_read(void *device, uint64_t offset, unsigned size)
{
    (void)device, (void)size;
    return mmio_value + offset;
}

static void card_mmio_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device, (void)offset, (void)size;
    mmio_value = value;
}

static const struct pci_identity card_identity = {
    .vendor = 0x1af4, .device = 0x1041, .subsystem_vendor = 0x1af4, .subsystem = 0x1100, .class_code = 0x020000,
    .revision = 1, .interrupt_pin = 1, .name = "card",
};
static const struct pci_bar io_bar = { .kind = PCI_BAR_IO, .size = 32, .port_read = card_port_read, .port_write = card_port_write };
static const struct pci_bar wide_bar = { .kind = PCI_BAR_MEMORY64, .prefetchable = true, .size = 0x4000,
                                         .mmio_read = card_mmio_read, .mmio_write = card_mmio_write };

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(1 * MIB, 0, 1000000000, 0);
    pci = calloc(1, sizeof(*pci));
    assert_int_equal(pci_init(pci, pc), OK);
    pci_function_init(&card, &card_identity);
    assert_int_equal(pci_add_bar(&card, 0, &io_bar), OK);
    assert_int_equal(pci_add_bar(&card, 4, &wide_bar), OK);
    assert_int_equal(pci_add(pci, &card, PCI_DEVFN(3, 0)), OK);
    pci_function_init(&second, &card_identity);
    assert_int_equal(pci_add(pci, &second, PCI_DEVFN(11, 0)), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(pci);
    fake_free(pc);
    return 0;
}

static void select_register(unsigned bus, unsigned device, unsigned offset)
{
    bus_port_write(&pc->bus, ADDRESS, 4, 0x80000000u | bus << 16 | device << 11 | (offset & 0xfc));
}

static uint32_t read_config(unsigned device, unsigned offset, unsigned size)
{
    select_register(0, device, offset);
    return bus_port_read(&pc->bus, (uint16_t)(CONFIG_DATA + (offset & 3)), size);
}

static void write_config(unsigned device, unsigned offset, unsigned size, uint32_t value)
{
    select_register(0, device, offset);
    bus_port_write(&pc->bus, (uint16_t)(CONFIG_DATA + (offset & 3)), size, value);
}

/* Linux's pci_check_type1 and the scan of a small kernel. */
static void bus_is_found_through_the_ports(void **state)
{
    (void)state;
    outb(pc, 0xcfb, 0x01);
    bus_port_write(&pc->bus, ADDRESS, 4, 0x80000000);
    assert_int_equal(bus_port_read(&pc->bus, ADDRESS, 4), 0x80000000);
    assert_int_equal(read_config(0, 0, 4), 0x12378086);
    assert_int_equal(read_config(0, 0x0a, 2), 0x0600);
    assert_int_equal(read_config(1, 0, 4), 0x70008086);
    assert_int_equal(read_config(1, 0x0e, 1), 0x80);
    assert_int_equal(read_config(3, 0x08, 4), 0x02000001);
    assert_int_equal(read_config(3, 0x2c, 4), 0x11001af4);
    assert_int_equal(read_config(2, 0, 4), 0xffffffff);
    select_register(1, 0, 0);
    assert_int_equal(bus_port_read(&pc->bus, CONFIG_DATA, 4), 0xffffffff);
    bus_port_write(&pc->bus, ADDRESS, 4, 0); /* not enabled */
    assert_int_equal(bus_port_read(&pc->bus, CONFIG_DATA, 4), 0xffffffff);
    write_config(0, 0, 4, 0); /* identities are read-only */
    assert_int_equal(read_config(0, 0, 2), 0x8086);
}

static void ecam_shows_the_same_space(void **state)
{
    (void)state;
    assert_int_equal(bus_mmio_read(&pc->bus, PC_ECAM, 4), 0x12378086);
    assert_int_equal(bus_mmio_read(&pc->bus, PC_ECAM | 3 << 15 | 2, 2), 0x1041);
    assert_int_equal(bus_mmio_read(&pc->bus, PC_ECAM | 3 << 15, 8) >> 32, read_config(3, 4, 4));
    assert_int_equal(bus_mmio_read(&pc->bus, PC_ECAM | 3 << 15 | 0x100, 4), 0); /* no extended capabilities */
    assert_int_equal(bus_mmio_read(&pc->bus, PC_ECAM | 2 << 15, 4), 0xffffffff);
    assert_int_equal(bus_mmio_read(&pc->bus, PC_ECAM | 1 << 20, 4), 0xffffffff);
    bus_mmio_write(&pc->bus, PC_ECAM | 3 << 15 | 0x3c, 1, 0x0a);
    assert_int_equal(read_config(3, 0x3c, 1), 0x0a);
    bus_mmio_write(&pc->bus, PC_ECAM | 3 << 15 | 0xffc, 4, 1);
    bus_mmio_write(&pc->bus, PC_ECAM | 255 << 20, 8, 1);
}

static void bars_are_assigned_and_decoded(void **state)
{
    (void)state;
    uint32_t io = read_config(3, 0x10, 4), low = read_config(3, 0x20, 4), high = read_config(3, 0x24, 4);
    assert_int_equal(io & 3, 1);
    assert_in_range(io, PC_PCI_IO, 0xffff);
    assert_int_equal(low & 0xf, 0xc); /* 64 bits, prefetchable */
    assert_in_range(low, PC_PCI_MMIO, PC_PCI_MMIO_END);
    assert_int_equal(high, 0);
    assert_int_equal(read_config(3, 4, 2), 0x0003);
    bus_port_write(&pc->bus, (uint16_t)(io & ~3u), 4, 0x1234);
    assert_int_equal(bus_port_read(&pc->bus, (uint16_t)((io & ~3u) + 4), 4), 0x1238);
    bus_mmio_write(&pc->bus, low & ~15u, 8, 0x77);
    assert_int_equal(bus_mmio_read(&pc->bus, (low & ~15u) + 8, 4), 0x7f);
}

static void bars_tell_their_size(void **state)
{
    (void)state;
    uint32_t io = read_config(3, 0x10, 4), low = read_config(3, 0x20, 4);
    write_config(3, 4, 2, 0);
    assert_int_equal(bus_port_read(&pc->bus, (uint16_t)(io & ~3u), 4), 0xffffffff);
    write_config(3, 0x10, 4, 0xffffffff);
    assert_int_equal(read_config(3, 0x10, 4), 0xffffffe1);
    write_config(3, 0x20, 4, 0xffffffff);
    write_config(3, 0x24, 4, 0xffffffff);
    assert_int_equal(read_config(3, 0x20, 4), 0xffffc00c);
    assert_int_equal(read_config(3, 0x24, 4), 0xffffffff);
    write_config(3, 0x14, 4, 0xffffffff);
    assert_int_equal(read_config(3, 0x14, 4), 0);
    write_config(3, 0x30, 4, 0xfffff800); /* no expansion ROM */
    assert_int_equal(read_config(3, 0x30, 4), 0);
    write_config(3, 0x10, 4, io);
    write_config(3, 0x20, 4, low);
    write_config(3, 0x24, 4, 0);
    write_config(3, 4, 2, 3);
    assert_int_equal(bus_port_read(&pc->bus, (uint16_t)(io & ~3u), 4), port_value);
}

static void bars_move(void **state)
{
    (void)state;
    port_value = 0x55;
    write_config(3, 0x10, 4, 0x1000);
    assert_int_equal(bus_port_read(&pc->bus, 0x1000, 4), 0x55);
    assert_int_equal(bus_port_read(&pc->bus, PC_PCI_IO, 4), 0xffffffff);
    mmio_value = 0x66;
    write_config(3, 0x20, 4, 0x40000000);
    write_config(3, 0x24, 4, 0x10); /* above 4 GiB */
    assert_int_equal(bus_mmio_read(&pc->bus, 0x1040000000, 4), 0x66);
    /* Onto the PCI ports themselves: nobody gets hurt, and the way back is open. */
    write_config(3, 0x10, 4, 0xce0);
    assert_int_equal(read_config(0, 0, 4), 0x12378086);
    write_config(3, 0x10, 4, 0x2000);
    assert_int_equal(bus_port_read(&pc->bus, 0x2000, 4), 0x55);
    /* Onto ECAM. */
    write_config(3, 0x24, 4, 0);
    write_config(3, 0x20, 4, PC_ECAM);
    assert_int_equal(bus_mmio_read(&pc->bus, PC_ECAM, 4), 0x12378086);
    write_config(3, 0x20, 4, 0xf1000000);
    assert_int_equal(bus_mmio_read(&pc->bus, 0xf1000000, 4), 0x66);
    write_config(3, 0x10, 4, 0x12340000); /* no such port */
    assert_int_equal(bus_port_read(&pc->bus, 0, 4), 0xffffffff);
}

/* Slots 3 and 11 share GSI 19 and, through the router, 8259 input 11. */
static void interrupt_lines_are_shared(void **state)
{
    (void)state;
    assert_int_equal(pci_gsi(3, 1), 19);
    assert_int_equal(pci_gsi(11, 1), 19);
    assert_int_equal(read_config(3, 0x3d, 1), 1);
    assert_int_equal(read_config(3, 0x3c, 1), 11);
    assert_int_equal(fake.route[16], 10);
    assert_int_equal(fake.route[19], 11);
    pci_set_intx(&card, true);
    assert_true(fake.level[19]);
    assert_int_equal(read_config(3, 6, 2) & 8, 8);
    pci_set_intx(&second, true);
    pci_set_intx(&card, false);
    assert_true(fake.level[19]);
    write_config(11, 4, 2, 0x400); /* INTx disabled */
    assert_false(fake.level[19]);
    write_config(11, 4, 2, 0);
    assert_true(fake.level[19]);
    pci_set_intx(&second, false);
    assert_false(fake.level[19]);
}

static void router_can_be_programmed(void **state)
{
    (void)state;
    write_config(1, 0x60, 4, 0x0f80030b); /* A: 11, B: 3, C: off, D: 15 */
    assert_int_equal(fake.route[16], 11);
    assert_int_equal(fake.route[20], 11);
    assert_int_equal(fake.route[17], 3);
    assert_int_equal(fake.route[18], 0);
    assert_int_equal(fake.route[19], 15);
    write_config(1, 0x60, 1, 0x02); /* reserved */
    assert_int_equal(fake.route[16], 0);
    assert_int_equal(pci_route(pci, 16), -1);
}

static void reset_undoes_what_the_guest_programmed(void **state)
{
    (void)state;
    uint32_t io = read_config(3, 0x10, 4);
    write_config(3, 0x10, 4, 0x1000);
    write_config(3, 0x3c, 1, 7);
    write_config(1, 0x60, 4, 0x80808080);
    pci_set_intx(&card, true);
    pci_reset(pci);
    assert_int_equal(read_config(3, 0x10, 4), io);
    assert_int_equal(read_config(3, 0x3c, 1), 11);
    assert_int_equal(fake.route[19], 11);
    assert_false(fake.level[19]);
    assert_int_equal(bus_port_read(&pc->bus, 0x1000, 4), 0xffffffff);
    assert_int_equal(bus_port_read(&pc->bus, (uint16_t)(io & ~3u), 4), port_value);
}

static void on_written(struct pci_function *function, unsigned offset, unsigned size)
{
    assert_ptr_equal(function, &second);
    written_offset = offset;
    written_size = size;
}

static void capabilities_form_a_list(void **state)
{
    (void)state;
    uint8_t first, next, last;
    assert_int_equal(pci_add_capability(&second, 0x11, 12, &first), OK);
    assert_int_equal(pci_add_capability(&second, 0x09, 18, &next), OK);
    assert_int_equal(pci_add_capability(&second, 0x09, 250, &last), ERR_MEMORY);
    assert_int_equal(first, 0x40);
    assert_int_equal(next, 0x4c);
    assert_int_equal(read_config(11, 6, 2) & 0x10, 0x10);
    assert_int_equal(read_config(11, 0x34, 1), next);
    assert_int_equal(read_config(11, next, 2), 0x09 | first << 8);
    assert_int_equal(read_config(11, first, 2), 0x11);
    second.written = on_written;
    second.write_mask[first + 3] = 0xc0;
    write_config(11, first + 3u, 1, 0xff);
    assert_int_equal(second.config[first + 3], 0xc0);
    assert_int_equal(written_offset, first + 3);
    assert_int_equal(written_size, 1);
}

static void bad_functions_are_refused(void **state)
{
    (void)state;
    struct pci_function function;
    struct pci_bar odd = io_bar;
    pci_function_init(&function, &card_identity);
    odd.size = 33;
    assert_int_equal(pci_add_bar(&function, 0, &odd), ERR_PARAM);
    assert_int_equal(pci_add_bar(&function, 6, &io_bar), ERR_PARAM);
    assert_int_equal(pci_add_bar(&function, 5, &wide_bar), ERR_PARAM);
    assert_int_equal(pci_add_bar(&function, 0, &wide_bar), OK);
    assert_int_equal(pci_add_bar(&function, 1, &io_bar), ERR_PARAM);
    assert_int_equal(pci_add(pci, &function, PCI_DEVFN(3, 0)), ERR_EXISTS);
    assert_int_equal(pci_add(pci, &function, 256), ERR_PARAM);
    struct pci_bar huge = wide_bar;
    huge.size = 1u << 30;
    assert_int_equal(pci_add_bar(&function, 2, &huge), OK);
    assert_int_equal(pci_add(pci, &function, PCI_DEVFN(4, 0)), ERR_MEMORY);
}

static void reset_control_hides_among_the_config_ports(void **state)
{
    (void)state;
    outb(pc, 0xcf9, 0x02);
    assert_int_equal(fake.ends, 0);
    assert_int_equal(inb(pc, 0xcf9), 0x02);
    bus_port_write(&pc->bus, ADDRESS, 4, 0x80000e00);
    assert_int_equal(fake.ends, 0);
    outb(pc, 0xcf9, 0x06);
    assert_int_equal(fake.ends, 1);
    assert_int_equal(fake.end_code, END_REBOOT);
}

static void any_access_is_survived(void **state)
{
    (void)state;
    srand(6);
    for (unsigned i = 0; i < 100000; i++) {
        unsigned size = 1u << rand() % 3;
        if (rand() % 4 == 0)
            bus_port_write(&pc->bus, ADDRESS, 4, (uint32_t)rand() << 1 | (rand() & 1 ? 0x80000000u : 0));
        uint32_t value = rand() & 1 ? (uint32_t)rand() << 1 : 0x80000000u | (rand() & 1 ? 3 : 1) << 11 | (rand() & 0x3c);
        if (rand() & 1)
            bus_port_write(&pc->bus, (uint16_t)(ADDRESS + rand() % 8), size, value);
        else
            bus_mmio_write(&pc->bus, PC_ECAM + (uint64_t)(rand() % 0x10000), 1u << rand() % 4, (uint64_t)rand() << 20);
        (void)bus_port_read(&pc->bus, (uint16_t)(ADDRESS + rand() % 8), size);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(bus_is_found_through_the_ports), CASE(ecam_shows_the_same_space), CASE(bars_are_assigned_and_decoded),
        CASE(bars_tell_their_size), CASE(bars_move), CASE(interrupt_lines_are_shared), CASE(router_can_be_programmed), CASE(reset_undoes_what_the_guest_programmed),
        CASE(capabilities_form_a_list), CASE(bad_functions_are_refused),
        CASE(reset_control_hides_among_the_config_ports), CASE(any_access_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
