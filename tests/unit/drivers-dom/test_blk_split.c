/* SPDX-License-Identifier: MIT
 * Cutting requests: whatever the shape of the segments and the rules of the hardware, the parts are whole blocks, in
 * order, complete, and obey every rule. */
#include "service_fixture.h"
#include "blk_split.h"

static uint64_t seed = 1;
static uint64_t random_below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

static void check_pieces(const struct blk_limits *limits, const struct blk_part *part)
{
    assert_true(part->piece_count > 0 && part->piece_count <= limits->max_pieces);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < part->piece_count; i++) {
        uint64_t address = part->pieces[i].address, size = part->pieces[i].size;
        assert_true(size > 0);
        assert_int_equal(address & limits->align_mask, 0);
        if (i + 1 < part->piece_count) {
            assert_int_equal(size & limits->align_mask, 0);
        }
        assert_true(limits->piece_max == 0 || size <= limits->piece_max);
        assert_true(limits->address_end == 0 || address + size <= limits->address_end);
        assert_true(limits->piece_border == 0 ||
                    address / limits->piece_border == (address + size - 1) / limits->piece_border);
        if (limits->inner_border != 0 && i > 0) {
            uint64_t end = part->pieces[i - 1].address + part->pieces[i - 1].size;
            assert_true(end == address || (end % limits->inner_border == 0 && address % limits->inner_border == 0));
        }
        sum += size;
    }
    assert_int_equal(sum, part->sectors * 512);
}

/* The parts of a request, as bytes of its segments, in order. */
static void check_all(const struct blk_request *request, const struct blk_limits *limits)
{
    struct blk_cursor cursor, shadow;
    struct blk_part part;
    blk_cursor_init(&cursor, request);
    blk_cursor_init(&shadow, request);
    uint64_t sector = request->sector;
    while (cursor.sectors > 0) {
        blk_split(&cursor, limits, &part);
        assert_int_equal(part.sector, sector);
        assert_true(part.sectors > 0);
        assert_int_equal(part.sectors * 512 % limits->block_size, 0);
        assert_true(part.sectors * 512 <= limits->max_bytes);
        if (part.bounced) {
            assert_int_equal(part.piece_count, 0);
            assert_true(part.sectors * 512 <= BLK_BOUNCE_SIZE);
        } else {
            check_pieces(limits, &part);
        }
        /* The same bytes as walking the segments. */
        uint32_t piece = 0, offset = 0;
        for (uint64_t left = part.sectors * 512; left > 0;) {
            const struct blk_segment *segment = &request->segments[shadow.segment];
            uint64_t size = segment->size - shadow.offset < left ? segment->size - shadow.offset : left;
            if (!part.bounced) {
                uint64_t room = part.pieces[piece].size - offset;
                size = size < room ? size : room;
                assert_int_equal(part.pieces[piece].address + offset, segment->address + shadow.offset);
                offset += (uint32_t)size;
                if (offset == part.pieces[piece].size) {
                    piece++;
                    offset = 0;
                }
            }
            left -= size;
            shadow.offset += (uint32_t)size;
            if (shadow.offset == segment->size) {
                shadow.segment++;
                shadow.offset = 0;
            }
        }
        sector += part.sectors;
    }
    assert_int_equal(sector, request->sector + request->sectors);
}

static const struct blk_limits limits[] = {
    /* virtio-blk */
    {.block_size = 512, .max_bytes = 0x400000, .max_pieces = 126},
    /* a poor one */
    {.block_size = 512, .max_bytes = 0x10000, .max_pieces = 1, .piece_max = 4096},
    {.block_size = 512, .max_bytes = 0x20000, .max_pieces = 128, .inner_border = 4096, .align_mask = 3},     /* NVMe */
    /* NVMe, 4 KiB */
    {.block_size = 4096, .max_bytes = 0x20000, .max_pieces = 128, .inner_border = 4096, .align_mask = 3},
    {.block_size = 512, .max_bytes = 0x20000, .max_pieces = 128, .piece_border = 0x10000, .align_mask = 1,
     .address_end = 1ull << 32},
    {.block_size = 512, .max_bytes = 0x100000, .max_pieces = 4, .piece_max = 0x400000, .align_mask = 1},     /* AHCI */
};

static void test_random_shapes(void **state)
{
    (void)state;
    static struct blk_request request;
    for (unsigned round = 0; round < 60000; round++) {
        const struct blk_limits *rules = &limits[round % (sizeof(limits) / sizeof(limits[0]))];
        uint64_t block_sectors = rules->block_size / 512;
        request.op = BLK_READ + random_below(2);
        request.sector = random_below(1000) * block_sectors;
        request.sectors = (1 + random_below(600)) * block_sectors;
        request.segment_count = 0;
        uint64_t style = random_below(5), address = 0xffff0000 - random_below(2) * 0x80000000;
        for (uint64_t left = request.sectors * 512; left > 0;) {
            uint64_t size = style == 0 ? left : style == 1 ? 4096 : style == 2 ? 512 * (1 + random_below(40)) :
                1 + random_below(30000);
            size = size > left || request.segment_count == BLK_MAX_SEGMENTS - 1 ? left : size;
            address = style == 1 ? (address + 4095) & ~4095ull : style == 4 ? (address + 3) & ~3ull : address;
            request.segments[request.segment_count++] = (struct blk_segment){address, (uint32_t)size};
            address += size + random_below(2) * random_below(5000);
            left -= size;
        }
        check_all(&request, rules);
    }
}

static void test_best_case_is_one_command(void **state)
{
    (void)state;
    struct blk_request request = {.op = BLK_WRITE, .sector = 8, .sectors = 64, .segment_count = 3};
    request.segments[0] = (struct blk_segment){0x1e00, 512};
    request.segments[1] = (struct blk_segment){0x8000, 0x6000};
    request.segments[2] = (struct blk_segment){0x4000, 0x1e00};
    struct blk_cursor cursor;
    struct blk_part part;
    blk_cursor_init(&cursor, &request);
    blk_split(&cursor, &limits[2], &part);
    assert_false(part.bounced);
    assert_int_equal(part.sectors, 64);
    assert_int_equal(part.piece_count, 3);
    assert_int_equal(cursor.sectors, 0);
}

static void test_ranges(void **state)
{
    (void)state;
    struct blk_request request = {.op = BLK_DISCARD, .sector = 5, .sectors = 250};
    struct blk_limits rules = {.block_size = 512, .max_range = 100};
    struct blk_cursor cursor;
    struct blk_part part;
    blk_cursor_init(&cursor, &request);
    uint64_t expected[] = {100, 100, 50};
    for (unsigned i = 0; i < 3; i++) {
        blk_split(&cursor, &rules, &part);
        assert_int_equal(part.sector, 5 + i * 100);
        assert_int_equal(part.sectors, expected[i]);
    }
    assert_int_equal(cursor.sectors, 0);
}

static void test_copy(void **state)
{
    (void)state;
    uint8_t memory[2048], buffer[1024];
    struct blk_request request = {.op = BLK_READ, .sectors = 2, .segment_count = 3};
    request.segments[0] = (struct blk_segment){dma_of(memory + 1), 511};
    request.segments[1] = (struct blk_segment){dma_of(memory + 600), 3};
    request.segments[2] = (struct blk_segment){dma_of(memory + 700), 510};
    for (unsigned i = 0; i < sizeof(buffer); i++) {
        buffer[i] = (uint8_t)(i * 7 + i / 256);
    }
    memset(memory, 0xee, sizeof(memory));
    struct blk_cursor cursor;
    blk_cursor_init(&cursor, &request);
    blk_copy(&cursor, 2, buffer, true);
    assert_memory_equal(memory + 1, buffer, 511);
    assert_memory_equal(memory + 600, buffer + 511, 3);
    assert_memory_equal(memory + 700, buffer + 514, 510);
    assert_int_equal(memory[0], 0xee);
    assert_int_equal(memory[512], 0xee);
    assert_int_equal(memory[603], 0xee);
    uint8_t back[1024];
    blk_cursor_init(&cursor, &request);
    blk_copy(&cursor, 2, back, false);
    assert_memory_equal(back, buffer, sizeof(back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_shapes),
        cmocka_unit_test(test_best_case_is_one_command),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
