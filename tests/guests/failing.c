/* SPDX-License-Identifier: MIT
 * A guest whose disks fail, each in its own way; the test (tests/boot/table_failing.py) makes them fail when this
 * guest says that it is at work. Each request must be answered, and a disk that has recovered must serve again. */
#include "lib/virtio.h"

#define BLOCK   4096u
#define SECTORS (BLOCK / 512)
#define DEPTH   8u
#define STUCK_S 100u
#define BAD     800u /* sector with an error on the disk "medium" */
#define TIMES   4u   /* reads of the disk "mute": a completion without an interrupt takes a second */

static struct virtio_device disk;
static struct virtio_request requests[DEPTH];
static uint8_t data[DEPTH][BLOCK] __attribute__((aligned(4096)));

/* Waits for all requests. False: at least one has no answer. */
static bool collect(unsigned count)
{
    for (uint64_t end = rdtsc() + STUCK_S * 1000 * tsc_khz; count > 0;) {
        if (block_poll(&disk))
            count--;
        else if (rdtsc() > end)
            return false;
        else
            pause();
    }
    return true;
}

/* How many of DEPTH requests at once fail; DEPTH + 1: they are not all answered. */
static unsigned failures(uint32_t type)
{
    static uint64_t at;
    unsigned failed = 0;
    for (unsigned i = 0; i < DEPTH; i++)
        block_submit(&disk, &requests[i], type, at++ % 64 * SECTORS, data[i], BLOCK);
    virtio_kick(&disk.queues[0]);
    if (!collect(DEPTH))
        return DEPTH + 1;
    for (unsigned i = 0; i < DEPTH; i++)
        failed += requests[i].status != VIRTIO_BLK_S_OK;
    return failed;
}

static bool next_disk(const char *name)
{
    static unsigned nth;
    bool there = block_open(&disk, nth++, 0, 0);
    ok(there, "%s: a disk", name);
    print("%s: at work\n", name);
    return there;
}

static int request(uint32_t type, uint64_t sector)
{
    return block_do(&disk, type, sector, data[0], BLOCK, STUCK_S * 1000);
}

/* Only what touches the bad sector fails. */
static void medium(void)
{
    if (!next_disk("medium"))
        return;
    for (unsigned i = 0; i < 2; i++) {
        uint32_t type = i ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
        ok(request(type, BAD) == VIRTIO_BLK_S_IOERR, "medium: the bad sector is an I/O error (%u)", i);
        ok(request(type, BAD + SECTORS) == VIRTIO_BLK_S_OK && request(type, 0) == VIRTIO_BLK_S_OK,
           "medium: others are not (%u)", i);
    }
    ok(failures(VIRTIO_BLK_T_IN) == 0, "medium: many at once");
}

static void mute(void)
{
    if (!next_disk("mute"))
        return;
    unsigned good = 0;
    for (unsigned i = 0; i < TIMES; i++)
        good += request(i % 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, i * SECTORS) == VIRTIO_BLK_S_OK;
    ok(good == TIMES, "mute: %u of %u requests are done", good, TIMES);
}

/* Until requests fail, or (fail false) none does. */
static bool until(bool fail)
{
    unsigned failed;
    uint64_t end = rdtsc() + STUCK_S * 1000 * tsc_khz;
    do
        failed = failures(VIRTIO_BLK_T_IN);
    while ((failed > 0) != fail && failed <= DEPTH && rdtsc() < end);
    return failed <= DEPTH && (failed > 0) == fail;
}

static void late(void)
{
    if (!next_disk("late"))
        return;
    ok(until(true), "late: requests without an answer fail");
    print("late: has failed\n");
    ok(until(false), "late: it works again");
}

static void vanishing(void)
{
    if (!next_disk("vanishing"))
        return;
    ok(until(true), "vanishing: requests to a disk that is gone fail");
    ok(failures(VIRTIO_BLK_T_IN) == DEPTH && failures(VIRTIO_BLK_T_OUT) == DEPTH, "vanishing: all further ones, too");
}

void main(void)
{
    time_init();
    medium();
    mute();
    late();
    vanishing();
    done();
}
