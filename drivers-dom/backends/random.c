/* SPDX-License-Identifier: MIT
 * Entropy and the generator: sources are hashed into a key, a ChaCha20 stream under it gives bytes, and each call
 * replaces the key by the stream's first bytes. */
#include <cpuid.h>
#include <string.h>
#include "random.h"

#define FEED_EVERY (1u << 20) /* bytes */
#define WORDS 16              /* of the instructions: 1,024 bits */
#define RETRIES 10            /* SDM volume 1, 7.3.17: RDRAND that fails ten times is broken; RDSEED may be drained */
#define SEED_RETRIES 1000
#define SAMPLES 1024          /* of jitter */
#define STUCK_LIMIT (SAMPLES / 2)

/* --- BLAKE2s --- */

static const uint32_t blake_iv[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
static const uint8_t blake_order[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static uint32_t right(uint32_t value, unsigned bits) { return value >> bits | value << (32 - bits); }

static void blake_mix(uint32_t *v, const uint8_t *at, uint32_t x, uint32_t y)
{
    uint32_t *a = &v[at[0]], *b = &v[at[1]], *c = &v[at[2]], *d = &v[at[3]];
    *a += *b + x;
    *d = right(*d ^ *a, 16);
    *c += *d;
    *b = right(*b ^ *c, 12);
    *a += *b + y;
    *d = right(*d ^ *a, 8);
    *c += *d;
    *b = right(*b ^ *c, 7);
}

static void blake_block(uint32_t state[8], const uint8_t block[64], uint32_t total, bool last)
{
    static const uint8_t places[8][4] = {{0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15},
                                         {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13}, {3, 4, 9, 14}};
    uint32_t v[16], words[16];
    memcpy(words, block, sizeof(words));
    memcpy(v, state, 32);
    memcpy(v + 8, blake_iv, 32);
    v[12] ^= total;
    v[14] ^= last ? 0xffffffffu : 0;
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 8; i++) {
            blake_mix(v, places[i], words[blake_order[round][2 * i]], words[blake_order[round][2 * i + 1]]);
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        state[i] ^= v[i] ^ v[i + 8];
    }
}

void blake2s(uint8_t digest[32], const void *data, uint32_t size)
{
    uint32_t state[8], done = 0;
    const uint8_t *in = data;
    memcpy(state, blake_iv, sizeof(state));
    state[0] ^= 0x01010020; /* no key, a digest of 32 bytes */
    for (; size - done > 64; done += 64) {
        blake_block(state, in + done, done + 64, false);
    }
    uint8_t block[64] = {0};
    memcpy(block, in + done, size - done);
    blake_block(state, block, size, true);
    memcpy(digest, state, 32);
}

/* --- ChaCha20 --- */

static uint32_t left(uint32_t value, unsigned bits) { return value << bits | value >> (32 - bits); }

static void chacha_quarter(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
    x[a] += x[b];
    x[d] = left(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = left(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = left(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = left(x[b] ^ x[c], 7);
}

void chacha20_block(uint8_t out[64], const uint8_t key[32], uint32_t counter, const uint8_t nonce[12])
{
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, x[16];
    memcpy(start + 4, key, 32);
    start[12] = counter;
    memcpy(start + 13, nonce, 12);
    memcpy(x, start, sizeof(x));
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 4; i++) {
            chacha_quarter(x, i, 4 + i, 8 + i, 12 + i);
        }
        for (unsigned i = 0; i < 4; i++) {
            chacha_quarter(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        x[i] += start[i];
    }
    memcpy(out, x, 64);
}

/* --- sources --- */

struct sample {
    uint8_t key[RANDOM_KEY]; /* the pool as it was */
    uint64_t words[WORDS];
    uint32_t times[SAMPLES];
};

static uint64_t ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static bool rdseed(uint64_t *value)
{
    bool good = false;
    for (unsigned i = 0; i < SEED_RETRIES && !good; i++) {
        __asm__ volatile("rdseed %0; pause" : "=r"(*value), "=@ccc"(good));
    }
    return good;
}

static bool rdrand(uint64_t *value)
{
    bool good = false;
    for (unsigned i = 0; i < RETRIES && !good; i++) {
        __asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(good));
    }
    return good;
}

static bool fill(uint64_t *words, bool (*next)(uint64_t *value))
{
    for (unsigned i = 0; i < WORDS; i++) {
        /* Some processors answered with a constant, and said that it was good. */
        if (!next(&words[i]) || (i > 0 && words[i] == words[i - 1])) {
            return false;
        }
    }
    return true;
}

static const char *from_instructions(uint64_t *words)
{
    uint32_t a, b, c, d;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_RDSEED) != 0 && fill(words, rdseed)) {
        return "RDSEED";
    }
    if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_RDRND) != 0 && fill(words, rdrand)) {
        return "RDRAND";
    }
    return NULL;
}

/* How long the same piece of work takes, again and again: caches, other CPUs and interrupts decide. A sample whose
 * first or second difference is 0 tells nothing. False: most of them tell nothing. */
static bool from_jitter(uint32_t *times)
{
    uint8_t work[64] = {0}, digest[32];
    uint64_t before = ticks();
    uint32_t last = 0, last_change = 0;
    unsigned stuck = 0;
    for (unsigned i = 0; i < SAMPLES; i++) {
        blake2s(digest, work, sizeof(work));
        memcpy(work, digest, sizeof(digest));
        uint64_t now = ticks();
        times[i] = (uint32_t)(now - before);
        uint32_t change = times[i] - last;
        stuck += change == 0 || change == last_change;
        last = times[i];
        last_change = change;
        before = now;
    }
    return stuck < STUCK_LIMIT;
}

bool random_seed(struct random_pool *pool)
{
    static struct sample sample; /* static: too large for a small stack */
    memcpy(sample.key, pool->key, sizeof(sample.key));
    pool->from = from_instructions(sample.words);
    bool jitter = from_jitter(sample.times);
    if (pool->from == NULL && jitter) {
        pool->from = "jitter";
    }
    blake2s(pool->key, &sample, sizeof(sample));
    memset(&sample, 0, sizeof(sample));
    __asm__ volatile("" : : "r"(&sample) : "memory");
    pool->seeded |= pool->from != NULL;
    pool->made = 0;
    return pool->seeded;
}

void random_bytes(struct random_pool *pool, void *out, uint32_t size)
{
    if (pool->made > FEED_EVERY) {
        (void)random_seed(pool); /* what it had before stays in it */
    }
    pool->made += size;
    uint8_t block[64], next[RANDOM_KEY], *to = out;
    uint8_t nonce[12] = {0};
    uint64_t now = ticks(); /* the moment of the request is not the guest's alone */
    memcpy(nonce, &now, sizeof(now));
    chacha20_block(block, pool->key, 0, nonce);
    memcpy(next, block, sizeof(next));
    for (uint32_t counter = 1; size > 0; counter++) {
        uint32_t part = size < sizeof(block) ? size : (uint32_t)sizeof(block);
        chacha20_block(block, pool->key, counter, nonce);
        memcpy(to, block, part);
        to += part;
        size -= part;
    }
    memcpy(pool->key, next, sizeof(next));
    memset(block, 0, sizeof(block));
    memset(next, 0, sizeof(next));
    __asm__ volatile("" : : "r"(block), "r"(next) : "memory");
}
