/* SPDX-License-Identifier: MIT
 * Random bytes for guests: a pool fed by RDSEED, RDRAND and the jitter of instruction times, and a generator keyed from
 * it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RANDOM_KEY 32

struct random_pool {
    uint8_t key[RANDOM_KEY];
    uint64_t made;    /* bytes since it was fed */
    bool seeded;
    const char *from; /* "RDSEED", "RDRAND", "jitter" */
};

/* Fills the pool. False: this machine has neither instruction, and its times do not vary: there is nothing that could
 * be called random. */
bool random_seed(struct random_pool *pool);
/* Fills `out`; feeds the pool again now and then. What was given out cannot be computed from the pool afterwards. */
void random_bytes(struct random_pool *pool, void *out, uint32_t size);

/* The parts, for tests: BLAKE2s-256 (RFC 7693) without a key, and a ChaCha20 block (RFC 8439 section 2.3). */
void blake2s(uint8_t digest[32], const void *data, uint32_t size);
void chacha20_block(uint8_t out[64], const uint8_t key[32], uint32_t counter, const uint8_t nonce[12]);
