/* SPDX-License-Identifier: MIT
 * The shell's events: what is typed, what the channel brings, time, the terminal's coming and going. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "parts.h"

#define CTRL(letter) ((letter)&0x1f)
#define PROMPT       "bulkhead> "

size_t shell_size(void) { return sizeof(struct shell); }

static unsigned within(unsigned value, unsigned low, unsigned high)
{
    return value < low ? low : value > high ? high : value;
}

void shell_screen(struct shell *shell, unsigned columns, unsigned lines)
{
    shell->columns = shell->editor.columns = within(columns, 20, 250);
    shell->lines = within(lines, 5, 250);
}

struct shell *shell_init(void *storage, const struct shell_host *host, void *context)
{
    struct shell *shell = storage;
    memset(shell, 0, sizeof(*shell));
    shell->host = shell->output.host = host;
    shell->context = shell->output.context = context;
    shell->wake = SHELL_NEVER;
    shell->editor.output = &shell->output;
    shell->editor.history = &shell->history;
    shell->editor.prompt = PROMPT;
    shell_screen(shell, 80, 25);
    return shell;
}

/* --- output --- */

void shell_draw(struct shell *shell)
{
    if (shell->shown && shell->state == STATE_EDIT) {
        editor_draw(&shell->editor);
    }
}

void shell_say(struct shell *shell, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (shell->shown) {
        output_arguments(&shell->output, format, args);
    }
    va_end(args);
}

void shell_done(struct shell *shell)
{
    shell->state = STATE_EDIT;
    shell->holding = false;
    shell->answer_size = 0;
    shell_draw(shell);
}

/* --- input --- */

static void interrupt(struct shell *shell)
{
    shell->queue_tail = shell->queue_head;
    request_cancel(shell);
    shell->pending.next = 0;
    shell->pending.add_local = false;
    editor_reset(&shell->editor);
    shell_say(shell, "^C\n");
    shell_done(shell);
}

static void enter(struct shell *shell)
{
    char line[SHELL_LINE_SIZE];
    memcpy(line, shell->editor.text, shell->editor.length + 1);
    shell_say(shell, "\n");
    history_add(&shell->history, line);
    editor_reset(&shell->editor);
    local_run(shell, line);
}

static void edit_key(struct shell *shell, int key)
{
    if (editor_key(&shell->editor, key)) {
        return;
    }
    switch (key) {
    case '\r':
        enter(shell);
        break;
    case '\t':
        complete(shell);
        break;
    case CTRL('c'):
        interrupt(shell);
        break;
    case CTRL('l'):
        output_text(&shell->output, "\x1b[H\x1b[J");
        shell_draw(shell);
        break;
    case CTRL('d'):
        if (shell->host->leave != NULL) {
            shell_say(shell, "\n");
            shell->host->leave(shell->context);
            break;
        }
        output_text(&shell->output, "\a");
        break;
    case KEY_NONE:
        break;
    default:
        output_text(&shell->output, "\a");
        break;
    }
}

static void take_byte(struct shell *shell, char byte)
{
    int key = keys_byte(&shell->keys, (unsigned char)byte);
    if (shell->state == STATE_TOP) {
        top_key(shell, key);
    } else {
        edit_key(shell, key);
    }
}

static bool takes_input(const struct shell *shell) { return shell->state == STATE_EDIT || shell->state == STATE_TOP; }

/* Does what can be done without anything new from outside. */
static void pump(struct shell *shell)
{
    bool more = true;
    while (more) {
        more = present_step(shell);
        if (!more && takes_input(shell) && shell->queue_tail != shell->queue_head) {
            take_byte(shell, shell->queue[shell->queue_tail++ % QUEUE_SIZE]);
            more = true;
        }
        if (shell->shown && output_flush(&shell->output) && shell->output.lost) {
            shell->output.lost = false;
            shell_draw(shell);
            more = true;
        }
    }
    uint64_t wake = shell->pending.purpose != FOR_NOTHING       ? shell->pending.deadline
                    : shell->state == STATE_TOP && shell->shown ? shell->top.next
                                                                : SHELL_NEVER;
    if (wake != shell->wake && shell->host->wake != NULL) {
        shell->host->wake(shell->context, wake);
    }
    shell->wake = wake;
}

void shell_input(struct shell *shell, const void *bytes, size_t size)
{
    const char *text = bytes;
    for (size_t i = 0; i < size; i++) {
        if (!takes_input(shell) && text[i] == CTRL('c')) {
            output_clear(&shell->output);
            interrupt(shell);
        } else if (takes_input(shell) && shell->queue_tail == shell->queue_head) {
            take_byte(shell, text[i]);
            pump(shell);
        } else if (shell->queue_head - shell->queue_tail < QUEUE_SIZE) {
            shell->queue[shell->queue_head++ % QUEUE_SIZE] = text[i];
        } else {
            output_text(&shell->output, "\a");
        }
    }
    pump(shell);
}

/* --- other events --- */

void shell_answer(struct shell *shell, const void *bytes, size_t size)
{
    request_bytes(shell, bytes, size);
    pump(shell);
}

void shell_tick(struct shell *shell)
{
    request_tick(shell);
    top_tick(shell);
    pump(shell);
}

void shell_room(struct shell *shell) { pump(shell); }

void shell_shown(struct shell *shell, bool shown)
{
    if (shown == shell->shown) {
        return;
    }
    shell->shown = shown;
    output_clear(&shell->output);
    if (shown && !shell->greeted) {
        shell->greeted = true;
        shell_say(shell, "Bulkhead. \"help\" lists the commands.\n");
    }
    shell_redraw(shell);
}

void shell_redraw(struct shell *shell)
{
    if (shell->state == STATE_TOP) {
        shell->top.next = 0;
        shell->top.drawn = false;
        shell->holding = false;
        shell->answer_size = 0;
    }
    request_tick(shell);
    top_tick(shell);
    shell_draw(shell);
    pump(shell);
}

void shell_channel(struct shell *shell, bool up)
{
    shell->up = up;
    shell->catalog.known = false;
    shell->skip_line = false;
    if (shell->holding) {
        shell->skip_line = true;
    } else {
        shell->answer_size = 0;
    }
    request_lost(shell);
    pump(shell);
}
