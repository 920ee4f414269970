/* SPDX-License-Identifier: MIT
 * Commands that read consoles: the logs of domains, the messages of the manager. */
#include <string.h>
#include "abi/console.h"
#include "command_parts.h"
#include "terminal.h"

#define PIECE 8192u /* bytes at a time: an answer holds them even if each byte takes six */
_Static_assert(JSON_WORST(PIECE) + COMMAND_ERROR_SIZE < ANSWER_MAX, "a piece fits into an answer");

/* Output from byte argument `index` on. What the near end counts is not trusted: any count stands for some 64 KiB. */
static enum command_result show(struct command_call *call, const struct console *console, unsigned index)
{
    uint64_t from = 0;
    if (call->count > index && !command_number(call->arguments[index], 0, ~0ull, &from)) {
        return command_fail(call, "\"%.40s\": FROM is the number \"next\" of the answer before",
                            call->arguments[index]);
    }
    uint64_t end = console != NULL ? __atomic_load_n(&console->near.produced, __ATOMIC_ACQUIRE) : 0;
    uint64_t oldest = end > CONSOLE_OUTPUT ? end - CONSOLE_OUTPUT : 0;
    from = from < oldest ? oldest : from > end ? end : from;
    size_t length = end - from < PIECE ? (size_t)(end - from) : PIECE;
    char text[PIECE];
    for (size_t i = 0; i < length; i++) {
        text[i] = console->output[(from + i) % CONSOLE_OUTPUT];
    }
    json_begin_object(call->json);
    json_key(call->json, "text");
    json_bytes(call->json, text, length);
    json_key_number(call->json, "next", from + length);
    json_key_bool(call->json, "more", from + length < end);
    json_end_object(call->json);
    return COMMAND_DONE;
}

enum command_result command_log(struct command_call *call)
{
    const struct domain *domain = command_shown(call, 0);
    if (domain == NULL) {
        return COMMAND_FAILED;
    }
    if (!domain->config->console) {
        return command_fail(call, "domain \"%s\" has console = no; its output is not kept", domain->config->name);
    }
    return show(call, domain->console.ring, 1);
}

enum command_result command_dmesg(struct command_call *call) { return show(call, terminal_messages(), 0); }
