/* SPDX-License-Identifier: MIT
 * virtio-console with a control port: a hostile guest, and a hostile other end of the console. The back end stays in its bounds, and its
 * device can always be reset. */
#include "fuzz_ring.h"
#include "backend.h"
#include "console_device.h"
#include "console_port.h"
#include "terminal.h"
#include <linux/virtio_console.h>

#define QUEUES PORT_QUEUES

static struct console *console;
static void *backend;

void terminal_wake(void) {}

static void message(void)
{
    struct virtio_console_control data = {fuzz_byte() % 4 == 0 ? fuzz_word() : 0, fuzz_byte() % 9, fuzz_byte() % 3};
    uint64_t at = fuzz_data + fuzz_word() % 0x4000;
    memcpy(ring_at(&fuzz_guest, at), &data, sizeof(data));
    ring_add(&fuzz_rings[3], &(struct ring_buffer){at, fuzz_byte() % 8 == 0 ? fuzz_byte() : 8, false}, 1);
}

static void buffer(void)
{
    unsigned queue = fuzz_byte() % QUEUES;
    ring_add(&fuzz_rings[queue],
             &(struct ring_buffer){fuzz_data + fuzz_word() % 0x4000, fuzz_word() % 0x4000, fuzz_byte() % 8 == 0 || queue == 0 || queue == 2}, 1);
}

static void other_end(void)
{
    uint64_t step = fuzz_byte() % 8 == 0 ? (uint64_t)fuzz_word() << 40 : fuzz_word();
    switch (fuzz_byte() % 5) {
    case 0: console->near.produced += step; console_answered(); break;
    case 1: console->near.consumed += step; break;
    case 2: console->far.typed += step; console_typed(fuzz_guest.entry.console); break;
    case 3: console->far.printed += step; break;
    default: ring_now += 10000000;
    }
}

static void start(uint64_t not)
{
    ring_front_run(&fuzz_guest, fuzz_guest.channel->back.features & ~not);
    console_backend.front_changed(backend);
}

static void front(void)
{
    if (fuzz_guest.channel->front.state == FRONT_RUNNING) {
        ring_front_idle(&fuzz_guest);
        console_backend.front_changed(backend);
    } else {
        fuzz_guest_reset();
        start((uint64_t)(fuzz_byte() & 1) << VIRTIO_CONSOLE_F_MULTIPORT);
    }
}

/* Another drivers-dom takes over; what the guest has written into the record in between is not to be trusted. */
static void restart(void)
{
    struct channel_console_record *record = &fuzz_guest.channel->back.console;
    if (fuzz_byte() % 2 == 0) {
        ((uint8_t *)record)[fuzz_byte() % sizeof(*record)] = fuzz_byte();
    }
    uint32_t state = fuzz_guest.channel->back.state; /* as a kill leaves it, not as the detach does */
    console_backend.detach(backend);
    fuzz_guest.channel->back.state = state;
    ring_forget();
    backend = console_backend.attach(&fuzz_guest.entry, 0);
    if (backend == NULL) {
        abort();
    }
    console_backend.front_changed(backend);
}

static void act(void)
{
    switch (fuzz_byte() % 12) {
    case 0: fuzz_descriptor(); break;
    case 1: *(uint8_t *)ring_at(&fuzz_guest, fuzz_place()) = fuzz_byte(); break;
    case 2: ring_put(&fuzz_rings[fuzz_byte() % QUEUES], fuzz_byte()); break;
    case 3: fuzz_chain(); break;
    case 4: case 5: message(); break;
    case 6: buffer(); break;
    case 7: console_backend.kick(backend, fuzz_byte() % 6); break;
    case 8: ring_round(); break;
    case 9: other_end(); break;
    case 10: restart(); break;
    default: front();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_at = data;
    fuzz_end = data + size;
    fuzz_guest_begin(CHANNEL_CONSOLE, QUEUES);
    console = console != NULL ? console : aligned_alloc(PAGE_SIZE, sizeof(*console));
    memset(console, 0, sizeof(*console));
    console->magic = CONSOLE_MAGIC;
    fuzz_guest.entry.console = dma_of(console);
    fuzz_guest.entry.console_handle = 40;
    fuzz_guest.entry.queue_count = QUEUES;
    fuzz_guest.entry.console_near = fuzz_byte() % 4 == 0;
    backend = console_backend.attach(&fuzz_guest.entry, 0);
    if (backend == NULL) {
        abort();
    }
    if (fuzz_guest.entry.console_near) {
        fuzz_guest.channel->front.queues[2].enabled = fuzz_guest.channel->front.queues[3].enabled = 0;
    }
    start(0);
    fuzz_live = true;
    while (fuzz_at < fuzz_end) {
        act();
    }
    fuzz_live = false;
    ring_settle();
    ring_front_idle(&fuzz_guest);
    console_backend.front_changed(backend);
    if (fuzz_guest.channel->back.state != BACK_OFFERED) {
        abort();
    }
    console_backend.detach(backend);
    return 0;
}
