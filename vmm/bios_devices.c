/* SPDX-License-Identifier: MIT
 * INT 08h, 13h, 14h, 16h to 1Ah: timer, disks (none), serial port, keyboard (the terminal at COM1), clock. */
#include "abi/syscall.h"
#include "bios_parts.h"

/* --- INT 08h and 1Ah: the tick count of the day --- */

#define TICKS_PER_DAY 0x1800b0u

static uint32_t ticks(const struct bios_call *call)
{
    return bda16(call, BDA_TICKS) | (uint32_t)bda16(call, BDA_TICKS + 2) << 16;
}

static void ticks_set(struct bios_call *call, uint32_t value)
{
    bda_set16(call, BDA_TICKS, (uint16_t)value);
    bda_set16(call, BDA_TICKS + 2, (uint16_t)(value >> 16));
}

/* The stub then calls INT 1Ch and acknowledges. */
void bios_tick(struct bios_call *call)
{
    uint32_t next = ticks(call) + 1;
    if (next >= TICKS_PER_DAY) {
        next = 0;
        *bda(call, BDA_MIDNIGHT) = 1;
    }
    ticks_set(call, next);
}

enum cmos {
    CMOS_SECOND = 0,
    CMOS_MINUTE = 2,
    CMOS_HOUR = 4,
    CMOS_DAY = 7,
    CMOS_MONTH = 8,
    CMOS_YEAR = 9,
    CMOS_STATUS_B = 0x0b,
    CMOS_CENTURY = 0x32
};
#define STATUS_B_SET 0x80u
#define STATUS_B_DAYLIGHT 0x01u

static void get_ticks(struct bios_call *call)
{
    bios_set(call, RCX, (uint16_t)(ticks(call) >> 16));
    bios_set(call, RDX, (uint16_t)ticks(call));
    bios_set_low(call, RAX, *bda(call, BDA_MIDNIGHT));
    *bda(call, BDA_MIDNIGHT) = 0;
    bios_done(call);
}

static void set_ticks(struct bios_call *call)
{
    ticks_set(call, (uint32_t)bios_get(call, RCX) << 16 | bios_get(call, RDX));
    *bda(call, BDA_MIDNIGHT) = 0;
    bios_done(call);
}

static void get_time(struct bios_call *call)
{
    bios_set(call, RCX, (uint16_t)(bios_cmos(call, CMOS_HOUR) << 8 | bios_cmos(call, CMOS_MINUTE)));
    bios_set(call, RDX,
             (uint16_t)(bios_cmos(call, CMOS_SECOND) << 8 | (bios_cmos(call, CMOS_STATUS_B) & STATUS_B_DAYLIGHT)));
    bios_done(call);
}

static void get_date(struct bios_call *call)
{
    bios_set(call, RCX, (uint16_t)(bios_cmos(call, CMOS_CENTURY) << 8 | bios_cmos(call, CMOS_YEAR)));
    bios_set(call, RDX, (uint16_t)(bios_cmos(call, CMOS_MONTH) << 8 | bios_cmos(call, CMOS_DAY)));
    bios_done(call);
}

/* The clock stands still while it is set. */
static void set_clock(struct bios_call *call, const uint8_t (*values)[2], unsigned count)
{
    uint8_t status = bios_cmos(call, CMOS_STATUS_B);
    bios_cmos_set(call, CMOS_STATUS_B, status | STATUS_B_SET);
    for (unsigned i = 0; i < count; i++)
        bios_cmos_set(call, values[i][0], values[i][1]);
    bios_cmos_set(call, CMOS_STATUS_B, status & (uint8_t)~STATUS_B_SET);
    bios_done(call);
}

static void set_time(struct bios_call *call)
{
    const uint8_t values[][2] = {
        { CMOS_HOUR, bios_high(call, RCX) },
        { CMOS_MINUTE, bios_low(call, RCX) },
        { CMOS_SECOND, bios_high(call, RDX) },
    };
    set_clock(call, values, 3);
}

static void set_date(struct bios_call *call)
{
    const uint8_t values[][2] = {
        { CMOS_CENTURY, bios_high(call, RCX) }, { CMOS_YEAR, bios_low(call, RCX) },
        { CMOS_MONTH, bios_high(call, RDX) }, { CMOS_DAY, bios_low(call, RDX) },
    };
    set_clock(call, values, 4);
}

void bios_time(struct bios_call *call)
{
    static bios_fn *const functions[] = { get_ticks, set_ticks, get_time, set_time, get_date, set_date };
    unsigned function = bios_high(call, RAX);
    if (function == 0xb1)
        bios_pci(call);
    else if (function < sizeof(functions) / sizeof(functions[0]))
        functions[function](call);
    else
        bios_fail(call, BIOS_UNSUPPORTED); /* alarms */
}

/* --- INT 13h: the machine has no disks --- */

#define DISK_RESET 0x00
#define DISK_PARAMETERS 0x08
#define DISK_TYPE 0x15
#define DISK_BAD_COMMAND 0x01
#define HARD_DISK 0x80u

void bios_disk(struct bios_call *call)
{
    uint8_t function = bios_high(call, RAX), drive = bios_low(call, RDX);
    if (function == DISK_RESET || (drive < HARD_DISK && function == DISK_PARAMETERS)) {
        if (function == DISK_PARAMETERS) { /* DL: number of drives */
            bios_set(call, RBX, 0);
            bios_set(call, RCX, 0);
            bios_set(call, RDX, 0);
        }
        bios_done(call);
        return;
    }
    if (function == DISK_PARAMETERS)
        bios_set_low(call, RDX, 0);
    if (function == DISK_TYPE)
        bios_done(call); /* AH = 0: no such drive */
    bios_fail(call, function == DISK_TYPE ? 0 : DISK_BAD_COMMAND);
}

/* --- INT 14h: COM1 --- */

#define LSR 5
#define MSR 6
#define LSR_READY 0x01u
#define SERIAL_TIMEOUT 0x80u

void bios_serial(struct bios_call *call)
{
    uint16_t port = bios_get(call, RDX) < 4 ? bda16(call, BDA_COM1 + bios_get(call, RDX) * 2) : 0;
    uint8_t status = port ? bios_in(call, port + LSR) : SERIAL_TIMEOUT;
    switch (port ? bios_high(call, RAX) : 0xff) {
    case 0: /* set the line: any speed is right */
    case 3:
        bios_set_low(call, RAX, bios_in(call, port + MSR));
        break;
    case 1:
        bios_out(call, port, bios_low(call, RAX));
        break;
    case 2:
        if (status & LSR_READY)
            bios_set_low(call, RAX, bios_in(call, port));
        else
            status |= SERIAL_TIMEOUT;
        break;
    default:
        status = SERIAL_TIMEOUT;
    }
    bios_set_high(call, RAX, status);
}

/* --- INT 16h: keys come from the terminal at COM1, and from programs that store them (AH=05h) --- */

/* Scan codes (set 1) of the characters from 0x20 on, and of the control characters with keys of their own. */
static const uint8_t scan_codes[96] = {
    0x39, 0x02, 0x28, 0x04, 0x05, 0x06, 0x08, 0x28, 0x0a, 0x0b, 0x09, 0x0d, 0x33, 0x0c, 0x34, 0x35, /* space to / */
    0x0b, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x27, 0x27, 0x33, 0x0d, 0x34, 0x35, /* 0 to ? */
    0x03, 0x1e, 0x30, 0x2e, 0x20, 0x12, 0x21, 0x22, 0x23, 0x17, 0x24, 0x25, 0x26, 0x32, 0x31, 0x18, /* @ to O */
    0x19, 0x10, 0x13, 0x1f, 0x14, 0x16, 0x2f, 0x11, 0x2d, 0x15, 0x2c, 0x1a, 0x2b, 0x1b, 0x07, 0x0c, /* P to _ */
    0x29, 0x1e, 0x30, 0x2e, 0x20, 0x12, 0x21, 0x22, 0x23, 0x17, 0x24, 0x25, 0x26, 0x32, 0x31, 0x18, /* ` to o */
    0x19, 0x10, 0x13, 0x1f, 0x14, 0x16, 0x2f, 0x11, 0x2d, 0x15, 0x2c, 0x1a, 0x2b, 0x1b, 0x29, 0x0e, /* p to DEL */
};
#define KEY_ESCAPE 0x011b
#define KEY_BACKSPACE 0x0e08
#define KEY_TAB 0x0f09
#define KEY_ENTER 0x1c0d
#define ASCII_DELETE 0x7f

static uint16_t key_of(uint8_t character)
{
    switch (character) {
    case 0x1b: return KEY_ESCAPE;
    case '\b':
    case ASCII_DELETE: return KEY_BACKSPACE;
    case '\t': return KEY_TAB;
    case '\r':
    case '\n': return KEY_ENTER;
    }
    if (character < ' ') /* control and a letter */
        return (uint16_t)(scan_codes[character + 0x20] << 8 | character);
    return (uint16_t)((character < 0x80 ? scan_codes[character - ' '] : 0) << 8 | character);
}

/* The ring buffer in the data area, if its pointers are sane. */
static bool ring(const struct bios_call *call, uint16_t *begin, uint16_t *end)
{
    *begin = bda16(call, BDA_KEY_BEGIN);
    *end = bda16(call, BDA_KEY_END);
    uint16_t head = bda16(call, BDA_KEY_HEAD), tail = bda16(call, BDA_KEY_TAIL);
    return *begin < *end && *end <= 0x100 && head >= *begin && head < *end && tail >= *begin && tail < *end;
}

static bool ring_put(struct bios_call *call, uint16_t key)
{
    uint16_t begin, end, tail = bda16(call, BDA_KEY_TAIL);
    if (!ring(call, &begin, &end))
        return false;
    uint16_t next = tail + 2 < end ? (uint16_t)(tail + 2) : begin;
    if (next == bda16(call, BDA_KEY_HEAD))
        return false;
    bda_set16(call, tail, key);
    bda_set16(call, BDA_KEY_TAIL, next);
    return true;
}

/* The oldest key; true if there is one. It stays in the buffer unless `take`. */
static bool next_key(struct bios_call *call, bool take, uint16_t *key)
{
    uint16_t begin, end;
    if (!ring(call, &begin, &end))
        return false;
    if (bda16(call, BDA_KEY_HEAD) == bda16(call, BDA_KEY_TAIL)) {
        if (!(bios_in(call, PC_COM1 + LSR) & LSR_READY))
            return false;
        (void)ring_put(call, key_of(bios_in(call, PC_COM1)));
    }
    uint16_t head = bda16(call, BDA_KEY_HEAD);
    *key = bda16(call, head);
    if (take)
        bda_set16(call, BDA_KEY_HEAD, head + 2 < end ? (uint16_t)(head + 2) : begin);
    return true;
}

void bios_keyboard(struct bios_call *call)
{
    uint16_t key = 0;
    switch (bios_high(call, RAX)) {
    case 0x00: /* waits for a key */
    case 0x10:
        if (next_key(call, true, &key))
            bios_set(call, RAX, key);
        else
            call->result = BIOS_HALT;
        break;
    case 0x01: /* looks for one */
    case 0x11: {
        bool there = next_key(call, false, &key);
        bios_flag(call, BIOS_ZERO, !there);
        if (there)
            bios_set(call, RAX, key);
        break;
    }
    case 0x02: /* no shift key is held */
        bios_set_low(call, RAX, 0);
        break;
    case 0x12:
        bios_set(call, RAX, 0);
        break;
    case 0x05: /* store CX */
        bios_set_low(call, RAX, ring_put(call, bios_get(call, RCX)) ? 0 : 1);
        break;
    default:
        break;
    }
}

/* --- INT 17h: no printer; INT 18h and 19h: nothing to boot from --- */

void bios_printer(struct bios_call *call)
{
    bios_set_high(call, RAX, 0x01); /* time-out */
}

void bios_no_boot(struct bios_call *call)
{
    machine_end(call->machine, END_GUEST_ERROR, "the guest has gone back to the firmware, which has no device to boot from");
}
