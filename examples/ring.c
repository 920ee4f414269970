/* SPDX-License-Identifier: MIT
 * Two paravirtual guests that talk over a granted ring: configs/ring.conf starts this program twice. "ping COUNT" owns a page with two rings,
 * grants it to its peer and sends numbers; "pong" maps it and answers each with its square. Nobody else sees the page, no monitor is
 * on the way, and each side trusts the other no further than the ring: indices are masked, answers are checked. */
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 16u
#define RING_GPA 0x40000000ull /* where pong maps it: behind its memory */
#define COUNT_DEFAULT 1000u
#define PEER_MASK (1ull << PV_PEER_EVENT)

/* Single producer, single consumer; counts run free. */
struct ring {
    uint32_t written __attribute__((aligned(64)));
    uint32_t read __attribute__((aligned(64)));
    uint64_t slots[SLOTS] __attribute__((aligned(64)));
};

struct shared {
    struct ring questions, answers;
};

/* Whatever the other side has written there, both stay within their slots; a count out of range (also what is read where a page has
 * been taken back) counts as nothing to do. */
static bool put(struct ring *ring, uint64_t value)
{
    uint32_t at = ring->written;
    if (at - __atomic_load_n(&ring->read, __ATOMIC_ACQUIRE) >= SLOTS) {
        return false;
    }
    ring->slots[at % SLOTS] = value;
    __atomic_store_n(&ring->written, at + 1, __ATOMIC_RELEASE);
    return true;
}

static bool take(struct ring *ring, uint64_t *value)
{
    uint32_t at = ring->read, ready = __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE) - at;
    if (ready == 0 || ready > SLOTS) {
        return false;
    }
    *value = ring->slots[at % SLOTS];
    __atomic_store_n(&ring->read, at + 1, __ATOMIC_RELEASE);
    return true;
}

/* Until the peer runs. */
static const struct pv_peer *wait_for_peer(const struct pv_start *start)
{
    if (start->peers == 0) {
        printf("ring: this domain has no peer: add the key peer\n");
        guest_end(1);
    }
    const struct pv_peer *peer = guest_pointer(start->peers);
    while (!__atomic_load_n(&peer->present, __ATOMIC_ACQUIRE)) {
        (void)guest_wait(PEER_MASK, 0);
    }
    return peer;
}

static void fail(const char *what, enum status status)
{
    printf("ring: %s: status %d\n", what, (int)status);
    guest_end(1);
}

static void ping(const struct pv_peer *peer, uint64_t count)
{
    struct shared *shared = guest_pages(1);
    uint64_t sent = 0, received = 0, answer, begin = guest_time(), bits = PEER_MASK | 1ull << peer->event_bit;
    enum status status = hypercall(HYPERCALL_GRANT_CREATE, peer->domain, guest_address(shared) | 1 << 1 | 1);
    if (status != OK) {
        fail("the page cannot be granted", status);
    }
    (void)hypercall(HYPERCALL_EVENT_SIGNAL, peer->event, 0);
    while (received < count) {
        bool moved = false;
        while (sent < count && put(&shared->questions, sent + 1)) {
            sent++;
            moved = true;
        }
        while (take(&shared->answers, &answer)) {
            received++;
            moved = true;
            if (answer != received * received) {
                printf("ring: the answer to %lu is %lu\n", received, answer);
                guest_end(1);
            }
        }
        if (moved) {
            (void)hypercall(HYPERCALL_EVENT_SIGNAL, peer->event, 0);
        } else if (!peer->present) {
            fail("the peer has gone", ERR_NONE);
        } else {
            (void)guest_wait(bits, 0);
        }
    }
    status = hypercall(HYPERCALL_GRANT_END, peer->domain, 0);
    if (status != OK) {
        fail("the grant cannot be taken back", status);
    }
    printf("ring: %lu answers were right, in %lu us; the page is mine again\n", received, (guest_time() - begin) / 1000);
}

static void pong(const struct pv_peer *peer)
{
    struct shared *shared = guest_pointer(RING_GPA);
    uint64_t question, bits = PEER_MASK | 1ull << peer->event_bit, answered = 0;
    enum status status;
    while ((status = hypercall(HYPERCALL_GRANT_MAP, peer->domain, RING_GPA)) == ERR_NONE && peer->present) {
        (void)guest_wait(bits, 0); /* not granted yet */
    }
    if (status != OK) {
        fail("the peer's page cannot be mapped", status);
    }
    while (peer->present) {
        bool moved = false;
        while (take(&shared->questions, &question)) {
            while (!put(&shared->answers, question * question) && peer->present) {
                (void)guest_wait(bits, 0);
            }
            answered++;
            moved = true;
        }
        if (moved) {
            (void)hypercall(HYPERCALL_EVENT_SIGNAL, peer->event, 0);
        } else if (hypercall(HYPERCALL_GRANT_MAP, peer->domain, RING_GPA) == ERR_NONE) {
            break; /* taken back: what is read there now is not the peer's any more */
        } else {
            (void)guest_wait(bits, 0);
        }
    }
    printf("ring: %lu questions answered; the peer has taken its page back\n", answered);
}

_Noreturn void guest_main(uint64_t start_address)
{
    const struct pv_start *start = guest_init(start_address);
    const struct pv_peer *peer = wait_for_peer(start);
    if (strncmp(start->cmdline, "ping", 4) == 0) {
        uint64_t count = strtoul(start->cmdline + 4, NULL, 10);
        ping(peer, count != 0 ? count : COUNT_DEFAULT);
    } else {
        pong(peer);
    }
    guest_end(0);
}
