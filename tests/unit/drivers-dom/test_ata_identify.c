/* SPDX-License-Identifier: MIT
 * What ATA disks say of themselves, and commands and TRIM lists made from it. */
#include "service_fixture.h"
#include "ata_identify.h"
#include "blk_split.h"

static uint16_t words[256];
static struct ata_identity identity;
static const char *error;

static int setup(void **state)
{
    (void)state;
    memset(words, 0, sizeof(words));
    words[49] = 0x300;
    words[60] = 0x4240;
    words[61] = 0x000f;
    words[83] = 0x4000 | 1u << 10 | 1u << 12 | 1u << 13;
    words[100] = 0x5678;
    words[101] = 0x1234;
    words[75] = 31;
    words[76] = 1u << 8;
    for (unsigned i = 0; i < 10; i++) {
        words[10 + i] = 0x2020;
    }
    words[10] = ' ' << 8 | 'A';
    words[11] = 'B' << 8 | 7;
    return 0;
}

static void test_modern(void **state)
{
    (void)state;
    assert_int_equal(ata_identify(words, &identity, &error), OK);
    assert_int_equal(identity.blocks, 0x12345678);
    assert_string_equal(identity.serial, "AB?");
    assert_true(identity.lba48 && identity.dma && identity.flush_ext && identity.queued);
    assert_int_equal(identity.queue_depth, 32);
    assert_int_equal(identity.block_size, 512);
    struct blk_device device = {0};
    struct blk_limits limits = {0};
    ata_describe(&identity, &device, &limits);
    assert_int_equal(device.sectors, 0x12345678);
    assert_int_equal(limits.max_bytes, 0x100000);
    assert_int_equal(ata_command(&identity, BLK_READ, true), ATA_READ_DMA_EXT);
    assert_int_equal(ata_command(&identity, BLK_WRITE, false), ATA_WRITE_PIO_EXT);
    assert_int_equal(ata_command(&identity, BLK_FLUSH, true), ATA_FLUSH_EXT);
    assert_int_equal(ata_command(&identity, BLK_DISCARD, true), 0);
}

static void test_old(void **state)
{
    (void)state;
    words[83] = 0xffff; /* not valid */
    words[76] = 0xffff;
    assert_int_equal(ata_identify(words, &identity, &error), OK);
    assert_int_equal(identity.blocks, 1000000);
    assert_false(identity.lba48 || identity.flush || identity.flush_ext || identity.queued || identity.trim);
    struct blk_device device = {0};
    struct blk_limits limits = {0};
    ata_describe(&identity, &device, &limits);
    assert_int_equal(limits.max_bytes, 256 * 512);
    assert_int_equal(ata_command(&identity, BLK_READ, true), ATA_READ_DMA);
    assert_int_equal(ata_command(&identity, BLK_WRITE, false), ATA_WRITE_PIO);
}

static void test_large_blocks(void **state)
{
    (void)state;
    words[106] = 0x5000;
    words[117] = 2048;
    assert_int_equal(ata_identify(words, &identity, &error), OK);
    assert_int_equal(identity.block_size, 4096);
    struct blk_device device = {0};
    struct blk_limits limits = {0};
    ata_describe(&identity, &device, &limits);
    assert_int_equal(device.sectors, 0x12345678ull * 8);
    words[118] = 0xffff;
    assert_int_equal(ata_identify(words, &identity, &error), ERR_SUPPORT);
    assert_string_equal(error, "its block size is not 512 to 4096 bytes");
}

static void test_nonsense(void **state)
{
    (void)state;
    words[49] = 0x100;
    assert_int_equal(ata_identify(words, &identity, &error), ERR_SUPPORT);
    assert_string_equal(error, "it has no linear addresses");
    words[49] = 0x300;
    words[102] = words[103] = 0xffff;
    assert_int_equal(ata_identify(words, &identity, &error), ERR_SUPPORT);
    assert_string_equal(error, "its size makes no sense");
    memset(words, 0xff, sizeof(words));
    /* nobody is there: a size of the 28-bit kind, refused by who asked */
    assert_int_equal(ata_identify(words, &identity, &error), OK);
    assert_false(identity.lba48);
}

static void test_trim(void **state)
{
    (void)state;
    uint64_t entries[ATA_TRIM_ENTRIES];
    ata_trim(entries, 100, 0xffff + 5);
    assert_int_equal(entries[0], 100 | 0xffffull << 48);
    assert_int_equal(entries[1], (100 + 0xffff) | 5ull << 48);
    assert_int_equal(entries[2], 0);
    ata_trim(entries, 0, 64ull * 0xffff);
    assert_int_equal(entries[63] >> 48, 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_modern, setup),
        cmocka_unit_test_setup(test_old, setup),
        cmocka_unit_test_setup(test_large_blocks, setup),
        cmocka_unit_test_setup(test_nonsense, setup),
        cmocka_unit_test_setup(test_trim, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
