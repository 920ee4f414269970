/* SPDX-License-Identifier: MIT
 * The firmware configuration interface as test suites and firmware read it. */
#include "fake_pc.h"
#include "devices/fw_cfg.h"

static struct machine *pc;
static struct fw_cfg fw_cfg;

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(2 * MIB, 1ull << 30, 1000000000, 0);
    pc->vcpu_count = 5;
    assert_int_equal(fw_cfg_init(&fw_cfg, pc), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(pc);
    return 0;
}

static uint64_t item(uint16_t key, unsigned bytes)
{
    uint64_t value = 0;
    bus_port_write(&pc->bus, 0x510, 2, key);
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)inb(pc, 0x511) << (8 * i);
    return value;
}

static void numbers_are_there(void **state)
{
    (void)state;
    assert_int_equal(item(0x00, 4), 0x554d4551); /* "QEMU" */
    assert_int_equal(item(0x01, 4), 3);
    assert_int_equal(item(0x03, 8), 2 * MIB + (1ull << 30));
    assert_int_equal(item(0x05, 2), 5);
    assert_int_equal(item(0x0f, 2), 5);
    assert_int_equal(item(0x0f, 8), 5); /* zeros behind the end */
    assert_int_equal(item(0x1234, 4), 0);
}

static void directory_names_the_memory_map(void **state)
{
    (void)state;
    char name[57] = "";
    assert_int_equal(item(0x19, 4), 0x01000000); /* big-endian 1 */
    uint32_t size = 0;
    for (unsigned i = 0; i < 4; i++)
        size = size << 8 | inb(pc, 0x511);
    uint16_t key = (uint16_t)(inb(pc, 0x511) << 8);
    key |= inb(pc, 0x511);
    inb(pc, 0x511), inb(pc, 0x511);
    for (unsigned i = 0; i < 56; i++)
        name[i] = (char)inb(pc, 0x511);
    assert_string_equal(name, "etc/e820");
    assert_int_equal(size % 20, 0);
    assert_int_equal(item(key, 8), 0); /* the first range begins at 0 */
}

static void dma_copies_an_item(void **state)
{
    (void)state;
    uint8_t *access = pc->memory.base + 0x5003; /* no alignment is asked for */
    const uint8_t request[16] = { 0x00, 0x05, 0x00, 0x0a, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0x60, 0x01 };
    memcpy(access, request, sizeof(request));
    memset(pc->memory.base + 0x6000, 0xee, 8);
    assert_int_equal(bus_port_read(&pc->bus, 0x514, 4), 0x554d4551);
    assert_int_equal(bus_port_read(&pc->bus, 0x518, 4), 0x47464320);
    bus_port_write(&pc->bus, 0x514, 4, 0);
    bus_port_write(&pc->bus, 0x518, 4, __builtin_bswap32(0x5003));
    assert_memory_equal(access, "\0\0\0\0", 4);
    assert_memory_equal(pc->memory.base + 0x6000, "\xee\x05\0\0\0\xee", 6);
}

static void bad_dma_reports_an_error(void **state)
{
    (void)state;
    uint8_t *access = pc->memory.base + 0x5000;
    const uint8_t outside[16] = { 0x00, 0x05, 0x00, 0x0a, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0x1f, 0xff, 0xff };
    const uint8_t writing[16] = { 0x00, 0x05, 0x00, 0x18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0x60, 0x00 };
    memcpy(access, outside, sizeof(outside));
    bus_port_write(&pc->bus, 0x518, 4, __builtin_bswap32(0x5000));
    assert_int_equal(access[3], 1);
    memcpy(access, writing, sizeof(writing));
    bus_port_write(&pc->bus, 0x518, 4, __builtin_bswap32(0x5000));
    assert_int_equal(access[3], 1);
    bus_port_write(&pc->bus, 0x514, 4, 0xffffffff);
    bus_port_write(&pc->bus, 0x518, 4, 0xffffffff); /* nowhere */
    bus_port_write(&pc->bus, 0x518, 4, __builtin_bswap32(2 * MIB - 8));
}

static void skipping_far_is_harmless(void **state)
{
    (void)state;
    uint8_t *access = pc->memory.base + 0x5000;
    const uint8_t skip_all[16] = { 0x00, 0x00, 0x00, 0x04, 0xff, 0xff, 0xff, 0xff };
    bus_port_write(&pc->bus, 0x510, 2, 0x19);
    for (unsigned i = 0; i < 3; i++) {
        memcpy(access, skip_all, sizeof(skip_all));
        bus_port_write(&pc->bus, 0x518, 4, __builtin_bswap32(0x5000));
        assert_int_equal(access[3], 0);
        assert_int_equal(inb(pc, 0x511), 0);
    }
    for (unsigned i = 0; i < 10000; i++)
        bus_port_write(&pc->bus, (uint16_t)(0x510 + rand() % 12), 1u << rand() % 3, (uint32_t)rand());
}

/* The contents of a file as firmware finds it: by its name in the directory. Returns its size, 0 if there is none. */
static uint32_t file(const char *wanted, uint8_t *out, uint32_t room)
{
    struct { uint8_t size[4], key[2], reserved[2]; char name[56]; } entries[FW_CFG_FILES];
    unsigned count = __builtin_bswap32((uint32_t)item(0x19, 4));
    assert_in_range(count, 1, FW_CFG_FILES);
    for (unsigned i = 0; i < count * sizeof(entries[0]); i++)
        ((uint8_t *)entries)[i] = inb(pc, 0x511);
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(entries[i].name, wanted) != 0)
            continue;
        uint32_t size = (uint32_t)entries[i].size[2] << 8 | entries[i].size[3];
        assert_in_range(size, 1, room);
        item((uint16_t)(entries[i].key[0] << 8 | entries[i].key[1]), 0);
        for (unsigned j = 0; j < size; j++)
            out[j] = inb(pc, 0x511);
        return size;
    }
    return 0;
}

static void firmware_finds_its_files(void **state)
{
    (void)state;
    uint8_t rsdp[36], found[512];
    for (unsigned round = 0; round < 3; round++) { /* again after each reset */
        memset(rsdp, (int)(0xa0 + round), sizeof(rsdp));
        fw_cfg_reset(&fw_cfg);
        assert_int_equal(fw_cfg_offer(&fw_cfg, rsdp, sizeof(rsdp)), OK);
        assert_int_equal(file("etc/acpi/rsdp", found, sizeof(found)), sizeof(rsdp));
        assert_memory_equal(found, rsdp, sizeof(rsdp));
    }
    assert_int_equal(fw_cfg_offer(&fw_cfg, rsdp, 20), ERR_MEMORY);
    assert_int_equal(file("etc/sercon-port", found, sizeof(found)), 8);
    assert_memory_equal(found, "\xf8\x03\0\0\0\0\0", 8);
    assert_int_equal(file("etc/table-loader", found, sizeof(found)), 128);
    assert_int_equal(found[0], 1);
    assert_string_equal((char *)found + 4, "etc/acpi/rsdp");
    assert_int_equal(found[60], 16); /* alignment */
    assert_int_equal(found[64], 2);  /* below 1 MiB */
    assert_int_equal(file("etc/e820", found, sizeof(found)) % 20, 0);
    assert_int_equal(file("etc/none", found, sizeof(found)), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(numbers_are_there), CASE(directory_names_the_memory_map), CASE(dma_copies_an_item), CASE(bad_dma_reports_an_error),
        CASE(skipping_far_is_harmless), CASE(firmware_finds_its_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
