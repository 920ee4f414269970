/* SPDX-License-Identifier: MIT
 * Requests and answers: one request at a time, each with a tag of its own, so that an answer that comes too late is
 * told from the next one. The channel may deliver anything. */
#include <stdio.h>
#include <string.h>
#include "log.h"
#include "parts.h"

#define CANCEL 0x18 /* docs/control.md */

/* Commands whose purpose is to wait; Ctrl-C ends that. */
static bool takes_long(const char *command)
{
    return strncmp(command, "wait ", 5) == 0 || strncmp(command, "sleep ", 6) == 0;
}

bool request_send(struct shell *shell, enum purpose purpose, const char *command)
{
    char line[SHELL_LINE_SIZE + 2 * TAG_SIZE];
    unsigned number = shell->requests + 1;
    int size = snprintf(line, sizeof(line), "@%u %s\n", number, command);
    if (!shell->up || size >= (int)sizeof(line) || !shell->host->send(shell->context, line, (size_t)size)) {
        return false;
    }
    shell->requests = number;
    shell->pending.number = number;
    shell->pending.lost = false;
    shell->pending.purpose = purpose;
    shell->pending.deadline =
        takes_long(command) ? SHELL_NEVER : shell->host->now_ms(shell->context) + SHELL_PATIENCE_MS;
    return true;
}

void request_forget(struct shell *shell) { shell->pending.purpose = FOR_NOTHING; }

void request_cancel(struct shell *shell)
{
    static const char cancel = CANCEL;
    if (shell->pending.purpose != FOR_NOTHING) {
        (void)shell->host->send(shell->context, &cancel, 1); /* if there is no room, nobody waits for that request any more either */
    }
    request_forget(shell);
}

/* The request has failed on the way. */
static void fail(struct shell *shell, const char *why)
{
    enum purpose purpose = shell->pending.purpose;
    request_forget(shell);
    if (purpose == FOR_CATALOG || purpose == FOR_NAMES) {
        complete_answer(shell, purpose, NULL);
        return;
    }
    if (purpose == FOR_TOP) {
        top_end(shell);
    }
    shell_say(shell, "error: %s\n", why);
    shell_done(shell);
}

/* --- what an answer means --- */

static void command_answer(struct shell *shell, bool ok, struct json_value result)
{
    struct json_value text;
    if (!ok) {
        present(shell, FORM_ERROR, result);
    } else if (log_piece(result, shell->pending.next, &text, &shell->pending.next)) {
        log_cut_position(shell->pending.command);
        present(shell, FORM_LOG, text);
    } else {
        present(shell, FORM_VALUE, result);
    }
}

static void dispatch(struct shell *shell, bool ok, struct json_value answer, struct json_value result)
{
    enum purpose purpose = shell->pending.purpose;
    request_forget(shell);
    switch (purpose) {
    case FOR_COMMAND:
        if (shell->pending.raw) {
            shell->pending.next = 0;
            present(shell, FORM_JSON, answer);
        } else {
            command_answer(shell, ok, result);
        }
        break;
    case FOR_TOP:
        if (ok) {
            top_answer(shell, result);
        } else {
            top_end(shell);
            present(shell, FORM_ERROR, result);
        }
        break;
    default:
        complete_answer(shell, purpose, ok ? &result : NULL);
        break;
    }
}

static bool tag_matches(const struct shell *shell, struct json_value answer)
{
    char tag[TAG_SIZE];
    struct json_value value;
    snprintf(tag, sizeof(tag), "%u", shell->pending.number);
    return json_get(answer, "tag", &value) && json_equals(value, tag);
}

/* shell->answer holds a line. */
static void take_line(struct shell *shell)
{
    struct json_value answer, ok, result;
    if (shell->pending.purpose == FOR_NOTHING) {
        return;
    }
    if (!json_read(&answer, shell->answer, shell->answer_size) || json_type(answer) != JSON_OBJECT) {
        fail(shell, "the manager's answer cannot be understood");
        return;
    }
    if (!tag_matches(shell, answer)) {
        return; /* to a request that was given up */
    }
    bool good = json_get(answer, "ok", &ok) && *ok.text == 't';
    if (!json_get(answer, good ? "result" : "error", &result)) {
        fail(shell, "the manager's answer has neither result nor error");
        return;
    }
    dispatch(shell, good, answer, result);
}

/* --- bytes --- */

void request_bytes(struct shell *shell, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (shell->holding) {
            shell->skip_line = bytes[i] != '\n'; /* nothing that is wanted can come now */
        } else if (bytes[i] != '\n') {
            if (shell->answer_size < SHELL_ANSWER_SIZE) {
                shell->answer[shell->answer_size++] = bytes[i];
            } else {
                shell->skip_line = true;
            }
        } else {
            if (!shell->skip_line) {
                take_line(shell);
            } else if (shell->answer_size == SHELL_ANSWER_SIZE && shell->pending.purpose != FOR_NOTHING) {
                fail(shell, "the manager's answer is longer than 60000 bytes");
            }
            shell->skip_line = false;
            shell->answer_size = shell->holding ? shell->answer_size : 0;
        }
    }
}

void request_lost(struct shell *shell)
{
    shell->pending.lost = shell->pending.purpose != FOR_NOTHING;
    request_tick(shell);
}

void request_tick(struct shell *shell)
{
    if (shell->pending.purpose == FOR_NOTHING || !shell->shown) {
        return; /* who is not there is told later */
    }
    if (shell->pending.lost) {
        fail(shell, "the connection to the manager was lost; the command may have been carried out");
    } else if (shell->host->now_ms(shell->context) >= shell->pending.deadline) {
        char why[80];
        snprintf(why, sizeof(why), "no answer from the manager within %u seconds", SHELL_PATIENCE_MS / 1000);
        fail(shell, why);
    }
}
