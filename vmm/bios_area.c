/* SPDX-License-Identifier: MIT
 * What PC firmware leaves below 1 MiB besides its tables (Ralf Brown's memory list): interrupt vectors, the BIOS data
 * area, the EBDA, the reset vector. The services behind the vectors are in bios*.c. */
#include <string.h>
#include "acpi_tables.h"
#include "bios.h"
#include "machine.h"
#include "pc.h"

#define VECTORS 256
#define RESET_VECTOR 0xffff0u
#define HARDWARE_MASTER 0x08u /* vectors of IRQ 0 to 7 as firmware sets them */
#define HARDWARE_SLAVE 0x70u
#define TICKS_PER_DAY 0x1800b0u
#define SECONDS_PER_DAY 86400u
#define BDA_TICKS 0x6c

#define TRAP 0xe6, PC_BIOS_CALL /* out PC_BIOS_CALL, al */

/* The monitor says by carry that the service is not done: again at once (zero), or after an interrupt.
 * again: trap; jnc done; sti; jz again; hlt; jmp again; done: iret */
static const uint8_t service[] = { TRAP, 0x73, 0x06, 0xfb, 0x74, 0xf9, 0xf4, 0xeb, 0xf6, 0xcf };
/* trap; int 0x1c; push ax; mov al, 0x20; out 0x20, al; pop ax; iret */
static const uint8_t tick[] = { TRAP, 0xcd, 0x1c, 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf };
/* push ax; mov al, 0x20; out 0x20, al; pop ax; iret */
static const uint8_t master_irq[] = { 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf };
/* push ax; mov al, 0x20; out 0xa0, al; out 0x20, al; pop ax; iret */
static const uint8_t slave_irq[] = { 0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf };
static const uint8_t plain_return[] = { 0xcf };
/* trap; mov al, 0xfe; out 0x64, al (reset by the keyboard controller); cli; hlt; jmp to the cli */
static const uint8_t reset_code[] = { TRAP, 0xb0, 0xfe, 0xe6, 0x64, 0xfa, 0xf4, 0xeb, 0xfc };

/* Those not named here are services. */
static const struct { const uint8_t *code; uint32_t size; } stubs[STUB_SERVICE] = {
    [STUB_RETURN] = { plain_return, sizeof(plain_return) },
    [STUB_MASTER] = { master_irq, sizeof(master_irq) },
    [STUB_SLAVE] = { slave_irq, sizeof(slave_irq) },
    [STUB_RESET] = { reset_code, sizeof(reset_code) },
    [STUB_TICK] = { tick, sizeof(tick) },
};

/* INT 15h AH=C0h: a PC/AT (model 0xfc) with a second 8259, an RTC and an EBDA. The first word is the length of the
 * rest. */
static const uint8_t configuration[] = { 8, 0, 0xfc, 0, 0, 0x64, 0, 0, 0, 0 };

/* BIOS data area, offsets from PC_BDA. */
static const struct { uint16_t offset, value; } data_area[] = {
    { 0x00, PC_COM1 },            /* port of COM1; the other serial ports are absent */
    { 0x0e, PC_EBDA >> 4 },
    { 0x10, 0x0226 },             /* equipment: FPU, PS/2 mouse, 80x25 colour, one serial port */
    { 0x13, PC_EBDA >> 10 },      /* KiB of conventional memory */
    { 0x1a, 0x1e }, { 0x1c, 0x1e }, /* keyboard buffer: empty */
    { 0x49, 0x03 },               /* video mode */
    { 0x4a, 80 }, { 0x4c, 4000 }, /* columns, bytes of a page */
    { 0x60, 0x0607 },             /* cursor shape */
    { 0x63, 0x03d4 },             /* CRTC port */
    { 0x80, 0x1e }, { 0x82, 0x3e }, /* keyboard buffer: begin, end */
    { 0x84, 24 }, { 0x85, 16 },   /* rows - 1, character height */
};

static enum bios_stub stub_of(unsigned vector)
{
    if (vector == HARDWARE_MASTER)
        return STUB_TICK;
    if (vector > HARDWARE_MASTER && vector < HARDWARE_MASTER + 8)
        return STUB_MASTER;
    if (vector >= HARDWARE_SLAVE && vector < HARDWARE_SLAVE + 8)
        return STUB_SLAVE;
    if (vector >= BIOS_SERVICE_FIRST && vector <= BIOS_SERVICE_LAST)
        return STUB_SERVICE + (vector - BIOS_SERVICE_FIRST);
    return STUB_RETURN;
}

static uint16_t stub_offset(enum bios_stub stub)
{
    return (uint16_t)(PC_BIOS_CODE - PC_BIOS_SEGMENT * 16u + stub * PC_BIOS_STUB_SIZE);
}

static void write_stubs(uint8_t *low)
{
    for (unsigned i = 0; i < STUB_COUNT; i++) {
        const uint8_t *code = i < STUB_SERVICE ? stubs[i].code : service;
        memcpy(low + PC_BIOS_CODE + i * PC_BIOS_STUB_SIZE, code, i < STUB_SERVICE ? stubs[i].size : sizeof(service));
    }
    memcpy(low + PC_BIOS_CONFIGURATION, configuration, sizeof(configuration));
}

/* Ticks of the timer since midnight, 0x1800b0 a day. */
static uint32_t ticks_today(const struct machine *machine)
{
    const struct start *start = machine->start;
    uint64_t passed = machine->clock.tsc_start > start->boot_tsc ? machine->clock.tsc_start - start->boot_tsc : 0;
    uint64_t second = start->epoch + passed / machine->clock.tsc_hz;
    return (uint32_t)(second % SECONDS_PER_DAY * TICKS_PER_DAY / SECONDS_PER_DAY);
}

static void write_vectors(uint8_t *low)
{
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        uint32_t pointer = PC_BIOS_SEGMENT << 16 | stub_offset(stub_of(vector));
        memcpy(low + vector * 4, &pointer, sizeof(pointer));
    }
}

enum status bios_area_write(struct machine *machine)
{
    uint8_t *low = memory_at(&machine->memory, 0, PC_BIOS_END);
    if (!low)
        return ERR_MEMORY;
    write_vectors(low);
    for (unsigned i = 0; i < sizeof(data_area) / sizeof(data_area[0]); i++)
        memcpy(low + PC_BDA + data_area[i].offset, &data_area[i].value, sizeof(data_area[i].value));
    low[PC_EBDA] = PC_EBDA_SIZE >> 10;
    write_stubs(low);
    uint32_t ticks = ticks_today(machine);
    memcpy(low + PC_BDA + BDA_TICKS, &ticks, sizeof(ticks));
    uint16_t reset = stub_offset(STUB_RESET);
    /* Jump far to the reset code, then the date that software looks for behind it, and the PC/AT's model byte. */
    const uint8_t jump[5] = { 0xea, (uint8_t)reset, (uint8_t)(reset >> 8), PC_BIOS_SEGMENT & 0xff,
                              PC_BIOS_SEGMENT >> 8 };
    static const char date[] = "01/01/26";
    memcpy(low + RESET_VECTOR, jump, sizeof(jump));
    memcpy(low + RESET_VECTOR + sizeof(jump), date, sizeof(date) - 1);
    low[RESET_VECTOR + 14] = 0xfc;
    return OK;
}
