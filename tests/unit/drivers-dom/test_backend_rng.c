/* SPDX-License-Identifier: MIT
 * virtio-rng, and the generator behind it against the vectors of RFC 7693 and RFC 8439. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "backend.h"
#include "random.h"
#include "ring_fixture.h"

static void blake2s_vectors(void **state)
{
    (void)state;
    static const uint8_t abc[32] = { 0x50, 0x8c, 0x5e, 0x8c, 0x32, 0x7c, 0x14, 0xe2, 0xe1, 0xa7, 0x2b,
                                     0xa3, 0x4e, 0xeb, 0x45, 0x2f, 0x37, 0x45, 0x8b, 0x20, 0x9e, 0xd6,
                                     0x3a, 0x29, 0x4d, 0x99, 0x9b, 0x4c, 0x86, 0x67, 0x59, 0x82 };
    uint8_t digest[32], other[32], data[200] = {0};
    blake2s(digest, "abc", 3);
    assert_memory_equal(digest, abc, 32);
    /* Across blocks: each byte counts. */
    blake2s(digest, data, sizeof(data));
    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = 1;
        blake2s(other, data, sizeof(data));
        assert_memory_not_equal(digest, other, 32);
        data[i] = 0;
    }
}

static void chacha20_vector(void **state)
{
    (void)state;
    static const uint8_t expected[64] = { 0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
                                          0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
                                          0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
                                          0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
                                          0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e };
    static const uint8_t nonce[12] = {0, 0, 0, 9, 0, 0, 0, 0x4a};
    uint8_t key[32], out[64];
    for (unsigned i = 0; i < 32; i++) {
        key[i] = (uint8_t)i;
    }
    chacha20_block(out, key, 1, nonce);
    assert_memory_equal(out, expected, 64);
}

static void a_pool(void **state)
{
    (void)state;
    static struct random_pool pool;
    static uint8_t a[1 << 16], b[1 << 16];
    assert_true(random_seed(&pool));
    uint8_t key[RANDOM_KEY];
    memcpy(key, pool.key, sizeof(key));
    random_bytes(&pool, a, sizeof(a));
    assert_memory_not_equal(key, pool.key, sizeof(key));
    random_bytes(&pool, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    unsigned ones = 0;
    for (unsigned i = 0; i < sizeof(a); i++) {
        ones += (unsigned)__builtin_popcount(a[i]);
    }
    assert_in_range(ones, sizeof(a) * 4 - 4000, sizeof(a) * 4 + 4000); /* more than ten standard deviations */
    for (unsigned i = 0; i < 40; i++) { /* it is fed again on the way */
        random_bytes(&pool, a, sizeof(a));
    }
}

static struct ring_guest guest;
static struct ring ring;
static void *backend;

static int setup(void **state)
{
    (void)state;
    ring_forget();
    ring_guest_init(&guest, CHANNEL_RNG);
    ring_init(&ring, &guest, 0, 8, true);
    backend = rng_backend.attach(&guest.entry, 0);
    assert_non_null(backend);
    ring_front_run(&guest, 0);
    rng_backend.front_changed(backend);
    ring_settle();
    return guest.channel->back.state == BACK_CONNECTED ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    rng_backend.detach(backend);
    assert_int_equal(guest.channel->back.state, BACK_ABSENT);
    ring_guest_free(&guest);
    return 0;
}

static void fills_buffers(void **state)
{
    (void)state;
    uint64_t data = ring_alloc(&guest, 0x10000, 0x1000);
    const struct ring_buffer buffers[] = {{data, 10, true}, {data + 0x100, 100, true}};
    ring_add(&ring, buffers, 2);
    ring_add(&ring, &(struct ring_buffer){data + 0x1000, 0xf000, true}, 1);
    rng_backend.kick(backend, 0);
    ring_settle();
    uint32_t head, written;
    assert_true(ring_take(&ring, &head, &written));
    assert_int_equal(written, 110);
    assert_true(ring_take(&ring, &head, &written));
    assert_int_equal(written, (16 << 10) - 110); /* a round's worth */
    const uint8_t zeroes[32] = {0};
    assert_memory_not_equal(ring_at(&guest, data + 0x100), zeroes, 32);
    assert_memory_equal((uint8_t *)ring_at(&guest, data) + 10, zeroes, 32);
    assert_memory_not_equal(ring_at(&guest, data + 0x1000), zeroes, 32);
}

static void nothing_to_write_to(void **state)
{
    (void)state;
    ring_add(&ring, &(struct ring_buffer){0x1000, 10, false}, 1);
    rng_backend.kick(backend, 0);
    ring_settle();
    assert_int_equal(guest.channel->back.state, BACK_FAILED);
    ring_front_idle(&guest);
    rng_backend.front_changed(backend);
    assert_int_equal(guest.channel->back.state, BACK_OFFERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blake2s_vectors), cmocka_unit_test(chacha20_vector), cmocka_unit_test(a_pool),
        cmocka_unit_test_setup_teardown(fills_buffers, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_to_write_to, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
