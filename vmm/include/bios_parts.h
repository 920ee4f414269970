/* SPDX-License-Identifier: MIT
 * What the files of the BIOS share: the call in work, registers, the BIOS data area. Private to vmm/bios*.c. */
#pragma once

#include <string.h>
#include "bios.h"
#include "fault.h"
#include "machine.h"
#include "pc.h"
#include "platform.h"

/* How a stub goes on: return to the caller; call again at once; call again after the next interrupt. */
enum bios_result { BIOS_RETURN, BIOS_AGAIN, BIOS_HALT };

struct bios_call {
    struct vcpu *vcpu;
    struct vcpu_state *state;
    struct machine *machine;
    struct bios *bios;
    uint8_t *low;      /* guest-physical address 0; the first MiB is RAM */
    uint16_t flags;    /* of the caller: what its IRET will restore */
    enum bios_result result;
    bool faulted;      /* a guest access failed: the exception is injected, nothing else happens */
};

/* The services by vector. Device lock held. All registers are as the caller set them. */
typedef void bios_fn(struct bios_call *call);
bios_fn bios_tick, bios_video, bios_equipment, bios_memory_size, bios_disk, bios_serial, bios_system, bios_keyboard,
    bios_printer, bios_no_boot, bios_time, bios_pci;

/* --- registers --- */
static inline uint16_t bios_get(const struct bios_call *call, enum gpr reg) { return (uint16_t)call->state->gpr[reg]; }
static inline uint8_t bios_low(const struct bios_call *call, enum gpr reg) { return (uint8_t)call->state->gpr[reg]; }
static inline uint8_t bios_high(const struct bios_call *call, enum gpr reg)
{
    return (uint8_t)(call->state->gpr[reg] >> 8);
}
static inline void bios_set(struct bios_call *call, enum gpr reg, uint16_t value)
{
    call->state->gpr[reg] = (call->state->gpr[reg] & ~0xffffull) | value;
}
static inline void bios_set32(struct bios_call *call, enum gpr reg, uint32_t value) { call->state->gpr[reg] = value; }
static inline void bios_set_low(struct bios_call *call, enum gpr reg, uint8_t value)
{
    call->state->gpr[reg] = (call->state->gpr[reg] & ~0xffull) | value;
}
static inline void bios_set_high(struct bios_call *call, enum gpr reg, uint8_t value)
{
    call->state->gpr[reg] = (call->state->gpr[reg] & ~0xff00ull) | (uint64_t)value << 8;
}
void bios_set_segment(struct bios_call *call, enum seg segment, uint16_t selector);

#define BIOS_CARRY 1u
#define BIOS_ZERO (1u << 6)
static inline void bios_flag(struct bios_call *call, uint16_t flag, bool on)
{
    call->flags = on ? call->flags | flag : call->flags & (uint16_t)~flag;
}
/* Carry set, AH = code. */
static inline void bios_fail(struct bios_call *call, uint8_t code)
{
    bios_flag(call, BIOS_CARRY, true);
    bios_set_high(call, RAX, code);
}
/* Carry clear, AH = 0. */
static inline void bios_done(struct bios_call *call)
{
    bios_flag(call, BIOS_CARRY, false);
    bios_set_high(call, RAX, 0);
}
#define BIOS_UNSUPPORTED 0x86

/* --- memory at segment:offset; false: the call has faulted --- */
bool bios_read(struct bios_call *call, enum seg segment, uint16_t offset, void *to, unsigned size);
bool bios_write(struct bios_call *call, enum seg segment, uint16_t offset, const void *from, unsigned size);

/* --- BIOS data area --- */
enum bda {
    BDA_COM1 = 0x00,
    BDA_EBDA = 0x0e,
    BDA_EQUIPMENT = 0x10,
    BDA_MEMORY = 0x13,
    BDA_KEY_HEAD = 0x1a,
    BDA_KEY_TAIL = 0x1c,
    BDA_MODE = 0x49,
    BDA_COLUMNS = 0x4a,
    BDA_PAGE_SIZE = 0x4c,
    BDA_PAGE_START = 0x4e,
    BDA_CURSOR = 0x50,
    BDA_CURSOR_SHAPE = 0x60,
    BDA_PAGE = 0x62,
    BDA_CRTC = 0x63,
    BDA_RESUME = 0x67,
    BDA_TICKS = 0x6c,
    BDA_MIDNIGHT = 0x70,
    BDA_KEY_BEGIN = 0x80,
    BDA_KEY_END = 0x82,
    BDA_ROWS = 0x84,
    BDA_CHARACTER_HEIGHT = 0x85,
};
static inline uint8_t *bda(const struct bios_call *call, unsigned offset) { return call->low + PC_BDA + offset; }
static inline uint16_t bda16(const struct bios_call *call, unsigned offset)
{
    uint16_t value;
    memcpy(&value, bda(call, offset), sizeof(value));
    return value;
}
static inline void bda_set16(struct bios_call *call, unsigned offset, uint16_t value)
{
    memcpy(bda(call, offset), &value, sizeof(value));
}

static inline uint8_t bios_in(struct bios_call *call, uint16_t port) { return (uint8_t)bus_port_read(&call->machine->bus, port, 1); }
static inline void bios_out(struct bios_call *call, uint16_t port, uint8_t value) { bus_port_write(&call->machine->bus, port, 1, value); }
uint8_t bios_cmos(struct bios_call *call, uint8_t index);
void bios_cmos_set(struct bios_call *call, uint8_t index, uint8_t value);
