/* SPDX-License-Identifier: MIT
 * INT 10h: text output. Characters go to the text memory of the display, and to COM1, whose terminal follows the
 * cursor; graphics modes are remembered, but nobody sees them. */
#include "bios_parts.h"

#define TEXT_MEMORY 0xb8000u
#define TEXT_SIZE 0x8000u
#define ATTRIBUTE 0x07
#define PAGES 8u
#define ROWS 25u
#define TAB_BELL 0x07
#define MODE_KEEP 0x80u /* do not clear */
#define MODE_GRAPHICS_FIRST 4
#define MODE_MONO 7
#define CRTC_CURSOR_HIGH 0x0e
#define CRTC_CURSOR_LOW 0x0f

struct place {
    unsigned page, row, column;
};

static unsigned columns(const struct bios_call *call)
{
    unsigned value = bda16(call, BDA_COLUMNS);
    return value && value <= 132 ? value : 80;
}

static unsigned rows(const struct bios_call *call)
{
    unsigned value = *bda(call, BDA_ROWS) + 1u;
    return value <= 60 ? value : ROWS;
}

static struct place cursor(const struct bios_call *call, unsigned page)
{
    uint16_t at = bda16(call, BDA_CURSOR + page % PAGES * 2);
    return (struct place){ page % PAGES, at >> 8, at & 0xff };
}

static void cursor_set(struct bios_call *call, struct place at)
{
    bda_set16(call, BDA_CURSOR + at.page * 2, (uint16_t)(at.row << 8 | at.column));
    if (at.page != *bda(call, BDA_PAGE))
        return;
    unsigned cell = bda16(call, BDA_PAGE_START) / 2 + at.row * columns(call) + at.column;
    uint16_t crtc = bda16(call, BDA_CRTC);
    bios_out(call, crtc, CRTC_CURSOR_HIGH);
    bios_out(call, crtc + 1, (uint8_t)(cell >> 8));
    bios_out(call, crtc, CRTC_CURSOR_LOW);
    bios_out(call, crtc + 1, (uint8_t)cell);
}

/* The character and attribute at a place; one that does not exist is that of the first cell. */
static uint8_t *cell_at(const struct bios_call *call, struct place at)
{
    unsigned offset = at.page * bda16(call, BDA_PAGE_SIZE) + (at.row * columns(call) + at.column) * 2;
    return call->low + TEXT_MEMORY + (offset + 2 <= TEXT_SIZE ? offset : 0);
}

/* --- the terminal --- */

static void send(struct bios_call *call, const char *text)
{
    while (*text)
        uart_print(&call->machine->platform->uart, (uint8_t)*text++);
}

static void send_number(struct bios_call *call, unsigned value)
{
    const char digits[4] = { (char)('0' + value / 100 % 10), (char)('0' + value / 10 % 10), (char)('0' + value % 10),
                             0 };
    send(call, value >= 100 ? digits : value >= 10 ? digits + 1 : digits + 2);
}

/* Downwards by line feeds, so that a log is readable; elsewhere by CUP (ECMA-48). */
static void terminal_move(struct bios_call *call, struct place at)
{
    struct bios *bios = call->bios;
    if (bios->placed && bios->row == at.row && bios->column == at.column)
        return;
    if (!bios->placed) {
        send(call, "\r\n");
    } else if (at.row >= bios->row && (at.column == 0 || at.column == bios->column)) {
        if (at.column != bios->column)
            send(call, "\r");
        for (unsigned row = bios->row; row < at.row; row++)
            send(call, "\n");
    } else {
        send(call, "\033[");
        send_number(call, at.row + 1);
        send(call, ";");
        send_number(call, at.column + 1);
        send(call, "H");
    }
    *bios = (struct bios){ bios->wait_until, (uint8_t)at.row, (uint8_t)at.column, true };
}

static void terminal_put(struct bios_call *call, struct place at, uint8_t character)
{
    if (at.page != *bda(call, BDA_PAGE))
        return;
    terminal_move(call, at);
    const char text[2] = { character >= 0x20 && character < 0x7f ? (char)character : character ? '.' : ' ', 0 };
    send(call, text);
    call->bios->column++; /* at the right border the next movement ends the line, whatever the terminal has done */
}

/* --- writing --- */

static void put(struct bios_call *call, struct place at, uint8_t character, int attribute)
{
    uint8_t *cell = cell_at(call, at);
    const struct bios *bios = call->bios;
    /* Programs write a character with its colour and then the same as teletype, which moves the cursor. */
    bool again = bios->placed && bios->row == at.row && bios->column == at.column + 1 && cell[0] == character;
    cell[0] = character;
    if (attribute >= 0)
        cell[1] = (uint8_t)attribute;
    if (!again)
        terminal_put(call, at, character);
}

struct window {
    unsigned top, left, bottom, right;
};

/* Moves the lines of a window of the active page up (lines > 0) or down; 0 clears it. */
static void scroll(struct bios_call *call, struct window w, int lines, uint8_t attribute)
{
    unsigned page = *bda(call, BDA_PAGE) % PAGES, height = w.bottom - w.top + 1;
    unsigned by = lines < 0 ? (unsigned)-lines : (unsigned)lines;
    if (!by || by > height)
        by = height;
    for (unsigned i = 0; i < height; i++) {
        unsigned row = lines < 0 ? w.bottom - i : w.top + i;
        for (unsigned column = w.left; column <= w.right; column++) {
            uint8_t *to = cell_at(call, (struct place){ page, row, column });
            const uint8_t *from = cell_at(call, (struct place){ page, lines < 0 ? row - by : row + by, column });
            const uint8_t blank[2] = { ' ', attribute };
            memcpy(to, i + by < height ? from : blank, 2);
        }
    }
}

static void scroll_window(struct bios_call *call, int direction)
{
    struct window w = { bios_high(call, RCX), bios_low(call, RCX), bios_high(call, RDX), bios_low(call, RDX) };
    w.bottom = w.bottom < rows(call) ? w.bottom : rows(call) - 1;
    w.right = w.right < columns(call) ? w.right : columns(call) - 1;
    if (w.top > w.bottom || w.left > w.right)
        return;
    scroll(call, w, direction * bios_low(call, RAX), bios_high(call, RBX));
    call->bios->placed = false;
}

/* One line down; at the bottom everything moves up, on the terminal, too. */
static void line_feed(struct bios_call *call, struct place *at)
{
    if (++at->row < rows(call))
        return;
    at->row = rows(call) - 1;
    uint8_t attribute = cell_at(call, *at)[1];
    scroll(call, (struct window){ 0, 0, rows(call) - 1, columns(call) - 1 }, 1, attribute);
    if (call->bios->placed) {
        terminal_move(call, *at);
        send(call, "\n");
    }
}

static void write_teletype(struct bios_call *call, struct place *at, uint8_t character, int attribute)
{
    switch (character) {
    case TAB_BELL:
        return;
    case '\b':
        at->column -= at->column > 0;
        return;
    case '\r':
        at->column = 0;
        return;
    case '\n':
        line_feed(call, at);
        if (call->bios->placed) /* at once: the next text may go to the port directly */
            terminal_move(call, *at);
        return;
    default:
        put(call, *at, character, attribute);
        if (++at->column >= columns(call)) {
            at->column = 0;
            line_feed(call, at);
        }
    }
}

static void teletype(struct bios_call *call)
{
    struct place at = cursor(call, *bda(call, BDA_PAGE));
    write_teletype(call, &at, bios_low(call, RAX), -1);
    cursor_set(call, at);
}

/* AH=09h, 0Ah: CX times at the cursor, which stays. */
static void write_repeated(struct bios_call *call, int attribute)
{
    struct place at = cursor(call, bios_high(call, RBX));
    unsigned left = columns(call) * rows(call);
    for (unsigned i = 0; i < bios_get(call, RCX) && i < left; i++) {
        put(call, at, bios_low(call, RAX), attribute);
        if (++at.column == columns(call)) {
            at.column = 0;
            at.row++;
        }
    }
}

/* AH=13h: CX characters at ES:BP. AL bit 0: move the cursor; bit 1: each is followed by its attribute. */
static void write_string(struct bios_call *call)
{
    struct place before = cursor(call, bios_high(call, RBX)),
                 at = { before.page, bios_high(call, RDX), bios_low(call, RDX) };
    uint16_t offset = bios_get(call, RBP);
    unsigned step = bios_low(call, RAX) & 2 ? 2 : 1;
    for (unsigned i = 0; i < bios_get(call, RCX); i++) {
        uint8_t text[2] = { 0, bios_low(call, RBX) };
        if (!bios_read(call, SEG_ES, (uint16_t)(offset + i * step), text, step))
            return;
        write_teletype(call, &at, text[0], text[1]);
    }
    cursor_set(call, bios_low(call, RAX) & 1 ? at : before);
}

static void set_mode(struct bios_call *call)
{
    unsigned mode = bios_low(call, RAX) & ~MODE_KEEP & 0xff;
    *bda(call, BDA_MODE) = (uint8_t)mode;
    *bda(call, BDA_PAGE) = 0;
    *bda(call, BDA_ROWS) = ROWS - 1;
    bda_set16(call, BDA_COLUMNS, mode <= 1 ? 40 : 80);
    bda_set16(call, BDA_PAGE_START, 0);
    bda_set16(call, BDA_PAGE_SIZE, mode <= 1 ? 0x800 : 0x1000);
    if (!(bios_low(call, RAX) & MODE_KEEP) && (mode < MODE_GRAPHICS_FIRST || mode == MODE_MONO))
        scroll(call, (struct window){ 0, 0, ROWS - 1, columns(call) - 1 }, 0, ATTRIBUTE);
    for (unsigned page = 0; page < PAGES; page++)
        cursor_set(call, (struct place){ page, 0, 0 });
    call->bios->placed = false;
}

static void select_page(struct bios_call *call)
{
    unsigned page = bios_low(call, RAX) % PAGES;
    *bda(call, BDA_PAGE) = (uint8_t)page;
    bda_set16(call, BDA_PAGE_START, (uint16_t)(page * bda16(call, BDA_PAGE_SIZE)));
    cursor_set(call, cursor(call, page));
    call->bios->placed = false;
}

static void get_cursor(struct bios_call *call)
{
    bios_set(call, RCX, bda16(call, BDA_CURSOR_SHAPE));
    bios_set(call, RDX, bda16(call, BDA_CURSOR + bios_high(call, RBX) % PAGES * 2));
}

static void set_cursor(struct bios_call *call)
{
    cursor_set(call, (struct place){ bios_high(call, RBX) % PAGES, bios_high(call, RDX), bios_low(call, RDX) });
}

static void set_shape(struct bios_call *call) { bda_set16(call, BDA_CURSOR_SHAPE, bios_get(call, RCX)); }
static void scroll_up(struct bios_call *call) { scroll_window(call, 1); }
static void scroll_down(struct bios_call *call) { scroll_window(call, -1); }
static void write_with_attribute(struct bios_call *call) { write_repeated(call, bios_low(call, RBX)); }
static void write_plain(struct bios_call *call) { write_repeated(call, -1); }

static void read_cell(struct bios_call *call)
{
    const uint8_t *cell = cell_at(call, cursor(call, bios_high(call, RBX)));
    bios_set(call, RAX, (uint16_t)(cell[0] | cell[1] << 8));
}

static void get_mode(struct bios_call *call)
{
    bios_set(call, RAX, (uint16_t)(*bda(call, BDA_MODE) | columns(call) << 8));
    bios_set_high(call, RBX, *bda(call, BDA_PAGE));
}

/* AX=1130h: character height and rows. There is no font to point to. */
static void font(struct bios_call *call)
{
    if (bios_low(call, RAX) != 0x30)
        return;
    bios_set(call, RCX, *bda(call, BDA_CHARACTER_HEIGHT));
    bios_set_low(call, RDX, *bda(call, BDA_ROWS));
}

/* BL=10h: an EGA or better: colour, 256 KiB. */
static void alternate_select(struct bios_call *call)
{
    if (bios_low(call, RBX) == 0x10) {
        bios_set(call, RBX, 0x0003);
        bios_set(call, RCX, 0x0009);
    } else {
        bios_set_low(call, RAX, 0x12);
    }
}

static void display_combination(struct bios_call *call)
{
    if (bios_low(call, RAX) == 0)
        bios_set(call, RBX, 0x0008); /* a VGA with a colour display, no other */
    bios_set_low(call, RAX, 0x1a);
}

static bios_fn *const functions[] = {
    [0x00] = set_mode,
    [0x01] = set_shape,
    [0x02] = set_cursor,
    [0x03] = get_cursor,
    [0x05] = select_page,
    [0x06] = scroll_up,
    [0x07] = scroll_down,
    [0x08] = read_cell,
    [0x09] = write_with_attribute,
    [0x0a] = write_plain,
    [0x0e] = teletype,
    [0x0f] = get_mode,
    [0x11] = font,
    [0x12] = alternate_select,
    [0x13] = write_string,
    [0x1a] = display_combination,
};

/* What is not there changes nothing: no VBE (AL would have to be 4Fh), no palette, no pixels. */
void bios_video(struct bios_call *call)
{
    unsigned function = bios_high(call, RAX);
    if (function < sizeof(functions) / sizeof(functions[0]) && functions[function])
        functions[function](call);
}
