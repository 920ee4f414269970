/* SPDX-License-Identifier: MIT
 * An answer on its way to the terminal, as fast as that takes it: rendered anew for each window of text, so no text is
 * kept. */
#include <stdio.h>
#include <string.h>
#include "parts.h"
#include "render.h"

#define WINDOW   1000u
#define SHOW_MAX 0x40000u /* characters: more than any answer of the manager has; work grows with its square */
#define LINE_END "\x1b[K\n"

void present(struct shell *shell, enum form form, struct json_value value)
{
    shell->show = (struct show){ form, value, 0 };
    shell->holding = true;
    if (form != FORM_TOP) {
        shell->state = STATE_SHOW;
    }
}

static void render(struct sink *sink, const struct show *show)
{
    switch (show->form) {
    case FORM_LOG:
        sink->keep_blanks = true;
        render_log(sink, show->value);
        break;
    case FORM_JSON:
        render_answer(sink, show->value);
        break;
    case FORM_ERROR:
        sink_text(sink, "error: ");
        render_value(sink, show->value);
        break;
    default:
        render_value(sink, show->value);
        break;
    }
}

static void put_window(struct shell *shell, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n' && shell->show.form == FORM_TOP) {
            output_text(&shell->output, LINE_END);
        } else {
            output_put(&shell->output, &text[i], 1);
        }
    }
}

/* All of it is out: the next piece of a log, or the prompt. */
static void finish(struct shell *shell)
{
    struct pending *pending = &shell->pending;
    shell->holding = false;
    shell->answer_size = 0;
    if (shell->show.form == FORM_TOP) {
        output_text(&shell->output, "\x1b[J");
        return;
    }
    shell->state = STATE_WAIT;
    if (shell->show.form == FORM_LOG && pending->next > 0) {
        char command[SHELL_LINE_SIZE + 24];
        snprintf(command, sizeof(command), "%s %llu", pending->command, (unsigned long long)pending->next);
        if (strlen(command) >= SHELL_LINE_SIZE || !request_send(shell, FOR_COMMAND, command)) {
            shell_say(shell, "error: the rest of the log cannot be asked for: the manager takes no commands now\n");
            shell_done(shell);
        }
        return;
    }
    if (shell->output.inside) {
        shell_say(shell, "\n"); /* a log need not end with one */
    }
    if (pending->add_local) {
        local_list(shell);
    }
    shell_done(shell);
}

bool present_step(struct shell *shell)
{
    struct show *show = &shell->show;
    char text[WINDOW];
    /* Each newline becomes two characters; in top five, but there are few. */
    if (!shell->holding || !shell->shown || output_room(&shell->output) < WINDOW + WINDOW) {
        return false;
    }
    struct sink sink = { .out = text, .size = sizeof(text), .skip = show->done };
    if (show->form == FORM_TOP) {
        sink.width = shell->columns - 1;
        sink.height = shell->lines - 2;
    }
    render(&sink, show);
    put_window(shell, text, sink.used);
    show->done += sink.used;
    if (sink.full && show->done < SHOW_MAX) {
        return true;
    }
    if (sink.full) {
        shell_say(shell, "\nerror: the rest of the answer is left out: it is longer than %u characters\n", SHOW_MAX);
    }
    finish(shell);
    return true;
}
