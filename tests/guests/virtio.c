/* SPDX-License-Identifier: MIT
 * Virtio disks and network cards as a driver of its own meets them: what is written is read back, interrupts come,
 * resets end. */
#include "lib/virtio.h"

#define BLOCK  4096u
#define BLOCKS 32u
enum { V_DISK = 0x60 };

static struct virtio_device disk;
static struct virtio_net net;
static uint8_t data[BLOCKS][BLOCK] __attribute__((aligned(4096)));
static struct virtio_request requests[BLOCKS];

static unsigned run(uint32_t type)
{
    unsigned done = 0;
    for (unsigned i = 0; i < BLOCKS; i++)
        block_submit(&disk, &requests[i], type, i * 8ul, data[i], BLOCK);
    virtio_kick(&disk.queues[0]);
    for (uint64_t end = rdtsc() + 20000 * tsc_khz; done < BLOCKS && rdtsc() < end;) {
        struct virtio_request *request = block_poll(&disk);
        done += request && request->status == VIRTIO_BLK_S_OK;
        pause();
    }
    return done;
}

static void check_disk(uint64_t features, const char *name)
{
    bool there = block_open(&disk, 0, 0, features);
    ok(there, "%s: disk found, %lu sectors", name, there ? block_sectors(&disk) : 0ul);
    if (!there)
        return;
    for (unsigned i = 0; i < BLOCKS; i++)
        memset(data[i], (int)(i + 7), BLOCK);
    ok(run(VIRTIO_BLK_T_OUT) == BLOCKS, "%s: %u writes", name, BLOCKS);
    memset(data, 0, sizeof data);
    ok(run(VIRTIO_BLK_T_IN) == BLOCKS, "%s: %u reads", name, BLOCKS);
    bool right = true;
    for (unsigned i = 0; i < BLOCKS * BLOCK; i++)
        right &= data[i / BLOCK][i % BLOCK] == (uint8_t)(i / BLOCK + 7);
    ok(right, "%s: what was written is read", name);
    int flushed = disk.features >> VIRTIO_BLK_F_FLUSH & 1 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_UNSUPP;
    ok(block_do(&disk, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, 5000) == flushed, "%s: flush", name);
    ok(block_do(&disk, VIRTIO_BLK_T_IN, block_sectors(&disk), data, BLOCK, 5000) == VIRTIO_BLK_S_IOERR,
       "%s: beyond the end is an error", name);
    ok(disk.queues[0].spurious == 0, "%s: nothing completed twice", name);
}

static void check_interrupt(void)
{
    block_open(&disk, 0, 0, ~0ull);
    ok(virtio_interrupt(&disk, 0, V_DISK), "MSI-X entry for the queue");
    sti();
    virtio_may_sleep(&disk.queues[0]);
    block_submit(&disk, &requests[0], VIRTIO_BLK_T_IN, 0, data, BLOCK);
    virtio_kick(&disk.queues[0]);
    ok_wait(&disk.queues[0].interrupts, 1, 5000, "an interrupt at the completion");
    ok(block_poll(&disk) == &requests[0], "the request is done");
    cli();
    ok(virtio_reset(&disk, 3000), "a reset ends");
}

static void check_net(void)
{
    static uint8_t frame[NET_FRAME_MAX];
    if (!ok(net_open(&net, 0, 0), "network card found"))
        return;
    memset(frame, 0xff, 6);
    memcpy(frame + 6, net.mac, 6);
    unsigned sent = 0;
    for (unsigned i = 0; i < 1000; i++) {
        sent += net_send(&net, frame, 60 + i);
        for (unsigned n = 0; n < 5 && net_receive(&net, frame); n++)
            ;
        delay_us(100);
    }
    ok(sent > 100, "%u frames sent", sent);
    ok(virtio_reset(&net.device, 3000), "a reset ends");
}

void main(void)
{
    time_init();
    lapic_init();
    check_disk(0, "plain");
    check_disk(~0ull, "all features");
    check_interrupt();
    check_net();
    done();
}
