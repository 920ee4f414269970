/* SPDX-License-Identifier: MIT
 * The screen: a grid of characters, 80 wide, whose contents the kernel knows, so that it never reads
 * from the device. */
#include "screen.h"
#include "api.h"
#include "boot.h"
#include "font.h"
#include "hostmap.h"
#include "panic.h"
#include "x86.h"
#include <string.h>

#define COLUMNS 80
#define ROWS_MIN 25
#define ROWS_MAX 48
#define LIT 0xaau              /* each byte of a lit pixel: grey or nearly so, whatever the order of the colours is */
#define CELL_GREY 0x0700u      /* VGA text: the same */
#define CRTC_INDEX 0x3d4
#define CRTC_CURSOR_OFF 0x200a /* register 0x0a, bit 5 */
#define TAB 8
#define ESC 0x1b

static volatile uint8_t *memory; /* null: nothing to draw on (yet) */
static char cells[ROWS_MAX][COLUMNS];
static uint32_t rows = ROWS_MIN, row, column;
static uint32_t scale; /* pixels per pixel of the font */
static enum { TEXT, ESCAPE, SEQUENCE } mode;
static bool taken_back;

static void draw_pixel(uint32_t x, uint32_t y, bool lit)
{
    uint32_t bytes = boot_info.screen.bits_per_pixel / 8;
    volatile uint8_t *at = memory + (size_t)y * boot_info.screen.pitch + (size_t)x * bytes;
    uint32_t value = lit ? LIT * 0x01010101u : 0;
    if (bytes == 4)
        *(volatile uint32_t *)at = value;
    for (uint32_t i = 0; bytes < 4 && i < bytes; i++)
        at[i] = (uint8_t)value;
}

static void draw(uint32_t r, uint32_t c)
{
    const struct boot_screen *s = &boot_info.screen;
    uint8_t character = cells[r][c] ? (uint8_t)cells[r][c] : ' ';
    if (s->kind == SCREEN_TEXT) {
        ((volatile uint16_t *)(memory + (size_t)r * s->pitch))[c] = CELL_GREY | character;
        return;
    }
    const uint8_t *glyph = font[character - FONT_FIRST];
    for (uint32_t y = 0; y < FONT_HEIGHT * scale; y++)
        for (uint32_t x = 0; x < FONT_WIDTH * scale; x++)
            draw_pixel(c * FONT_WIDTH * scale + x, r * FONT_HEIGHT * scale + y,
                       glyph[y / scale] & (0x80u >> x / scale));
}

static void redraw(void)
{
    for (uint32_t y = 0; boot_info.screen.kind == SCREEN_RGB && y < boot_info.screen.height; y++)
        for (uint32_t x = 0; x < boot_info.screen.width; x++)
            draw_pixel(x, y, false);
    for (uint32_t i = 0; i < rows * COLUMNS; i++)
        draw(i / COLUMNS, i % COLUMNS);
}

static void set(uint32_t r, uint32_t c, char character)
{
    if (cells[r][c] == character)
        return;
    cells[r][c] = character;
    if (memory)
        draw(r, c);
}

/* Several rows at once: uncached memory is slow. */
static void new_line(void)
{
    uint32_t step = rows / 4;
    column = 0;
    if (++row < rows)
        return;
    for (uint32_t i = 0; i < rows * COLUMNS; i++)
        set(i / COLUMNS, i % COLUMNS, i / COLUMNS + step < rows ? cells[i / COLUMNS + step][i % COLUMNS] : ' ');
    row = rows - step;
}

static void put(char character)
{
    if (column >= COLUMNS || row >= rows)
        new_line();
    set(row, column++, character);
}

static void write_text(uint8_t c)
{
    if (c == '\n')
        new_line();
    else if (c == '\r')
        column = 0;
    else if (c == '\b')
        column -= column > 0;
    else if (c == '\t')
        column = ALIGN_UP(column + 1, TAB);
    else if (c == ESC)
        mode = ESCAPE;
    else if (c >= FONT_FIRST && c <= FONT_LAST)
        put((char)c);
    else if (c >= 0xc0) /* the first byte of a character in UTF-8 */
        put('?');
}

void screen_write(const char *text, uint32_t length)
{
    bool panic = !taken_back && panic_active(); /* a domain may have drawn there */
    taken_back |= panic;
    if (memory && (panic || !length))
        redraw();
    for (uint32_t i = 0; i < length; i++) {
        uint8_t c = (uint8_t)text[i];
        if (mode == TEXT)
            write_text(c);
        else if (mode == ESCAPE)
            mode = c == '[' ? SEQUENCE : TEXT;
        else if (c >= '@' && c <= '~') /* the end of a control sequence; what came before are its parameters */
            mode = TEXT;
    }
}

static uint64_t size_of(const struct boot_screen *s)
{
    return (uint64_t)s->height * s->pitch;
}

void screen_found(const struct boot_screen *s)
{
    bool text = s->kind == SCREEN_TEXT && s->width >= COLUMNS && s->pitch >= 2 * s->width && s->height >= ROWS_MIN;
    uint32_t depth = s->bits_per_pixel;
    bool pixels = s->kind == SCREEN_RGB && (depth == 16 || depth == 24 || depth == 32) &&
                  s->pitch >= (uint64_t)depth / 8 * s->width &&
                  s->width >= COLUMNS * FONT_WIDTH && s->height >= ROWS_MIN * FONT_HEIGHT;
    if ((!text && !pixels) || s->base + size_of(s) < s->base || size_of(s) > SCREEN_MAX)
        return;
    boot_info.screen = *s;
    if (pixels) {
        uint32_t wide = s->width / (COLUMNS * FONT_WIDTH), high = s->height / (ROWS_MIN * FONT_HEIGHT);
        scale = wide < high ? wide : high;
        rows = s->height / (FONT_HEIGHT * scale);
    } else {
        outw(CRTC_INDEX, CRTC_CURSOR_OFF);
        rows = s->height;
    }
    rows = rows < ROWS_MAX ? rows : ROWS_MAX;
    if (s->base + size_of(s) > 1ull << 32)
        return;
    memory = boot_pointer(s->base);
    redraw();
}

void screen_map(void)
{
    if (!boot_info.screen.kind)
        return;
    bool drawn = memory;
    memory = hostmap_screen(boot_info.screen.base, size_of(&boot_info.screen));
    if (memory && !drawn)
        redraw();
}
