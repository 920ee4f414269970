/* SPDX-License-Identifier: MIT
 * The line editor of editor.h. */
#include <string.h>
#include "editor.h"

#define CTRL(letter) ((letter)&0x1f)
#define DELETE_BYTE  0x7f
#define MARGIN       8u /* characters that stay seen before the cursor when the view moves */

/* --- drawing --- */

static size_t visible(const struct editor *editor) { return editor->columns - strlen(editor->prompt) - 1; }

static void move_view(struct editor *editor)
{
    size_t width = visible(editor);
    if (editor->cursor < editor->view) {
        editor->view = editor->cursor > MARGIN ? editor->cursor - MARGIN : 0;
    } else if (editor->cursor > editor->view + width) {
        editor->view = editor->cursor - width;
    }
}

void editor_draw(struct editor *editor)
{
    move_view(editor);
    size_t left = editor->length - editor->view, width = visible(editor);
    size_t column = strlen(editor->prompt) + editor->cursor - editor->view;
    output_put(editor->output, "\r", 1);
    output_text(editor->output, editor->prompt);
    output_put(editor->output, editor->text + editor->view, left < width ? left : width);
    output_text(editor->output, "\x1b[K\r");
    if (column > 0) {
        output_format(editor->output, "\x1b[%uC", (unsigned)column);
    }
}

void editor_reset(struct editor *editor)
{
    editor->length = editor->cursor = editor->view = 0;
    editor->back = 0;
    editor->text[0] = 0;
}

/* --- changing the text --- */

bool editor_insert(struct editor *editor, const char *text, size_t size)
{
    if (size >= SHELL_LINE_SIZE - editor->length) {
        return false;
    }
    bool simple = editor->cursor == editor->length && editor->cursor + size < editor->view + visible(editor);
    memmove(editor->text + editor->cursor + size, editor->text + editor->cursor, editor->length - editor->cursor + 1);
    memcpy(editor->text + editor->cursor, text, size);
    editor->length += size;
    editor->cursor += size;
    if (simple) {
        output_put(editor->output, text, size);
    } else {
        editor_draw(editor);
    }
    return true;
}

/* Deletes [from, to); the cursor goes there. */
static bool cut(struct editor *editor, size_t from, size_t to)
{
    memmove(editor->text + from, editor->text + to, editor->length - to + 1);
    editor->length -= to - from;
    editor->cursor = from;
    editor_draw(editor);
    return true;
}

static bool move(struct editor *editor, size_t to)
{
    editor->cursor = to;
    editor_draw(editor);
    return true;
}

static size_t word_left(const struct editor *editor)
{
    size_t at = editor->cursor;
    while (at > 0 && editor->text[at - 1] == ' ') {
        at--;
    }
    while (at > 0 && editor->text[at - 1] != ' ') {
        at--;
    }
    return at;
}

static size_t word_right(const struct editor *editor)
{
    size_t at = editor->cursor;
    while (at < editor->length && editor->text[at] == ' ') {
        at++;
    }
    while (at < editor->length && editor->text[at] != ' ') {
        at++;
    }
    return at;
}

/* --- history --- */

static void set_text(struct editor *editor, const char *text)
{
    editor->length = editor->cursor = strlen(text);
    memmove(editor->text, text, editor->length + 1);
    editor->view = 0;
    editor_draw(editor);
}

static bool show_history(struct editor *editor, unsigned back)
{
    const char *line = back == 0 ? editor->draft : history_line(editor->history, back);
    if (line == NULL) {
        output_put(editor->output, "\a", 1);
        return true;
    }
    if (editor->back == 0) {
        memcpy(editor->draft, editor->text, editor->length + 1);
    }
    editor->back = back;
    set_text(editor, line);
    return true;
}

/* --- keys --- */

static bool edit(struct editor *editor, int key)
{
    size_t cursor = editor->cursor, length = editor->length;
    switch (key) {
    case '\b':
    case DELETE_BYTE:
        return cut(editor, cursor > 0 ? cursor - 1 : 0, cursor);
    case KEY_DELETE:
    case CTRL('d'):
        return cut(editor, cursor, cursor < length ? cursor + 1 : cursor);
    case CTRL('k'):
        return cut(editor, cursor, length);
    case CTRL('u'):
        return cut(editor, 0, cursor);
    case CTRL('w'):
        return cut(editor, word_left(editor), cursor);
    case KEY_UP:
    case CTRL('p'):
        return show_history(editor, editor->back + 1);
    case KEY_DOWN:
    case CTRL('n'):
        return editor->back == 0 || show_history(editor, editor->back - 1);
    default:
        return false;
    }
}

static bool navigate(struct editor *editor, int key)
{
    size_t cursor = editor->cursor;
    switch (key) {
    case KEY_LEFT:
    case CTRL('b'):
        return move(editor, cursor > 0 ? cursor - 1 : 0);
    case KEY_RIGHT:
    case CTRL('f'):
        return move(editor, cursor < editor->length ? cursor + 1 : cursor);
    case KEY_HOME:
    case CTRL('a'):
        return move(editor, 0);
    case KEY_END:
    case CTRL('e'):
        return move(editor, editor->length);
    case KEY_WORD_LEFT:
        return move(editor, word_left(editor));
    case KEY_WORD_RIGHT:
        return move(editor, word_right(editor));
    default:
        return false;
    }
}

bool editor_key(struct editor *editor, int key)
{
    if (key == CTRL('d') && editor->length == 0) {
        return false;
    }
    if (key >= ' ' && key <= '~') {
        char c = (char)key;
        if (!editor_insert(editor, &c, 1)) {
            output_put(editor->output, "\a", 1);
        }
        return true;
    }
    return edit(editor, key) || navigate(editor, key);
}
