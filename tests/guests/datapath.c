/* SPDX-License-Identifier: MIT
 * What requests and packets cost: exits of this guest by reason, from the hypervisor's own counters (HYPERCALL_EXITS),
 * interrupts, and ticks of the TSC. A line "datapath NAME requests N ..." each; the bounds that the data path has to
 * keep are TAP lines.
 *
 * Command line: disk1=N disk32=N: N reads of 4 KiB, 1 or 32 at a time. net1=N net32=N: N packets there and back, 1 or
 * 32 at a time, with the neighbour that has the word `echo`; neighbour: only find it. The guest sleeps when it waits,
 * as every kernel does. */
#include "abi/hypercall.h"
#include "abi/state.h"
#include "abi/status.h"
#include "lib/virtio.h"

#define BLOCK 4096u
#define DEPTH 32u
#define ETHERTYPE 0xb588u /* 0x88b5 in network order, IEEE 802: local experiments */
#define FRAME 1500u
#define EVENT_INDEX (1ull << VIRTIO_RING_F_EVENT_IDX)
enum { V_DISK = 0x60, V_RECEIVE = 0x61 };
enum { RECEIVE, SEND };
enum kind { HELLO = 1, PACKET, LAST };

struct __attribute__((packed)) packet {
    uint8_t to[6], from[6];
    uint16_t type;
    uint32_t kind;
    uint8_t fill[FRAME - 18];
};

/* All counters at one moment, or what was counted between two. */
struct counts { uint64_t exits[EXIT_COUNT], interrupts, kicks, ticks, away; };

static struct virtio_device disk;
static struct virtio_net net;
static struct virtio_request requests[DEPTH];
static uint8_t data[DEPTH][BLOCK] __attribute__((aligned(4096)));
static uint64_t blocks; /* of the disk */
static uint64_t asleep; /* ticks between HLT and the interrupt */
static bool apicv;      /* the CPU runs the local APIC: an EOI has cost no exit */

/* --- counters --- */

static uint64_t exits(uint64_t reason)
{
    uint64_t number = HYPERCALL_EXITS;
    if (cpuid(0x40000100, 0).edx & 1)
        __asm__ volatile("vmmcall" : "+a"(number), "+D"(reason) : : "memory");
    else
        __asm__ volatile("vmcall" : "+a"(number), "+D"(reason) : : "memory");
    return number == OK ? reason : 0;
}

/* The kernel's counter is the one that reading disturbs: it is read next to what is measured. */
static void look(struct counts *counts, const struct virtio_queue *a, const struct virtio_queue *b, bool begin)
{
    if (!begin)
        counts->exits[EXIT_NONE] = exits(EXIT_NONE);
    counts->ticks = rdtsc();
    for (unsigned i = 1; i < EXIT_COUNT; i++)
        counts->exits[i] = exits(i);
    counts->interrupts = a->interrupts + (b ? b->interrupts : 0);
    counts->kicks = a->kicks + (b ? b->kicks : 0);
    counts->away = asleep + a->kick_ticks + (b ? b->kick_ticks : 0);
    if (begin) {
        counts->ticks = rdtsc();
        counts->exits[EXIT_NONE] = exits(EXIT_NONE);
    }
}

static void difference(struct counts *now, const struct counts *before)
{
    for (unsigned i = 0; i < EXIT_COUNT; i++)
        now->exits[i] -= before->exits[i];
    now->exits[EXIT_HYPERCALL] = 0; /* the counting itself */
    now->exits[EXIT_CPUID] = 0;
    now->interrupts -= before->interrupts;
    now->kicks -= before->kicks;
    now->ticks -= before->ticks;
    now->away -= before->away;
}

/* An event found by the kernel before it entered the guest again is no exit: the exit before it is counted. */
static uint64_t guest_exits(const struct counts *counts)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < EXIT_COUNT; i++)
        sum += i == EXIT_EVENT ? 0 : counts->exits[i];
    return sum;
}

static void report(const char *name, uint64_t count, const struct counts *c)
{
    static const struct { const char *name; unsigned reason; } shown[] = {
        { "kernel", EXIT_NONE }, { "events", EXIT_EVENT }, { "hlt", EXIT_HLT }, { "io", EXIT_IO },
        { "msr-write", EXIT_MSR_WRITE }, { "irq-window", EXIT_IRQ_WINDOW }, { "page", EXIT_PAGE },
    };
    print("datapath %s requests %lu exits %lu kicks %lu interrupts %lu ticks %lu own %lu", name, count,
          guest_exits(c), c->kicks, c->interrupts, c->ticks, c->ticks - c->away);
    for (unsigned i = 0; i < COUNT(shown); i++)
        print(" %s %lu", shown[i].name, c->exits[shown[i].reason]);
    print("\n");
}

/* limit: guest exits per hundred requests. Interrupts of the machine that come for others while this guest runs are
 * exits, too: 5 in a hundred requests, and at least 5. */
static void judge(const char *name, uint64_t count, const struct counts *c, unsigned limit)
{
    uint64_t others = count / 20 < 5 ? 5 : count / 20, most = count * limit / 100 + others;
    uint64_t entered = c->exits[EXIT_MSR_WRITE] + c->exits[EXIT_IRQ_WINDOW] + c->exits[EXIT_EOI];
    report(name, count, c);
    ok(guest_exits(c) <= most, "%s: %lu exits for %lu requests, at most %lu", name, guest_exits(c), count, most);
    ok(c->exits[EXIT_IO] + c->exits[EXIT_PAGE] == 0, "%s: %lu doorbells, none of them the monitor's", name, c->kicks);
    if (apicv)
        ok(entered == 0, "%s: %lu interrupts, none of them the monitor's", name, c->interrupts);
    else
        ok(entered + c->exits[EXIT_EVENT] <= c->interrupts + others,
           "%s: %lu interrupts, the monitor was entered %lu times for them", name, c->interrupts,
           entered + c->exits[EXIT_EVENT]);
}

/* Until `count` completions are there. */
static void sleep_for(struct virtio_queue *queue, unsigned count)
{
    cli();
    while (virtio_may_sleep_for(queue, count)) {
        uint64_t begin = rdtsc();
        sti_hlt();
        cli();
        asleep += queue->interrupted_at > begin ? queue->interrupted_at - begin : 0;
    }
    sti();
}

/* --- the disk --- */

static void run_disk(uint64_t count, unsigned depth)
{
    struct virtio_queue *queue = &disk.queues[0];
    uint64_t done = 0, bad = 0;
    while (done < count) {
        for (unsigned i = 0; i < depth; i++)
            block_submit(&disk, &requests[i], VIRTIO_BLK_T_IN, (done + i) % blocks * (BLOCK / 512), data[i], BLOCK);
        virtio_kick(queue);
        for (unsigned left = depth; left > 0;) {
            sleep_for(queue, left);
            for (struct virtio_request *request; (request = block_poll(&disk)) != NULL; left--, done++)
                bad += request->status != VIRTIO_BLK_S_OK;
        }
    }
    if (bad)
        ok(false, "%lu requests failed", bad);
}

static void measure_disk(const char *name, uint64_t count, unsigned depth, unsigned limit)
{
    static struct counts before, after;
    if (count == 0)
        return;
    blocks = block_sectors(&disk) / (BLOCK / 512);
    run_disk(2 * depth, depth); /* the first ones fault pages in */
    look(&before, &disk.queues[0], NULL, true);
    run_disk(count, depth);
    look(&after, &disk.queues[0], NULL, false);
    difference(&after, &before);
    judge(name, count, &after, limit);
}

static bool open_disk(void)
{
    return ok(block_open(&disk, 0, 0, EVENT_INDEX) && virtio_interrupt(&disk, 0, V_DISK), "a disk with an interrupt");
}

/* --- the network --- */

static struct packet out = { .to = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, .type = ETHERTYPE };

static bool open_net(void)
{
    bool there = net_open(&net, 0, EVENT_INDEX) && virtio_interrupt(&net.device, RECEIVE, V_RECEIVE);
    if (!ok(there, "a network card with an interrupt"))
        return false;
    memcpy(out.from, net.mac, 6);
    return true;
}

static void send_some(unsigned count, enum kind kind)
{
    out.kind = kind;
    for (unsigned i = 0; i < count; i++)
        net_put(&net, &out, sizeof out);
    virtio_kick(&net.device.queues[SEND]);
}

/* The kind of the next packet, or 0. Its sender is who the next ones go to. */
static enum kind receive_one(void)
{
    static union { uint8_t bytes[NET_FRAME_MAX]; struct packet packet; } in;
    if (net_receive(&net, in.bytes) < sizeof in.packet || in.packet.type != ETHERTYPE)
        return 0;
    memcpy(out.to, in.packet.from, 6);
    return in.packet.kind;
}

static void run_net(uint64_t count, unsigned depth)
{
    for (uint64_t done = 0; done < count; done += depth) {
        send_some(depth, PACKET);
        for (unsigned left = depth; left > 0;) {
            sleep_for(&net.device.queues[RECEIVE], left);
            for (enum kind kind; left > 0 && (kind = receive_one()) != 0;)
                left -= kind == PACKET;
        }
    }
}

/* There and back: two packets. */
static void measure_net(const char *name, uint64_t count, unsigned depth, unsigned limit)
{
    static struct counts before, after;
    if (count == 0)
        return;
    run_net(2 * depth, depth);
    look(&before, &net.device.queues[SEND], &net.device.queues[RECEIVE], true);
    run_net(count, depth);
    look(&after, &net.device.queues[SEND], &net.device.queues[RECEIVE], false);
    difference(&after, &before);
    judge(name, 2 * count, &after, limit);
}

/* Both say HELLO when they come: who comes later is heard. Nobody polls, so that ticks before the measurement are few. */
static void meet(void)
{
    send_some(1, HELLO);
    do
        sleep_for(&net.device.queues[RECEIVE], 1);
    while (receive_one() != HELLO);
}

/* What is not sent yet when a domain ends is lost. */
static void part(void)
{
    const volatile struct virtio_queue *queue = &net.device.queues[SEND];
    send_some(1, LAST);
    for (uint64_t end = rdtsc() + 5000 * tsc_khz; queue->used.idx != queue->next_avail && rdtsc() < end;)
        pause();
}

static void echo(void)
{
    send_some(1, HELLO);
    for (;;) {
        unsigned packets = 0;
        enum kind kind;
        sleep_for(&net.device.queues[RECEIVE], 1);
        while ((kind = receive_one()) != 0) {
            if (kind == LAST)
                return;
            out.kind = kind;
            net_put(&net, &out, sizeof out);
            packets++;
        }
        if (packets)
            virtio_kick(&net.device.queues[SEND]);
    }
}

static uint64_t rounded(const char *name, unsigned depth)
{
    uint64_t count = boot_value(name, 0);
    return count - count % depth;
}

void main(void)
{
    time_init();
    x2apic_enable();
    lapic_init();
    uint64_t before = exits(EXIT_MSR_WRITE);
    lapic_eoi();
    apicv = exits(EXIT_MSR_WRITE) == before;
    bool pv_eoi = pv_eoi_enable();
    print("# local APIC: %s; paravirtual EOI: %s\n", apicv ? "the CPU's" : "the monitor's", pv_eoi ? "yes" : "no");
    sti();
    bool disks = boot_value("disk1", 0) + boot_value("disk32", 0) > 0;
    bool nets = boot_value("net1", 0) + boot_value("net32", 0) > 0 || boot_option("neighbour");
    if (boot_option("echo")) {
        if (open_net())
            echo();
    }
    if (disks && open_disk()) {
        measure_disk("disk1", rounded("disk1", 1), 1, 200);
        measure_disk("disk32", rounded("disk32", DEPTH), DEPTH, 20);
    }
    if (nets && open_net()) {
        meet();
        measure_net("net1", rounded("net1", 1), 1, 200);
        measure_net("net32", rounded("net32", DEPTH), DEPTH, 20);
    }
    if (nets)
        part();
    cli();
    done();
}
