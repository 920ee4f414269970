/* SPDX-License-Identifier: MIT
 * VGA text mode. Registers: IBM VGA technical reference; those of the graphics controller and the CRT controller are reached by an index
 * and a data port. */
#include "vga_text.h"

#define GRAPHICS_INDEX 0x3ceu
#define GRAPHICS_DATA 0x3cfu
#define GRAPHICS_MISC 6u
#define MISC_MASK 0x0du /* graphics mode; memory map */
#define MISC_TEXT 0x0cu /* alphanumeric, 0xb8000 */
#define CRTC_INDEX 0x3d4u
#define CRTC_DATA 0x3d5u
#define CRTC_MAX_SCAN_LINE 0x09u
#define CRTC_CURSOR_START 0x0au
#define CRTC_CURSOR_END 0x0bu
#define CRTC_START_HIGH 0x0cu
#define CRTC_START_LOW 0x0du
#define CRTC_CURSOR_HIGH 0x0eu
#define CRTC_CURSOR_LOW 0x0fu
#define CELLS (SCREEN_ROWS * SCREEN_COLUMNS)

static uint8_t read_indexed(const struct port_ops *ports, uint16_t index_port, uint8_t index)
{
    ports->out8(index_port, index);
    return ports->in8((uint16_t)(index_port + 1));
}

static void write_crtc(const struct port_ops *ports, uint8_t index, uint8_t value)
{
    ports->out8(CRTC_INDEX, index);
    ports->out8(CRTC_DATA, value);
}

bool vga_text_active(const struct port_ops *ports)
{
    return (read_indexed(ports, GRAPHICS_INDEX, GRAPHICS_MISC) & MISC_MASK) == MISC_TEXT;
}

/* The last row that is not blank. */
static uint32_t last_row(const struct screen *screen)
{
    for (uint32_t row = SCREEN_ROWS; row-- > 0;) {
        for (uint32_t column = 0; column < SCREEN_COLUMNS; column++) {
            uint8_t c = (uint8_t)screen->cells[row][column];
            if (c != ' ' && c != 0) {
                return row;
            }
        }
    }
    return SCREEN_ROWS;
}

void vga_text_adopt(const struct port_ops *ports, const volatile uint16_t *memory, struct screen *screen)
{
    screen_init(screen);
    uint32_t start = (uint32_t)read_indexed(ports, CRTC_INDEX, CRTC_START_HIGH) << 8 |
                     read_indexed(ports, CRTC_INDEX, CRTC_START_LOW);
    start = start <= VGA_TEXT_SIZE / 2 - CELLS ? start : 0;
    for (uint32_t i = 0; i < CELLS; i++) {
        screen->cells[i / SCREEN_COLUMNS][i % SCREEN_COLUMNS] = memory[start + i];
    }
    uint32_t last = last_row(screen);
    if (last < SCREEN_ROWS) {
        screen->row = last;
        screen_write(screen, "\r\n", 2);
    }
    write_crtc(ports, CRTC_START_HIGH, 0);
    write_crtc(ports, CRTC_START_LOW, 0);
    /* The cursor: on, the two lowest lines of a cell but one. */
    uint8_t height = read_indexed(ports, CRTC_INDEX, CRTC_MAX_SCAN_LINE) & 0x1f;
    write_crtc(ports, CRTC_CURSOR_START, height >= 3 ? (uint8_t)(height - 2) : 0);
    write_crtc(ports, CRTC_CURSOR_END, height >= 3 ? (uint8_t)(height - 1) : height);
    screen->changed = (1u << SCREEN_ROWS) - 1;
}

void vga_text_flush(const struct port_ops *ports, volatile uint16_t *memory, struct screen *screen)
{
    for (uint32_t row = 0; row < SCREEN_ROWS; row++) {
        if ((screen->changed >> row & 1) == 0) {
            continue;
        }
        for (uint32_t column = 0; column < SCREEN_COLUMNS; column++) {
            memory[row * SCREEN_COLUMNS + column] = screen->cells[row][column];
        }
    }
    screen->changed = 0;
    uint32_t cursor = screen->row * SCREEN_COLUMNS + screen->column;
    write_crtc(ports, CRTC_CURSOR_HIGH, (uint8_t)(cursor >> 8));
    write_crtc(ports, CRTC_CURSOR_LOW, (uint8_t)cursor);
}
