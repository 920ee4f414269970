/* SPDX-License-Identifier: MIT
 * The terminal on a screen: cursor, erasing, scrolling, attributes; VGA's registers; the pixels of a frame buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "font.h"
#include "framebuffer.h"
#include "vga_text.h"

static struct screen screen;

static int setup(void **state)
{
    (void)state;
    screen_init(&screen);
    return 0;
}

static void show(const char *text) { screen_write(&screen, text, (uint32_t)strlen(text)); }

static void assert_row(unsigned row, const char *text)
{
    char line[SCREEN_COLUMNS + 1];
    unsigned length = 0;
    for (unsigned i = 0; i < SCREEN_COLUMNS; i++) {
        line[i] = (char)screen.cells[row][i];
        length = line[i] != ' ' ? i + 1 : length;
    }
    line[length] = 0;
    assert_string_equal(line, text);
}

static void assert_cursor(unsigned row, unsigned column)
{
    assert_int_equal(screen.row, row);
    assert_int_equal(screen.column, column);
}

static void lines(void **state)
{
    (void)state;
    show("one\r\ntwo\r\n  three\b\bX\tT\r!");
    assert_row(0, "one");
    assert_row(1, "two");
    assert_row(2, "! thrXe T");
    assert_cursor(2, 1);
}

static void the_last_column(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SCREEN_COLUMNS; i++) {
        show("x");
    }
    assert_cursor(0, SCREEN_COLUMNS - 1); /* the row is full, but the next one has not begun */
    show("\r\n");
    assert_cursor(1, 0);
    show("\033[80Cyz");
    assert_int_equal((char)screen.cells[1][79], 'y');
    assert_row(2, "z");
}

static void scrolls(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        char text[8] = {(char)('a' + i % 26), '\r', '\n', 0};
        show(text);
    }
    assert_row(0, "g");
    assert_row(23, "d");
    assert_row(24, "");
    assert_cursor(24, 0);
}

static void line_editor(void **state)
{
    (void)state;
    show("$ cat file\033[4D\033[Kx\033[2D\033[@y\033[P\033[A\033[B\r\033[2C");
    assert_row(0, "$ catyx");
    assert_cursor(1, 2);
    show("\033[1;3H\033[K\033[H\033[J");
    assert_row(0, "");
    assert_cursor(0, 0);
    show("abc\0337\033[10;10Hdef\0338X\033[s\033[5;5H\033[u!");
    assert_row(0, "abcX!");
    assert_row(9, "         def");
    show("\033[1J\033[2K");
    assert_row(0, "");
    show("\033[2J");
    assert_row(9, "");
}

static void regions(void **state)
{
    (void)state;
    show("\033[25;1Hstatus\033[3;5r\033[3;1Ha\r\nb\r\nc\r\nd");
    assert_row(2, "b");
    assert_row(4, "d");
    assert_row(24, "status");
    show("\033[3;1H\033M");
    assert_row(2, "");
    assert_row(3, "b");
    assert_row(5, "");
    show("\033[4;1H\033[M");
    assert_row(3, "c");
    show("\033[L\033[r");
    assert_row(3, "");
    assert_row(4, "c");
    assert_cursor(0, 0);
    show("\033[5;1H\033[99L\033[99M\033[99S\033[99T");
    assert_row(24, "");
}

static void attributes(void **state)
{
    (void)state;
    show("a\033[1;31mb\033[7mc\033[0;44md\033[me\033[38;5;1mf\033[90mg");
    const uint8_t expected[] = {0x07, 0x0c, 0x40, 0x17, 0x07, 0x07, 0x08};
    for (unsigned i = 0; i < sizeof(expected); i++) {
        assert_int_equal(screen.cells[0][i] >> 8, expected[i]);
    }
}

static void what_is_not_known(void **state)
{
    (void)state;
    show("a\033[?25lb\033]0;title\007c\033(Bd\033[>c\033Pxx\033\\e\033[1\x18" "f\xc3\xa9g\x7f\033[6n\033#8h");
    assert_row(0, "abcdef?gh");
    show("\033[99999999999;999999999H\033[;;;;;;;;;;;;;;;1m");
    assert_cursor(24, 79);
}

static void any_bytes(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < 300000; i++) {
        static const char likely[] = "\033\033[[;0123456789ABCDEFGHJKLMPSTX@rsum\r\n\t\b";
        char c = (char)(rand() % 3 ? likely[rand() % (sizeof(likely) - 1)] : rand());
        screen_write(&screen, &c, 1);
        assert_true(screen.row < SCREEN_ROWS && screen.column < SCREEN_COLUMNS);
    }
}

/* --- VGA --- */

static uint8_t crtc[32], graphics[16], crtc_index, graphics_index;

static uint8_t read_port(uint16_t port)
{
    return port == 0x3d5 ? crtc[crtc_index] : port == 0x3cf ? graphics[graphics_index] : 0xff;
}

static void write_port(uint16_t port, uint8_t value)
{
    switch (port) {
    case 0x3d4: crtc_index = value & 31; break;
    case 0x3d5: crtc[crtc_index] = value; break;
    case 0x3ce: graphics_index = value & 15; break;
    default: fail(); break;
    }
}
static const struct port_ops ports = {read_port, write_port};

static void vga(void **state)
{
    (void)state;
    static uint16_t memory[VGA_TEXT_SIZE / 2];
    graphics[6] = 0x05;
    assert_false(vga_text_active(&ports));
    graphics[6] = 0x0e;
    assert_true(vga_text_active(&ports));
    memory[0] = 0x0700 | 'B';
    memory[2 * SCREEN_COLUMNS] = 0x0700 | 'K';
    crtc[9] = 15;
    crtc[0x0a] = 0x20; /* off */
    vga_text_adopt(&ports, memory, &screen);
    assert_cursor(3, 0);
    assert_int_equal(crtc[0x0a] & 0x20, 0);
    show("prompt");
    vga_text_flush(&ports, memory, &screen);
    assert_int_equal(memory[0], 0x0700 | 'B');
    assert_int_equal(memory[3 * SCREEN_COLUMNS + 5], 0x0700 | 't');
    assert_int_equal(crtc[0x0e] << 8 | crtc[0x0f], 3 * SCREEN_COLUMNS + 6);
    assert_int_equal(screen.changed, 0);
}

/* --- frame buffer --- */

static void frame_buffer(void **state)
{
    (void)state;
    const struct boot_screen mode = {.kind = SCREEN_RGB, .width = 1024, .height = 768, .pitch = 1024 * 4 + 64, .bits_per_pixel = 32};
    static struct framebuffer frame;
    uint8_t *memory = malloc((size_t)mode.pitch * mode.height);
    memset(memory, 0x77, (size_t)mode.pitch * mode.height);
    assert_true(framebuffer_init(&frame, &mode, memory));
    assert_int_equal(frame.scale, 1);
    show("\r\nA");
    framebuffer_flush(&frame, &screen);
    const uint8_t *glyph = font['A' - FONT_FIRST];
    for (unsigned y = 0; y < FONT_HEIGHT; y++) {
        for (unsigned x = 0; x < FONT_WIDTH; x++) {
            bool lit = memory[(FONT_HEIGHT + y) * mode.pitch + x * 4] == 0xaa;
            assert_int_equal(lit, (glyph[y] >> (7 - x)) & 1);
        }
    }
    /* The cursor is behind it, and leaves nothing when it moves. */
    unsigned cursor = (2 * FONT_HEIGHT - 1) * mode.pitch + FONT_WIDTH * 4;
    assert_int_equal(memory[cursor], 0xaa);
    show("\r\n");
    framebuffer_flush(&frame, &screen);
    assert_int_equal(memory[cursor], 0);
    assert_int_equal(memory[mode.pitch - 1], 0x77); /* beyond the pixels */
    struct boot_screen small = mode, deep = mode, narrow = mode;
    small.height = 300;
    deep.bits_per_pixel = 8;
    narrow.pitch = 1024;
    assert_false(framebuffer_init(&frame, &small, memory));
    assert_false(framebuffer_init(&frame, &deep, memory));
    assert_false(framebuffer_init(&frame, &narrow, memory));
    free(memory);
}

#define T(name) cmocka_unit_test_setup(name, setup)
int main(void)
{
    const struct CMUnitTest tests[] = {T(lines), T(the_last_column), T(scrolls), T(line_editor), T(regions), T(attributes),
                                       T(what_is_not_known), T(any_bytes), T(vga), T(frame_buffer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
