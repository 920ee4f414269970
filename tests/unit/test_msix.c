/* SPDX-License-Identifier: MIT
 * MSI-X: the capability, the table's accesses, masks and pending bits, and who is told of a change. */
#include <linux/pci_regs.h>
#include "fake_pc.h"
#include "devices/msix.h"

#define VECTORS 5
#define SLOT 4
#define BAR 2
#define AT 0x3000u

static struct machine *pc;
static struct pci *pci;
static struct pci_function function;
static struct msix msix;
static unsigned sent[VECTORS], changes[VECTORS];

void irq_message(struct machine *machine, uint64_t address, uint32_t data)
{
    assert_ptr_equal(machine, pc);
    assert_in_range(data, 0x40, 0x40 + VECTORS - 1);
    assert_true(address == 0x1fee00000ull + (data << 12));
    sent[data - 0x40]++;
}

static void changed(void *device, unsigned vector)
{
    assert_ptr_equal(device, &msix);
    assert_in_range(vector, 0, VECTORS - 1);
    changes[vector]++;
}

static void written(struct pci_function *f, unsigned offset, unsigned size)
{
    assert_ptr_equal(f, &function);
    msix_written(&msix, offset, size);
}

static uint32_t cfg(unsigned offset) { return pci_config_read(pci, PCI_DEVFN(SLOT, 0), msix.capability + offset, offset & 3 ? 2 : 4); }
static void control(uint16_t flags)
{
    pci_config_write(pci, PCI_DEVFN(SLOT, 0), msix.capability + PCI_MSIX_FLAGS, 2, flags);
}
static void command(uint16_t flags) { pci_config_write(pci, PCI_DEVFN(SLOT, 0), PCI_COMMAND, 2, flags); }
static void mask(unsigned vector, bool masked) { msix_write(&msix, vector * 16 + 12, 4, masked); }
static uint64_t pending(void) { return msix_read(&msix, MSIX_PBA, 8); }

static int setup(void **state)
{
    static const struct pci_identity identity = { .vendor = 0x1af4, .device = 0x1042, .class_code = 0x010000, .name = "card" };
    (void)state;
    memset(sent, 0, sizeof(sent));
    pc = fake_machine(1 * MIB, 0, 1000000000, 0);
    pci = calloc(1, sizeof(*pci));
    assert_int_equal(pci_init(pci, pc), OK);
    pci_function_init(&function, &identity);
    assert_int_equal(msix_init(&msix, &function, 0, BAR, AT), ERR_PARAM);
    assert_int_equal(msix_init(&msix, &function, MSIX_MAX_VECTORS + 1, BAR, AT), ERR_PARAM);
    assert_int_equal(msix_init(&msix, &function, VECTORS, BAR, AT), OK);
    msix.changed = changed;
    msix.device = &msix;
    function.written = written;
    assert_int_equal(pci_add(pci, &function, PCI_DEVFN(SLOT, 0)), OK);
    command(PCI_COMMAND_MASTER);
    for (unsigned i = 0; i < VECTORS; i++) {
        msix_write(&msix, i * 16, 8, 0x1fee00000ull + ((0x40 + i) << 12));
        msix_write(&msix, i * 16 + 8, 4, 0x40 + i);
    }
    memset(changes, 0, sizeof(changes));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(pci);
    fake_free(pc);
    return 0;
}

static void test_capability(void **state)
{
    (void)state;
    assert_int_equal(cfg(0) & 0xff, PCI_CAP_ID_MSIX);
    assert_int_equal(cfg(PCI_MSIX_FLAGS), VECTORS - 1);
    assert_int_equal(cfg(PCI_MSIX_TABLE), AT | BAR);
    assert_int_equal(cfg(PCI_MSIX_PBA), (AT + MSIX_PBA) | BAR);
    control(0xffff);
    assert_int_equal(cfg(PCI_MSIX_FLAGS), PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL | (VECTORS - 1));
    pci_config_write(pci, PCI_DEVFN(SLOT, 0), msix.capability + PCI_MSIX_TABLE, 4, 0);
    assert_int_equal(cfg(PCI_MSIX_TABLE), AT | BAR);
}

static void test_table(void **state)
{
    (void)state;
    msix_write(&msix, 16, 4, 0xfee01003);
    assert_int_equal(msix_read(&msix, 16, 4), 0xfee01000);
    assert_int_equal(msix_read(&msix, 18, 2), 0xfee0);
    assert_true(msix_read(&msix, 24, 8) == (1ull << 32 | 0x41)); /* masked since reset */
    msix_write(&msix, 28, 4, 0xfffffffe);
    assert_int_equal(msix_read(&msix, 28, 4), 0);
    changes[1] = 0;
    msix_write(&msix, 16, 2, 0x1234); /* too narrow, not aligned, behind the table, the pending bits */
    msix_write(&msix, 18, 4, 0x12345678);
    msix_write(&msix, 20, 8, 0x12345678);
    msix_write(&msix, VECTORS * 16, 4, 1);
    msix_write(&msix, MSIX_PBA, 8, ~0ull);
    msix_write(&msix, MSIX_PAGE - 8, 8, ~0ull);
    assert_int_equal(changes[1], 0);
    assert_int_equal(msix_read(&msix, 16, 4), 0xfee01000);
    assert_int_equal(msix_read(&msix, VECTORS * 16 - 4, 8), 0);
    assert_int_equal(pending(), 0);
}

static void test_masks(void **state)
{
    (void)state;
    msix_signal(&msix, 2); /* not even enabled */
    assert_int_equal(pending(), 0);
    control(PCI_MSIX_FLAGS_ENABLE);
    assert_false(msix_ready(&msix, 2));
    msix_signal(&msix, 2);
    msix_signal(&msix, 2);
    msix_signal(&msix, VECTORS);
    msix_signal(&msix, 0xffff);
    assert_int_equal(sent[2], 0);
    assert_int_equal(pending(), 4);
    assert_int_equal(msix_read(&msix, MSIX_PBA, 1), 4);
    mask(2, false);
    assert_int_equal(sent[2], 1);
    assert_int_equal(pending(), 0);
    assert_true(msix_ready(&msix, 2));
    msix_signal(&msix, 2);
    assert_int_equal(sent[2], 2);
    control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    msix_signal(&msix, 2);
    mask(3, false);
    msix_signal(&msix, 3);
    assert_int_equal(pending(), 12);
    control(PCI_MSIX_FLAGS_ENABLE);
    assert_int_equal(sent[2], 3);
    assert_int_equal(sent[3], 1);
    control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    msix_signal(&msix, 3);
    control(0);
    control(PCI_MSIX_FLAGS_ENABLE);
    assert_int_equal(sent[3], 1); /* switched off, it is forgotten */
}

static void test_master(void **state)
{
    (void)state;
    control(PCI_MSIX_FLAGS_ENABLE);
    mask(1, false);
    command(0);
    assert_false(msix_ready(&msix, 1));
    msix_signal(&msix, 1);
    assert_int_equal(sent[1], 0);
    command(PCI_COMMAND_MASTER);
    assert_int_equal(sent[1], 1);
}

static void test_changes(void **state)
{
    (void)state;
    control(PCI_MSIX_FLAGS_ENABLE);
    for (unsigned i = 0; i < VECTORS; i++)
        assert_int_equal(changes[i], 1);
    mask(4, false);
    msix_write(&msix, 4 * 16 + 8, 4, 0x44);
    assert_int_equal(changes[4], 3);
    assert_int_equal(changes[3], 1);
    pci_config_write(pci, PCI_DEVFN(SLOT, 0), PCI_INTERRUPT_LINE, 1, 5);
    assert_int_equal(changes[3], 1);
}

static void test_reset(void **state)
{
    (void)state;
    control(PCI_MSIX_FLAGS_ENABLE);
    mask(1, false);
    msix_signal(&msix, 0);
    msix_reset(&msix);
    pci_reset(pci);
    assert_false(msix_enabled(&msix));
    assert_int_equal(pending(), 0);
    for (unsigned i = 0; i < VECTORS; i++)
        assert_true(msix_read(&msix, i * 16 + 8, 8) == 1ull << 32);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_capability), TEST(test_table), TEST(test_masks), TEST(test_master), TEST(test_changes), TEST(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
