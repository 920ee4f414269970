/* SPDX-License-Identifier: MIT
 * Characters on a linear frame buffer. Its memory is slow and is only written: what is there is remembered. */
#include "framebuffer.h"
#include "font.h"

#define CURSOR_HEIGHT 2u /* lowest lines of a cell */
#define NOWHERE UINT32_MAX

/* Grey of three strengths by the attribute's bits: colours would need the order of the channels, and bold is what matters. */
static uint8_t shade(uint8_t colour) { return (uint8_t)((colour & 7) == 0 ? (colour & 8 ? 0x55 : 0) : colour & 8 ? 0xff : 0xaa); }

static void draw_pixel(const struct framebuffer *frame, uint32_t x, uint32_t y, uint8_t grey)
{
    uint32_t bytes = frame->mode->bits_per_pixel / 8;
    volatile uint8_t *at = frame->memory + (uint64_t)y * frame->mode->pitch + (uint64_t)x * bytes;
    if (bytes == 4) {
        *(volatile uint32_t *)at = grey * 0x01010101u;
        return;
    }
    for (uint32_t i = 0; i < bytes; i++) {
        at[i] = grey;
    }
}

static void draw_cell(const struct framebuffer *frame, uint32_t row, uint32_t column, uint16_t cell, bool cursor)
{
    uint8_t character = (uint8_t)cell, front = shade((cell >> 8) & 15), back = shade((cell >> 12) & 7);
    const uint8_t *glyph = font[(character >= FONT_FIRST && character <= FONT_LAST ? character : ' ') - FONT_FIRST];
    uint32_t left = frame->left + column * FONT_WIDTH * frame->scale, top = frame->top + row * FONT_HEIGHT * frame->scale;
    for (uint32_t y = 0; y < FONT_HEIGHT * frame->scale; y++) {
        uint32_t line = y / frame->scale;
        uint8_t bits = cursor && line >= FONT_HEIGHT - CURSOR_HEIGHT ? 0xff : glyph[line];
        for (uint32_t x = 0; x < FONT_WIDTH * frame->scale; x++) {
            draw_pixel(frame, left + x, top + y, bits & (0x80u >> x / frame->scale) ? front : back);
        }
    }
}

bool framebuffer_init(struct framebuffer *frame, const struct boot_screen *mode, volatile void *memory)
{
    uint32_t wide = mode->width / (SCREEN_COLUMNS * FONT_WIDTH), high = mode->height / (SCREEN_ROWS * FONT_HEIGHT);
    uint32_t depth = mode->bits_per_pixel;
    if (wide == 0 || high == 0 || (depth != 16 && depth != 24 && depth != 32) || mode->pitch / (depth / 8) < mode->width) {
        return false;
    }
    *frame = (struct framebuffer){.mode = mode, .memory = memory, .scale = wide < high ? wide : high, .cursor = NOWHERE};
    for (uint32_t i = 0; i < SCREEN_ROWS * SCREEN_COLUMNS; i++) {
        frame->drawn[i / SCREEN_COLUMNS][i % SCREEN_COLUMNS] = ' ';
    }
    for (uint32_t y = 0; y < mode->height; y++) {
        for (uint32_t x = 0; x < mode->width; x++) {
            draw_pixel(frame, x, y, 0);
        }
    }
    return true;
}

void framebuffer_flush(struct framebuffer *frame, struct screen *screen)
{
    uint32_t cursor = screen->row * SCREEN_COLUMNS + screen->column;
    for (uint32_t i = 0; i < SCREEN_ROWS * SCREEN_COLUMNS; i++) {
        uint32_t row = i / SCREEN_COLUMNS, column = i % SCREEN_COLUMNS;
        uint16_t cell = screen->cells[row][column];
        bool moved = frame->cursor != cursor && (i == cursor || i == frame->cursor);
        if (cell != frame->drawn[row][column] || moved) {
            draw_cell(frame, row, column, cell, i == cursor);
            frame->drawn[row][column] = cell;
        }
    }
    frame->cursor = cursor;
    screen->changed = 0;
}
