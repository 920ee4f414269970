/* SPDX-License-Identifier: MIT
 * INT 11h, 12h and 15h: what the machine has, memory maps, block moves, A20, waiting. */
#include "bios_parts.h"
#include "e820.h"

#define SMAP 0x534d4150u
#define E820_ENTRY_SIZE 20u
#define KIB_16M 0x3c00u       /* KiB between 1 and 16 MiB */
#define MIB (1ull << 20)
#define PORT_A 0x92
#define PORT_A_A20 0x02u
#define CONFIGURATION (PC_BIOS_CONFIGURATION & 0xffff)

void bios_equipment(struct bios_call *call) { bios_set(call, RAX, bda16(call, BDA_EQUIPMENT)); }
void bios_memory_size(struct bios_call *call) { bios_set(call, RAX, bda16(call, BDA_MEMORY)); }

/* --- memory maps --- */

/* EBX: the entry wanted, 0 first; ES:DI: where to; ECX: room (ACPI 6.5, 15.1). */
static void e820(struct bios_call *call)
{
    struct e820_entry map[E820_MAX_ENTRIES];
    unsigned count = e820_build(call->machine, map, E820_MAX_ENTRIES);
    uint32_t index = (uint32_t)call->state->gpr[RBX], room = (uint32_t)call->state->gpr[RCX];
    if ((uint32_t)call->state->gpr[RDX] != SMAP || room < E820_ENTRY_SIZE || index >= count) {
        bios_fail(call, BIOS_UNSUPPORTED);
        return;
    }
    uint8_t entry[E820_ENTRY_SIZE];
    memcpy(entry, &map[index].base, 8);
    memcpy(entry + 8, &map[index].size, 8);
    memcpy(entry + 16, &map[index].type, 4);
    if (!bios_write(call, SEG_ES, bios_get(call, RDI), entry, sizeof(entry)))
        return;
    bios_set32(call, RAX, SMAP);
    bios_set32(call, RBX, index + 1 < count ? index + 1 : 0);
    bios_set32(call, RCX, E820_ENTRY_SIZE);
    bios_flag(call, BIOS_CARRY, false);
}

static uint64_t above(const struct bios_call *call, uint64_t base)
{
    return call->machine->memory.low > base ? call->machine->memory.low - base : 0;
}

/* KiB below 16 MiB, and units of 64 KiB above. */
static void e801(struct bios_call *call)
{
    uint64_t low = above(call, MIB) >> 10;
    uint16_t kib = (uint16_t)(low < KIB_16M ? low : KIB_16M), blocks = (uint16_t)(above(call, 16 * MIB) >> 16);
    bios_set(call, RAX, kib);
    bios_set(call, RCX, kib);
    bios_set(call, RBX, blocks);
    bios_set(call, RDX, blocks);
    bios_flag(call, BIOS_CARRY, false);
}

static void extended_memory(struct bios_call *call)
{
    uint64_t kib = above(call, MIB) >> 10;
    bios_flag(call, BIOS_CARRY, false);
    bios_set(call, RAX, (uint16_t)(kib < 0xfc00 ? kib : 0xfc00));
}

/* --- AH=87h: CX words from the segment of descriptor 2 to that of descriptor 3 of the table at ES:SI --- */

static uint64_t descriptor_base(const uint8_t *descriptor)
{
    return descriptor[2] | (uint64_t)descriptor[3] << 8 | (uint64_t)descriptor[4] << 16 | (uint64_t)descriptor[7] << 24;
}

static void block_move(struct bios_call *call)
{
    uint8_t table[0x20];
    if (!bios_read(call, SEG_ES, bios_get(call, RSI), table, sizeof(table)))
        return;
    uint64_t size = bios_get(call, RCX) * 2u;
    const void *from = memory_at(&call->machine->memory, descriptor_base(table + 0x10), size);
    void *to = memory_at(&call->machine->memory, descriptor_base(table + 0x18), size);
    if (size && (!from || !to)) {
        bios_fail(call, 2);
        return;
    }
    memmove(to, from, size);
    bios_done(call);
    bios_flag(call, BIOS_ZERO, true);
}

/* --- AH=24h: address line 20 --- */

static void gate_a20(struct bios_call *call)
{
    uint8_t function = bios_low(call, RAX), port = bios_in(call, PORT_A);
    switch (function) {
    case 0:
    case 1:
        bios_out(call, PORT_A, (uint8_t)(function ? port | PORT_A_A20 : port & ~PORT_A_A20));
        break;
    case 2:
        bios_set_low(call, RAX, port & PORT_A_A20 ? 1 : 0);
        break;
    case 3:
        bios_set(call, RBX, 3); /* keyboard controller and port 0x92 */
        break;
    default:
        bios_fail(call, BIOS_UNSUPPORTED);
        return;
    }
    bios_done(call);
}

/* --- AH=86h: waits CX:DX microseconds --- */

static void wait(struct bios_call *call)
{
    uint64_t now = clock_now(&call->machine->clock),
             microseconds = (uint64_t)bios_get(call, RCX) << 16 | bios_get(call, RDX);
    if (!call->bios->wait_until)
        call->bios->wait_until = now + microseconds * 1000;
    if (now < call->bios->wait_until) {
        call->result = BIOS_AGAIN;
        return;
    }
    call->bios->wait_until = 0;
    bios_done(call);
}

static void configuration(struct bios_call *call)
{
    bios_set_segment(call, SEG_ES, PC_BIOS_SEGMENT);
    bios_set(call, RBX, CONFIGURATION);
    bios_done(call);
}

static void ebda(struct bios_call *call)
{
    bios_set_segment(call, SEG_ES, bda16(call, BDA_EBDA));
    bios_flag(call, BIOS_CARRY, false);
}

/* OS hooks that a BIOS calls, and that return at once if nobody has hooked them. */
static void hook(struct bios_call *call) { bios_done(call); }
static void key_hook(struct bios_call *call) { bios_flag(call, BIOS_CARRY, true); } /* "use the scan code" */

static const struct { uint8_t function; bios_fn *serve; } functions[] = {
    { 0x24, gate_a20 }, { 0x4f, key_hook }, { 0x86, wait }, { 0x87, block_move }, { 0x88, extended_memory },
    { 0x90, hook }, { 0x91, hook }, { 0xc0, configuration }, { 0xc1, ebda },
};

void bios_system(struct bios_call *call)
{
    if (bios_get(call, RAX) == 0xe820) {
        e820(call);
        return;
    }
    if (bios_get(call, RAX) == 0xe801) {
        e801(call);
        return;
    }
    for (unsigned i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (functions[i].function == bios_high(call, RAX)) {
            functions[i].serve(call);
            return;
        }
    }
    bios_fail(call, BIOS_UNSUPPORTED); /* APM, EISA, mouse, joystick, ... */
}
