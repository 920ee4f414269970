/* SPDX-License-Identifier: MIT
 * A guest that writes and talks until it is told to end, and keeps account: each block's data name the block and the
 * number of the write; each request completes once; frames to a neighbour are numbered. It sleeps when it has nothing
 * to do, so a lost interrupt is seen. At its end the numbers of the last writes go to the disk behind the blocks, for
 * the check from outside (tests/boot/disk.py).
 *
 * Command line: depth=N requests at a time; net: there is a neighbour that runs this, too. A key ends both; passes=N
 * ends this one after N passes, and whoever is on the network is only sent frames. */
#include "lib/virtio.h"

#define BLOCK       4096u
#define BLOCKS      500u
#define HOT         40u  /* blocks that are written again and again: an old write that comes late shows */
#define WRITES      500u /* of a pass; then all blocks are read */
#define DEPTH_MAX   64u
#define WORDS       (BLOCK / 8)
#define TICK_MS     5u
#define STUCK_MS    60000u
#define ETHERTYPE   0x88b5u /* IEEE 802: local experiments */
#define LAST_FRAMES 40u
enum { V_DISK = 0x60, V_RECEIVE = 0x61, V_TICK = 0x62 };

struct slot {
    struct virtio_request request;
    uint64_t data[WORDS] __attribute__((aligned(4096)));
    uint64_t sequence;
    uint32_t block;
    bool busy, writing;
};

struct __attribute__((packed)) message {
    uint8_t to[6], from[6];
    uint16_t type;
    uint64_t number;
    uint8_t ending;
    uint8_t fill[64];
};

static struct virtio_device disk;
static struct virtio_net net;
static struct slot slots[DEPTH_MAX];
static uint64_t sequences[WORDS]; /* of the last write to each block */
static bool in_use[BLOCKS];
static uint64_t next_sequence, submitted, completed, errors, wrong, longest, last_done;
static volatile uint32_t ticks;
static bool with_net, with_peer, ending, peer_ending;
static uint64_t sent, received, expected, lost, repeated, bad_frames, last_frame, longest_silence, last_sent;
static uint32_t depth, missed;
static uint64_t seed = 88172645463325252ull;

static uint64_t random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

/* --- the data of a block --- */

static uint64_t word_of(uint32_t block, uint64_t sequence, unsigned i)
{
    return i == 0 ? block : i == 1 ? sequence : (sequence << 24 ^ (uint64_t)block << 12 ^ i) * 0x9e3779b97f4a7c15ull;
}

static void fill(struct slot *slot)
{
    for (unsigned i = 0; i < WORDS; i++)
        slot->data[i] = word_of(slot->block, slot->sequence, i);
}

static bool right(const struct slot *slot)
{
    for (unsigned i = 0; i < WORDS; i++) {
        if (slot->data[i] != word_of(slot->block, slot->sequence, i)) {
            print("block %u: word %u is %lx of write %lu, expected write %lu\n", slot->block, i, slot->data[i],
                  slot->data[1], slot->sequence);
            return false;
        }
    }
    return true;
}

/* --- the disk --- */

static void submit(struct slot *slot, uint32_t block, bool writing)
{
    slot->block = block;
    slot->busy = in_use[block] = true;
    slot->writing = writing;
    slot->sequence = writing ? ++next_sequence : sequences[block];
    if (writing)
        fill(slot);
    else
        memset(slot->data, 0xee, BLOCK);
    submitted++;
    if (!block_submit(&disk, &slot->request, writing ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, block * (BLOCK / 512ul),
                      slot->data, BLOCK)) {
        print("no room in the ring\n");
        errors++;
    }
}

static bool collect(void)
{
    struct virtio_request *request;
    bool any = false;
    while ((request = block_poll(&disk)) != NULL) {
        struct slot *slot = (struct slot *)request;
        uint64_t now = rdtsc();
        longest = now - last_done > longest ? now - last_done : longest;
        last_done = now;
        completed++;
        if (request->status != VIRTIO_BLK_S_OK) {
            print("block %u: status %u\n", slot->block, request->status);
            errors++;
        } else if (slot->writing) {
            sequences[slot->block] = slot->sequence;
        } else {
            wrong += !right(slot);
        }
        slot->busy = in_use[slot->block] = false;
        any = true;
    }
    return any;
}

/* --- the neighbour --- */

static void talk(void)
{
    static struct message out = { .to = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
                                  .type = (uint16_t)(ETHERTYPE << 8 | ETHERTYPE >> 8) };
    static uint8_t frame[NET_FRAME_MAX];
    const struct message *in = (const struct message *)frame;
    uint32_t bytes;
    uint64_t now = rdtsc();
    if (!with_net)
        return;
    while ((bytes = net_receive(&net, frame)) != 0) {
        if (!with_peer || bytes < sizeof *in || in->type != out.type) {
            bad_frames++;
            continue;
        }
        received++;
        repeated += in->number < expected;
        lost += in->number > expected ? in->number - expected : 0;
        expected = in->number >= expected ? in->number + 1 : expected;
        peer_ending |= in->ending;
        longest_silence = last_frame && now - last_frame > longest_silence ? now - last_frame : longest_silence;
        last_frame = now;
    }
    if (now - last_sent < tsc_khz) /* a frame every millisecond */
        return;
    memcpy(out.from, net.mac, sizeof out.from);
    out.number = sent;
    out.ending = ending;
    if (net_send(&net, &out, sizeof out)) {
        sent++;
        last_sent = now;
    }
}

/* --- time and sleep --- */

static void on_tick(struct frame *frame)
{
    (void)frame;
    ticks++;
    lapic_eoi();
}

static void start_ticks(void)
{
    irq_set_handler(V_TICK, on_tick);
    lapic_write(LAPIC_TIMER_DIVIDE, 0xb); /* by 1 */
    lapic_write(LAPIC_LVT_TIMER, 1 << 16);
    uint32_t least = ~0u;
    for (unsigned i = 0; i < 3; i++) { /* this CPU may be another's for a while */
        lapic_write(LAPIC_TIMER_INITIAL, ~0u);
        delay_us(5000);
        uint32_t passed = ~0u - lapic_read(LAPIC_TIMER_CURRENT);
        least = passed < least ? passed : least;
    }
    lapic_write(LAPIC_LVT_TIMER, 1 << 17 | V_TICK); /* periodic */
    lapic_write(LAPIC_TIMER_INITIAL, least / 5 * TICK_MS + 1);
}

/* Until an interrupt. Requests that are completed although nobody has said so twenty ticks long are an interrupt lost.
 */
static void idle(void)
{
    static unsigned unseen;
    static uint32_t ticks_then, interrupts_then;
    cli();
    bool sleep = virtio_may_sleep(&disk.queues[0]);
    if (with_net)
        sleep &= virtio_may_sleep(&net.device.queues[0]);
    if (sleep)
        sti_hlt();
    sti();
    bool there = disk.queues[0].used.idx != disk.queues[0].next_used;
    if (there && sleep && disk.queues[0].interrupts == interrupts_then && ticks != ticks_then)
        missed += ++unseen == 20;
    else
        unseen = 0;
    ticks_then = ticks;
    interrupts_then = disk.queues[0].interrupts;
}

/* A sign of life every ten seconds, for the log of a run that hangs. */
static void tell(void)
{
    static uint32_t told;
    if (ticks - told < 10000 / TICK_MS)
        return;
    told = ticks;
    print("writer: %lu of %lu requests; %lu frames sent, %lu received; interrupts %u, %u\n", completed, submitted, sent,
          received, disk.queues[0].interrupts, net.device.queues[0].interrupts);
}

static void wait(void)
{
    tell();
    bool any = collect();
    talk();
    if (!any)
        idle();
    if (rdtsc() - last_done > STUCK_MS * tsc_khz) {
        ok(false, "no completion for %u seconds: %lu of %lu requests are done", STUCK_MS / 1000, completed, submitted);
        print("vectors 0x60 and up: in service %x, requested %x; %u ticks, %u left of one; used %u, taken %u\n",
              lapic_read(0x130), lapic_read(0x230), ticks, lapic_read(LAPIC_TIMER_CURRENT), disk.queues[0].used.idx,
              disk.queues[0].next_used);
        done();
    }
}

static struct slot *free_slot(void)
{
    for (;;) {
        for (unsigned i = 0; i < depth; i++)
            if (!slots[i].busy)
                return &slots[i];
        virtio_kick(&disk.queues[0]);
        wait();
    }
}

static void drain(void)
{
    virtio_kick(&disk.queues[0]);
    while (completed != submitted)
        wait();
}

static bool told_to_end(void)
{
    bool key = (inb(0x3f8 + 5) & 1) && inb(0x3f8) == 'q';
    return ending |= key || peer_ending;
}

/* Half of the writes go to few blocks. A flush now and then. */
static void pass(void)
{
    for (unsigned i = 0; i < WRITES; i++) {
        uint32_t block = (uint32_t)(random() % (random() & 1 ? HOT : BLOCKS));
        struct slot *slot = free_slot();
        if (!in_use[block])
            submit(slot, block, true);
        if (random() % 8 == 0)
            virtio_kick(&disk.queues[0]);
    }
    for (uint32_t block = 0; block < BLOCKS; block++) {
        struct slot *slot = free_slot();
        while (in_use[block]) {
            virtio_kick(&disk.queues[0]);
            wait();
        }
        if (sequences[block])
            submit(slot, block, false);
    }
    drain();
}

static int simple(uint32_t type, uint64_t sector, void *data, uint32_t bytes)
{
    int status = block_do(&disk, type, sector, data, bytes, STUCK_MS);
    last_done = rdtsc();
    return status;
}

static bool open_all(void)
{
    if (!block_open(&disk, 0, 0,
                    1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_RING_F_INDIRECT_DESC))
        return ok(false, "a disk");
    if (with_net && !net_open(&net, 0, 1ull << VIRTIO_RING_F_EVENT_IDX))
        return ok(false, "a network card");
    return virtio_interrupt(&disk, 0, V_DISK) && (!with_net || virtio_interrupt(&net.device, 0, V_RECEIVE));
}

/* The other must have heard that this one ends, even if frames are lost. */
static void say_farewell(void)
{
    uint64_t until = sent + LAST_FRAMES;
    while (with_peer && (!peer_ending || sent < until)) {
        last_done = rdtsc();
        wait();
    }
}

static void report(uint64_t passes)
{
    ok(errors == 0 && wrong == 0, "%lu passes, %lu writes: %lu errors, %lu wrong blocks", passes, next_sequence, errors,
       wrong);
    ok(completed == submitted && disk.queues[0].spurious == 0, "%lu requests, %lu completed, %lu completed twice",
       submitted, completed, disk.queues[0].spurious);
    ok(missed == 0, "%u interrupts of the disk lost", missed);
    print("longest time without a completion: %lu us\n", longest * 1000 / tsc_khz);
    if (!with_peer)
        return;
    ok(received > 0 && bad_frames == 0, "%lu frames sent; %lu received, %lu lost, %lu repeated, %lu bad", sent,
       received, lost, repeated, bad_frames);
    print("longest time without a frame: %lu us\n", longest_silence * 1000 / tsc_khz);
}

void main(void)
{
    uint64_t passes = boot_value("passes", 0), n = 0;
    time_init();
    lapic_init();
    with_net = boot_option("net");
    with_peer = with_net && passes == 0;
    depth = (uint32_t)boot_value("depth", 16);
    depth = depth == 0 || depth > DEPTH_MAX ? DEPTH_MAX : depth;
    if (!open_all())
        done();
    seed += (uint64_t)net.mac[4] << 32; /* not the same order in both guests */
    start_ticks();
    sti();
    print("writer: %lu sectors, depth %u\n", block_sectors(&disk), depth);
    last_done = rdtsc();
    do
        pass();
    while (++n != passes && !told_to_end());
    ending = true;
    ok(simple(VIRTIO_BLK_T_OUT, BLOCKS * (BLOCK / 512ul), sequences, BLOCK) == VIRTIO_BLK_S_OK,
       "the numbers of the last writes are written");
    ok(simple(VIRTIO_BLK_T_FLUSH, 0, NULL, 0) == VIRTIO_BLK_S_OK, "all is flushed");
    say_farewell();
    report(n);
    done();
}
