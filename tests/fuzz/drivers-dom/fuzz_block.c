/* SPDX-License-Identifier: MIT
 * virtio-blk against a hostile guest: whatever it writes, and whenever, the device sees only requests inside of the
 * disk and of the guest's memory, a reset is answered, and nothing is left over in the end. */
#include "fuzz_ring.h"
#include "backend.h"
#include "disk_fixture.h"

static void *backend;

static void check_requests(void)
{
    for (unsigned i = 0; i < disk_count; i++) {
        const struct blk_request *request = disk_requests[i];
        for (unsigned k = 0; k < request->segment_count && request->op <= BLK_WRITE; k++) {
            if (!fuzz_inside(request->segments[k].address, request->segments[k].size)) {
                abort();
            }
        }
        if (request->sector + request->sectors > DISK_SECTORS) {
            abort();
        }
    }
}

static void request(void)
{
    uint64_t at = fuzz_data + fuzz_word() % 0x7000;
    uint32_t words[4] = {0};
    static const uint8_t types[] = {0, 1, 4, 8, 11, 13, 14, 0};
    words[0] = types[fuzz_byte() % 8];
    words[2] = fuzz_word() % (DISK_SECTORS + 8);
    memcpy(ring_at(&fuzz_guest, at), words, sizeof(words));
    uint32_t size = 512u * (fuzz_byte() % 20);
    bool write = words[0] != 0 && words[0] != 8;
    if (words[0] >= 11) {
        size = 16u * (fuzz_byte() % 20);
        for (unsigned i = 0; i < size / 16; i++) {
            struct {
                uint64_t sector;
                uint32_t count, flags;
            } range = { fuzz_word() % (DISK_SECTORS + 8), fuzz_byte(), fuzz_byte() % 8 == 0 };
            memcpy(ring_at(&fuzz_guest, fuzz_data + 0x8000 + i * 16), &range, 16);
        }
    }
    uint64_t buffer = words[0] >= 11 ? fuzz_data + 0x8000 : fuzz_data + fuzz_word() % 0x8000;
    const struct ring_buffer buffers[] = { { at, 16, false },
                                           { buffer, size, !write },
                                           { fuzz_data + fuzz_word() % 0x8000, 1, true } };
    ring_add(&fuzz_rings[fuzz_byte() % fuzz_ring_count], buffers, 3);
}

static void front(void)
{
    if (fuzz_guest.channel->front.state == FRONT_RUNNING && fuzz_byte() % 4 != 0) {
        ring_front_idle(&fuzz_guest);
    } else {
        if (fuzz_byte() % 2 == 0) {
            fuzz_guest_reset();
        }
        uint64_t features = fuzz_guest.channel->back.features;
        ring_front_run(&fuzz_guest, fuzz_byte() % 8 == 0 ? fuzz_word() : features & ~((uint64_t)fuzz_word() & 0xffff));
    }
    block_backend.front_changed(backend);
}

static void act(void)
{
    switch (fuzz_byte() % 14) {
    case 0: fuzz_descriptor(); break;
    case 1: *(uint8_t *)ring_at(&fuzz_guest, fuzz_place()) = fuzz_byte(); break;
    case 2: ring_put(&fuzz_rings[0], fuzz_byte()); break;
    case 3: fuzz_chain(); break;
    case 4: case 5: case 6: request(); break;
    case 7: block_backend.kick(backend, fuzz_byte() % 20); break;
    case 8: ring_round(); break;
    case 9: if (disk_count > 0) { disk_complete(fuzz_byte() % disk_count); } break;
    case 10: disk_depth = fuzz_byte() % 8; ring_now += 2000000; break;
    case 11: disk_status = fuzz_byte() % 4 == 0 ? ERR_TIMEOUT : OK; break;
    case 12: front(); break;
    default:
        if (blk_find("fake0") == NULL) {
            disk_register();
        } else if (disk_count == 0) {
            blk_unregister(&disk_device);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_at = data;
    fuzz_end = data + size;
    fuzz_guest_begin(CHANNEL_BLOCK, 2);
    strcpy(fuzz_guest.entry.source, "dev:fake0");
    fuzz_guest.entry.queue_count = 2;
    disk_register();
    backend = block_backend.attach(&fuzz_guest.entry, 0);
    if (backend == NULL) {
        abort();
    }
    ring_front_run(&fuzz_guest, fuzz_guest.channel->back.features);
    block_backend.front_changed(backend);
    fuzz_live = true;
    while (fuzz_at < fuzz_end) {
        act();
        check_requests();
    }
    fuzz_live = false;
    /* A reset is always answered. */
    disk_depth = DISK_DEPTH;
    ring_now += 2000000;
    ring_front_idle(&fuzz_guest);
    block_backend.front_changed(backend);
    disk_settle();
    if (fuzz_guest.channel->back.state != BACK_OFFERED && fuzz_guest.channel->back.state != BACK_ABSENT) {
        abort();
    }
    block_backend.detach(backend);
    if (fuzz_guest.channel->back.state != BACK_ABSENT) {
        abort();
    }
    if (blk_find("fake0") != NULL) {
        blk_unregister(&disk_device);
    }
    return 0;
}
