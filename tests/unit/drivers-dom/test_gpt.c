/* SPDX-License-Identifier: MIT
 * GUID partition tables: good ones, and everything that a hostile disk may have in their place. */
#include "service_fixture.h"
#include "blk.h"
#include "gpt.h"

#define BLOCK 512u
#define BLOCKS 4096u
#define COUNT 128u
#define ENTRY 128u
#define TABLE_BLOCKS (COUNT * ENTRY / BLOCK)

static uint8_t disk_image[BLOCKS * BLOCK];

static void put32(uint8_t *at, uint32_t value) { memcpy(at, &value, 4); }
static void put64(uint8_t *at, uint64_t value) { memcpy(at, &value, 8); }

static void seal_header(uint8_t *header)
{
    put32(header + 16, 0);
    put32(header + 16, gpt_crc32(header, 92));
}

static uint8_t *header_at(bool backup) { return disk_image + (backup ? BLOCKS - 1 : 1) * BLOCK; }
static uint8_t *table_at(bool backup) { return disk_image + (backup ? BLOCKS - 1 - TABLE_BLOCKS : 2) * BLOCK; }

static void seal(bool backup)
{
    uint8_t *header = header_at(backup);
    memset(header, 0, BLOCK);
    memcpy(header, "EFI PART", 8);
    put32(header + 8, 0x10000);
    put32(header + 12, 92);
    put64(header + 24, backup ? BLOCKS - 1 : 1);
    put64(header + 32, backup ? 1 : BLOCKS - 1);
    put64(header + 40, 2 + TABLE_BLOCKS);
    put64(header + 48, BLOCKS - 2 - TABLE_BLOCKS);
    put64(header + 72, backup ? BLOCKS - 1 - TABLE_BLOCKS : 2);
    put32(header + 80, COUNT);
    put32(header + 84, ENTRY);
    put32(header + 88, gpt_crc32(table_at(backup), COUNT * ENTRY));
    seal_header(header);
}

static void entry(unsigned index, uint64_t first, uint64_t last, const char *label)
{
    for (unsigned backup = 0; backup < 2; backup++) {
        uint8_t *at = table_at(backup) + index * ENTRY;
        memset(at, 0, ENTRY);
        at[0] = 1;
        put64(at + 32, first);
        put64(at + 40, last);
        for (unsigned i = 0; label[i] != 0; i++) {
            at[56 + i * 2] = (uint8_t)label[i];
        }
    }
}

/* --- the disk --- */

static struct blk_request *waiting[8];
static unsigned waiting_count;
static enum status read_status;

static bool submit(struct blk_device *device, struct blk_request *request)
{
    (void)device;
    assert_int_equal(request->op, BLK_READ);
    waiting[waiting_count++] = request;
    return true;
}

static void answer(void)
{
    while (waiting_count > 0) {
        struct blk_request *request = waiting[--waiting_count];
        memcpy(machine(request->segments[0].address), disk_image + request->sector * 512, request->sectors * 512);
        request->done(request, read_status);
        fixture_settle();
    }
}

static const struct blk_ops ops = {.driver = "fake", .submit = submit};
static struct blk_device disk;

static void unregister_all(void)
{
    while (blk_next(NULL) != NULL) {
        blk_unregister(blk_next(NULL));
    }
}

static int setup(void **state)
{
    (void)state;
    static bool once;
    unregister_all();
    fixture_reset();
    memset(disk_image, 0, sizeof(disk_image));
    waiting_count = 0;
    read_status = OK;
    entry(0, 100, 199, "root");
    entry(5, 200, 299, "data");
    seal(false);
    seal(true);
    disk = (struct blk_device){.ops = &ops, .sectors = BLOCKS, .max_segments = BLK_MAX_SEGMENTS, .max_sectors = 256,
                               .block_size = BLOCK};
    if (!once) {
        once = true;
        gpt_init();
    }
    return 0;
}

static void insert(void)
{
    assert_int_equal(blk_register(&disk), OK);
    answer();
}

static void test_good(void **state)
{
    (void)state;
    insert();
    const char *error;
    struct blk_device *root = blk_source("part:root", &error), *data = blk_source("part:data", &error);
    assert_non_null(root);
    assert_non_null(data);
    assert_string_equal(data->name, "fake0/6");
    assert_int_equal(data->sectors, 100);
    assert_null(blk_source("part:none", &error));
    assert_string_equal(error, "no GPT partition has this label");
    assert_ptr_equal(blk_source("dev:fake0", &error), &disk);
}

static void done(struct blk_request *request, enum status status) { *(enum status *)request->context = status; }

static void test_requests_are_moved(void **state)
{
    (void)state;
    insert();
    const char *error;
    struct blk_device *data = blk_source("part:data", &error);
    static uint8_t buffer[512];
    enum status status = ERR_BUSY;
    struct blk_request request =
        {.op = BLK_READ, .sector = 99, .sectors = 1, .segment_count = 1, .done = done, .context = &status};
    request.segments[0] = (struct blk_segment){dma_of(buffer), 512};
    disk_image[299 * 512] = 0x5a;
    assert_int_equal(blk_submit(data, &request), OK);
    answer();
    assert_int_equal(status, OK);
    assert_int_equal(buffer[0], 0x5a);
    request.sector = 100; /* behind its end, though on the disk */
    assert_int_equal(blk_submit(data, &request), ERR_PARAM);
    request.sector = UINT64_MAX;
    assert_int_equal(blk_submit(data, &request), ERR_PARAM);
}

static void test_no_table(void **state)
{
    (void)state;
    memset(disk_image, 0, sizeof(disk_image));
    insert();
    assert_null(blk_next(&disk));
    assert_null(strstr(fixture_log, "partition"));
}

static void test_backup_is_used(void **state)
{
    (void)state;
    header_at(false)[20] ^= 1;
    insert();
    assert_logged("primary partition table: the header's checksum is wrong");
    assert_logged("the backup partition table is used");
    const char *error;
    assert_non_null(blk_source("part:root", &error));
}

static void test_damaged_entries(void **state)
{
    (void)state;
    table_at(false)[40] ^= 1;
    table_at(true)[40] ^= 1;
    insert();
    assert_logged("primary partition table: the checksum of the entries is wrong");
    assert_logged("backup partition table: the checksum of the entries is wrong");
    assert_null(blk_next(&disk));
}

static void test_read_errors(void **state)
{
    (void)state;
    read_status = ERR_DEVICE;
    insert();
    assert_logged("primary partition table: it cannot be read");
    assert_logged("backup partition table: it cannot be read");
}

static void test_partitions_of_the_wrong_place(void **state)
{
    (void)state;
    entry(1, 10, 20, "header");
    entry(2, 400, 399, "backwards");
    entry(3, 150, 160, "over-root");
    entry(4, BLOCKS - 100, UINT64_MAX, "huge");
    seal(false);
    insert();
    assert_logged("partition 2 (header) is refused: it is not among the usable blocks");
    assert_logged("partition 3 (backwards) is refused: it ends before it begins");
    assert_logged("partition 4 (over-root) is refused: it overlaps another partition");
    assert_logged("partition 1 (root) is refused: it overlaps another partition");
    assert_logged("partition 5 (huge) is refused: it is not among the usable blocks");
    const char *error;
    assert_non_null(blk_source("part:data", &error));
}

static void test_two_of_a_label(void **state)
{
    (void)state;
    entry(1, 300, 309, "data");
    seal(false);
    insert();
    const char *error;
    assert_null(blk_source("part:data", &error));
    assert_string_equal(error, "several GPT partitions have this label");
}

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        unsigned offset, size;
        uint64_t value;
        const char *error;
    } cases[] = {
        {12, 4, 91, "the header's size is not 92 bytes to a block"},
        {12, 4, 0xffffffff, "the header's size is not 92 bytes to a block"},
        {24, 8, 2, "the header is one of another place"},
        {40, 8, UINT64_MAX, "the usable blocks are not on the disk"},
        {48, 8, BLOCKS, "the usable blocks are not on the disk"},
        {72, 8, 0, "the entries are not on the disk"},
        {72, 8, UINT64_MAX, "the entries are not on the disk"},
        {72, 8, BLOCKS - 1, "the entries are not on the disk"},
        {72, 8, 100, "the entries lie among the partitions"},
        {80, 4, 0, "the number of entries is not 1 to 256"},
        {80, 4, 0xffffffff, "the number of entries is not 1 to 256"},
        {84, 4, 0, "an entry's size is not 128, 256 or 512"},
        {84, 4, 64, "an entry's size is not 128, 256 or 512"},
        {84, 4, 0x80000000, "an entry's size is not 128, 256 or 512"},
        {84, 4, 192, "an entry's size is not 128, 256 or 512"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t block[BLOCK];
        memcpy(block, header_at(false), BLOCK);
        memcpy(block + cases[i].offset, &cases[i].value, cases[i].size);
        seal_header(block);
        struct gpt_header header;
        const char *error;
        assert_int_equal(gpt_header(block, BLOCK, 1, BLOCKS, &header, &error), ERR_FORMAT);
        assert_string_equal(error, cases[i].error);
    }
}

static void test_labels(void **state)
{
    (void)state;
    uint8_t entries[ENTRY] = {1};
    struct gpt_header header = {.first_usable = 0, .last_usable = 9, .count = 1, .size = ENTRY};
    struct gpt_partition partition;
    const char *error;
    static const uint16_t units[GPT_LABEL_UNITS] = {'a', 0xe9, 0x20ac, 0xd83d, 0xde00, 0xd800, 7};
    memcpy(entries + 56, units, sizeof(units));
    assert_int_equal(gpt_entry(&header, entries, 0, &partition, &error), OK);
    assert_string_equal(partition.label, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80??");
    memset(entries + 56, 0x20, GPT_LABEL_UNITS * 2); /* the longest there is: 36 units of three bytes */
    assert_int_equal(gpt_entry(&header, entries, 0, &partition, &error), OK);
    assert_int_equal(strlen(partition.label), GPT_LABEL_UNITS * 3);
}

static void test_removed_while_reading(void **state)
{
    (void)state;
    assert_int_equal(blk_register(&disk), OK);
    struct blk_request *request = waiting[--waiting_count];
    request->done(request, ERR_NONE); /* as drivers do before they unregister */
    if (waiting_count > 0) {
        waiting_count = 0;
        request->done(request, ERR_NONE);
    }
    blk_unregister(&disk);
    fixture_settle();
    assert_null(blk_next(NULL));
}

static void test_disk_goes(void **state)
{
    (void)state;
    insert();
    const char *error;
    assert_non_null(blk_source("part:root", &error));
    blk_unregister(&disk);
    assert_null(blk_source("part:root", &error));
    assert_null(blk_next(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good, setup),
        cmocka_unit_test_setup(test_requests_are_moved, setup),
        cmocka_unit_test_setup(test_no_table, setup),
        cmocka_unit_test_setup(test_backup_is_used, setup),
        cmocka_unit_test_setup(test_damaged_entries, setup),
        cmocka_unit_test_setup(test_read_errors, setup),
        cmocka_unit_test_setup(test_partitions_of_the_wrong_place, setup),
        cmocka_unit_test_setup(test_two_of_a_label, setup),
        cmocka_unit_test_setup(test_headers, setup),
        cmocka_unit_test_setup(test_labels, setup),
        cmocka_unit_test_setup(test_removed_while_reading, setup),
        cmocka_unit_test_setup(test_disk_goes, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
