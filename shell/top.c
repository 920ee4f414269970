/* SPDX-License-Identifier: MIT
 * The refreshing view: asks for `top` again and again and draws the answer over the one before. */
#include <string.h>
#include "parts.h"

#define DEFAULT_SECONDS 2u
#define MAX_SECONDS     3600u

static bool parse_seconds(const char *text, uint64_t *seconds)
{
    *seconds = *text == 0 ? DEFAULT_SECONDS : 0;
    for (; *text >= '0' && *text <= '9' && *seconds <= MAX_SECONDS; text++) {
        *seconds = *seconds * 10 + (uint64_t)(*text - '0');
    }
    return *text == 0 && *seconds >= 1 && *seconds <= MAX_SECONDS;
}

void top_begin(struct shell *shell, const char *arguments)
{
    uint64_t seconds;
    if (!parse_seconds(arguments, &seconds)) {
        shell_say(shell, "error: top needs the time between two views, in seconds from 1 to %u: top [SECONDS]\n",
                  MAX_SECONDS);
        shell_done(shell);
        return;
    }
    shell->state = STATE_TOP;
    shell->top = (struct top){ .interval = seconds * 1000 };
    top_tick(shell);
}

void top_end(struct shell *shell)
{
    shell->holding = false;
    shell->answer_size = 0;
    shell->state = STATE_WAIT;
    if (shell->top.drawn) {
        shell_say(shell, "\n");
    }
}

void top_key(struct shell *shell, int key)
{
    if (key == 'q' || key == 'Q' || key == ('c' & 0x1f)) {
        request_forget(shell);
        output_clear(&shell->output);
        top_end(shell);
        shell_done(shell);
    }
}

void top_tick(struct shell *shell)
{
    uint64_t now = shell->host->now_ms(shell->context);
    if (shell->state != STATE_TOP || !shell->shown || shell->holding || shell->pending.purpose != FOR_NOTHING ||
        now < shell->top.next) {
        return;
    }
    shell->top.next = now + shell->top.interval;
    if (!request_send(shell, FOR_TOP, "top")) {
        top_end(shell);
        shell_say(shell, "error: the manager cannot be reached\n");
        shell_done(shell);
    }
}

void top_answer(struct shell *shell, struct json_value result)
{
    if (!shell->shown) {
        return;
    }
    if (!shell->top.drawn) {
        output_text(&shell->output, "\x1b[H\x1b[J");
    }
    shell->top.drawn = true;
    output_text(&shell->output, "\x1b[HBulkhead; q ends this view\x1b[K\n");
    present(shell, FORM_TOP, result);
}
