/* SPDX-License-Identifier: MIT
 * The terminal of screen.h. Sequences and their final characters: ECMA-48, section 8.3, and the VT100 user guide for ESC 7, 8, D, M, c, CSI r. */
#include "screen.h"
#include <string.h>

enum { STATE_TEXT, STATE_ESCAPE, STATE_ESCAPE_MORE, STATE_CSI, STATE_STRING, STATE_STRING_ESCAPE };

#define NORMAL 7u /* foreground; background 0 */
#define TAB 8u
#define BLANK(screen) ((uint16_t)(' ' | (screen)->attribute << 8))

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* --- cells --- */

static void erase(struct screen *screen, uint32_t row, uint32_t from, uint32_t to)
{
    for (uint32_t column = from; column < to; column++) {
        screen->cells[row][column] = BLANK(screen);
    }
    screen->changed |= 1u << row;
}

static void erase_rows(struct screen *screen, uint32_t from, uint32_t to)
{
    for (uint32_t row = from; row < to; row++) {
        erase(screen, row, 0, SCREEN_COLUMNS);
    }
}

/* Rows [from, bottom] go up (count > 0) or down by |count|. */
static void scroll(struct screen *screen, uint32_t from, int count)
{
    uint32_t rows = screen->bottom + 1 - from, distance = least((uint32_t)(count < 0 ? -count : count), rows);
    uint32_t kept = rows - distance, down = count < 0;
    if (kept > 0) {
        memmove(screen->cells[down ? from + distance : from], screen->cells[down ? from : from + distance],
                kept * sizeof(screen->cells[0]));
    }
    erase_rows(screen, down ? from : from + kept, down ? from + distance : from + rows);
    screen->changed |= ((1u << rows) - 1) << from;
}

static void move_to(struct screen *screen, uint32_t row, uint32_t column)
{
    screen->row = least(row, SCREEN_ROWS - 1);
    screen->column = least(column, SCREEN_COLUMNS - 1);
    screen->wraps = false;
}

static void line_feed(struct screen *screen)
{
    screen->wraps = false;
    if (screen->row == screen->bottom) {
        scroll(screen, screen->top, 1);
    } else if (screen->row < SCREEN_ROWS - 1) {
        screen->row++;
    }
}

static void reverse_line_feed(struct screen *screen)
{
    screen->wraps = false;
    if (screen->row == screen->top) {
        scroll(screen, screen->top, -1);
    } else if (screen->row > 0) {
        screen->row--;
    }
}

static void put(struct screen *screen, char c)
{
    if (screen->wraps) {
        screen->column = 0;
        line_feed(screen);
    }
    screen->cells[screen->row][screen->column] = (uint16_t)((uint8_t)c | screen->attribute << 8);
    screen->changed |= 1u << screen->row;
    screen->wraps = screen->column == SCREEN_COLUMNS - 1;
    screen->column += !screen->wraps;
}

/* --- attributes --- */

/* ECMA-48 counts red, green, blue from bit 0; VGA from bit 2. */
static uint8_t vga_colour(uint8_t colour)
{
    return (uint8_t)((colour & 8) | (colour & 1) << 2 | (colour & 2) | (colour & 4) >> 2);
}

static void set_attribute(struct screen *screen)
{
    uint8_t front = vga_colour(screen->foreground) | (screen->bold ? 8 : 0), back = vga_colour(screen->background) & 7;
    screen->attribute = (uint8_t)(screen->reverse ? back | (front & 7) << 4 : front | back << 4);
}

static void plain(struct screen *screen)
{
    screen->bold = screen->reverse = false;
    screen->foreground = NORMAL;
    screen->background = 0;
}

static void render_one(struct screen *screen, uint32_t parameter)
{
    if (parameter == 0) {
        plain(screen);
    } else if (parameter == 1 || parameter == 22) {
        screen->bold = parameter == 1;
    } else if (parameter == 7 || parameter == 27) {
        screen->reverse = parameter == 7;
    } else if ((parameter >= 30 && parameter <= 37) || parameter == 39) {
        screen->foreground = parameter == 39 ? NORMAL : (uint8_t)(parameter - 30);
    } else if ((parameter >= 40 && parameter <= 47) || parameter == 49) {
        screen->background = parameter == 49 ? 0 : (uint8_t)(parameter - 40);
    } else if (parameter >= 90 && parameter <= 97) {
        screen->foreground = (uint8_t)(parameter - 90 + 8);
    }
}

/* --- control sequences; `first` is the first parameter, 1 if it is missing or 0 --- */

static void cursor_up(struct screen *screen, uint32_t first)
{
    uint32_t limit = screen->row >= screen->top ? screen->top : 0;
    move_to(screen, screen->row - least(first, screen->row - limit), screen->column);
}

static void cursor_down(struct screen *screen, uint32_t first)
{
    uint32_t limit = screen->row <= screen->bottom ? screen->bottom : SCREEN_ROWS - 1;
    move_to(screen, screen->row + least(first, limit - screen->row), screen->column);
}

static void cursor_right(struct screen *screen, uint32_t first)
{
    move_to(screen, screen->row, screen->column + least(first, SCREEN_COLUMNS));
}

static void cursor_left(struct screen *screen, uint32_t first)
{
    move_to(screen, screen->row, screen->column - least(first, screen->column));
}

static void next_line(struct screen *screen, uint32_t first)
{
    cursor_down(screen, first);
    screen->column = 0;
}

static void previous_line(struct screen *screen, uint32_t first)
{
    cursor_up(screen, first);
    screen->column = 0;
}

static void column_to(struct screen *screen, uint32_t first) { move_to(screen, screen->row, first - 1); }

static void row_to(struct screen *screen, uint32_t first) { move_to(screen, first - 1, screen->column); }

static void position(struct screen *screen, uint32_t first)
{
    uint32_t column = screen->parameters[1];
    move_to(screen, first - 1, column == 0 ? 0 : column - 1);
}

static void erase_display(struct screen *screen, uint32_t first)
{
    (void)first;
    uint32_t what = screen->parameters[0];
    if (what == 0) {
        erase(screen, screen->row, screen->column, SCREEN_COLUMNS);
        erase_rows(screen, screen->row + 1, SCREEN_ROWS);
    } else if (what == 1) {
        erase_rows(screen, 0, screen->row);
        erase(screen, screen->row, 0, screen->column + 1);
    } else {
        erase_rows(screen, 0, SCREEN_ROWS);
    }
}

static void erase_line(struct screen *screen, uint32_t first)
{
    (void)first;
    uint32_t what = screen->parameters[0];
    erase(screen, screen->row, what == 0 ? screen->column : 0, what == 1 ? screen->column + 1 : SCREEN_COLUMNS);
}

static void insert_characters(struct screen *screen, uint32_t first)
{
    uint16_t *row = screen->cells[screen->row];
    uint32_t count = least(first, SCREEN_COLUMNS - screen->column);
    memmove(row + screen->column + count, row + screen->column,
            (SCREEN_COLUMNS - screen->column - count) * sizeof(*row));
    erase(screen, screen->row, screen->column, screen->column + count);
}

static void delete_characters(struct screen *screen, uint32_t first)
{
    uint16_t *row = screen->cells[screen->row];
    uint32_t count = least(first, SCREEN_COLUMNS - screen->column);
    memmove(row + screen->column, row + screen->column + count,
            (SCREEN_COLUMNS - screen->column - count) * sizeof(*row));
    erase(screen, screen->row, SCREEN_COLUMNS - count, SCREEN_COLUMNS);
}

static void erase_characters(struct screen *screen, uint32_t first)
{
    erase(screen, screen->row, screen->column, least(screen->column + least(first, SCREEN_COLUMNS), SCREEN_COLUMNS));
}

static bool in_region(const struct screen *screen)
{
    return screen->row >= screen->top && screen->row <= screen->bottom;
}

static void insert_lines(struct screen *screen, uint32_t first)
{
    if (in_region(screen)) {
        scroll(screen, screen->row, -(int)least(first, SCREEN_ROWS));
    }
}

static void delete_lines(struct screen *screen, uint32_t first)
{
    if (in_region(screen)) {
        scroll(screen, screen->row, (int)least(first, SCREEN_ROWS));
    }
}

static void scroll_up(struct screen *screen, uint32_t first)
{
    scroll(screen, screen->top, (int)least(first, SCREEN_ROWS));
}

static void scroll_down(struct screen *screen, uint32_t first)
{
    scroll(screen, screen->top, -(int)least(first, SCREEN_ROWS));
}

static void render(struct screen *screen, uint32_t first)
{
    (void)first;
    for (uint32_t i = 0; i < screen->parameter_count; i++) {
        uint32_t parameter = screen->parameters[i];
        if (parameter == 38 || parameter == 48) {
            break; /* colours of 256 or 2^24: the rest of it are numbers that mean other things alone */
        }
        render_one(screen, parameter);
    }
    set_attribute(screen);
}

static void set_region(struct screen *screen, uint32_t first)
{
    uint32_t last = screen->parameters[1];
    last = last == 0 || last > SCREEN_ROWS ? SCREEN_ROWS : last;
    if (first < last) {
        screen->top = first - 1;
        screen->bottom = last - 1;
        move_to(screen, 0, 0);
    }
}

static void save_cursor(struct screen *screen, uint32_t first)
{
    (void)first;
    screen->saved_row = screen->row;
    screen->saved_column = screen->column;
}

static void restore_cursor(struct screen *screen, uint32_t first)
{
    (void)first;
    move_to(screen, screen->saved_row, screen->saved_column);
}

static const struct {
    char final;
    void (*act)(struct screen *screen, uint32_t first);
} sequences[] = {
    {'A', cursor_up},         {'B', cursor_down},       {'C', cursor_right},     {'D', cursor_left},
    {'E', next_line},         {'F', previous_line},     {'G', column_to},        {'`', column_to},
    {'d', row_to},            {'H', position},          {'f', position},         {'J', erase_display},
    {'K', erase_line},        {'@', insert_characters}, {'P', delete_characters}, {'X', erase_characters},
    {'L', insert_lines},      {'M', delete_lines},      {'S', scroll_up},        {'T', scroll_down},
    {'m', render},            {'r', set_region},        {'s', save_cursor},      {'u', restore_cursor},
};

/* --- parser --- */

static void csi(struct screen *screen, char c)
{
    if (c >= '0' && c <= '9') {
        uint32_t *parameter = &screen->parameters[screen->parameter_count - 1];
        *parameter = least(*parameter * 10 + (uint32_t)(c - '0'), 9999);
    } else if (c == ';' || c == ':') {
        screen->parameter_count = least(screen->parameter_count + 1, SCREEN_PARAMETERS);
    } else if ((c >= '<' && c <= '?') || (c >= 0x20 && c < 0x30)) {
        screen->kind = c; /* an intermediate is none of ours */
    } else if (c >= 0x40 && c < 0x7f) {
        screen->state = STATE_TEXT;
        uint32_t first = screen->parameters[0] == 0 ? 1 : screen->parameters[0];
        for (unsigned i = 0; screen->kind == 0 && i < sizeof(sequences) / sizeof(sequences[0]); i++) {
            if (sequences[i].final == c) {
                sequences[i].act(screen, first);
            }
        }
    }
}

static void escape(struct screen *screen, char c)
{
    screen->state = STATE_TEXT;
    if (c == '[') {
        screen->state = STATE_CSI;
        screen->kind = 0;
        memset(screen->parameters, 0, sizeof(screen->parameters));
        screen->parameter_count = 1;
    } else if (c == ']' || c == 'P' || c == '^' || c == '_' || c == 'X') {
        screen->state = STATE_STRING; /* titles and the like, up to BEL or ESC \ */
    } else if (c >= 0x20 && c < 0x30) {
        screen->state = STATE_ESCAPE_MORE; /* character sets */
    } else if (c == '7') {
        save_cursor(screen, 0);
    } else if (c == '8') {
        restore_cursor(screen, 0);
    } else if (c == 'D' || c == 'E') {
        screen->column = c == 'E' ? 0 : screen->column;
        line_feed(screen);
    } else if (c == 'M') {
        reverse_line_feed(screen);
    } else if (c == 'c') {
        screen_init(screen);
    }
}

static void control(struct screen *screen, char c)
{
    if (c == '\r') {
        move_to(screen, screen->row, 0);
    } else if (c == '\n' || c == '\v' || c == '\f') {
        line_feed(screen);
    } else if (c == '\b') {
        cursor_left(screen, 1);
    } else if (c == '\t') {
        move_to(screen, screen->row, (screen->column / TAB + 1) * TAB);
    } else if (c == 0x1b) {
        screen->state = STATE_ESCAPE;
    }
}

static void take(struct screen *screen, char c)
{
    uint8_t byte = (uint8_t)c;
    if (screen->state == STATE_STRING || screen->state == STATE_STRING_ESCAPE) {
        bool ends = byte == 7 || byte == 0x18 || byte == 0x1a || (screen->state == STATE_STRING_ESCAPE && c == '\\');
        screen->state = ends ? STATE_TEXT : byte == 0x1b ? STATE_STRING_ESCAPE : STATE_STRING;
    } else if (byte == 0x18 || byte == 0x1a) { /* CAN, SUB end a sequence */
        screen->state = STATE_TEXT;
    } else if (byte < 0x20) { /* works inside of sequences, too */
        control(screen, c);
    } else if (screen->state == STATE_ESCAPE) {
        escape(screen, c);
    } else if (screen->state == STATE_ESCAPE_MORE) {
        screen->state = byte < 0x30 ? STATE_ESCAPE_MORE : STATE_TEXT;
    } else if (screen->state == STATE_CSI) {
        csi(screen, c);
    } else if (byte < 0x7f) {
        put(screen, c);
    } else if (byte >= 0xc0) { /* the first byte of a UTF-8 character; those that follow are dropped */
        put(screen, '?');
    }
}

void screen_write(struct screen *screen, const char *text, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        take(screen, text[i]);
    }
}

void screen_init(struct screen *screen)
{
    memset(screen, 0, sizeof(*screen));
    screen->bottom = SCREEN_ROWS - 1;
    plain(screen);
    set_attribute(screen);
    erase_rows(screen, 0, SCREEN_ROWS);
}
