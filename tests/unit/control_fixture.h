/* SPDX-License-Identifier: MIT
 * Commands for tests of the control server: a table that stands for the manager's. Included by one file of a test. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include "command.h"
#include "control_server.h"

static uint64_t fixture_time = 1;

static enum command_result fixture_echo(struct command_call *call)
{
    json_begin_array(call->json);
    for (unsigned i = 0; i < call->count; i++) {
        json_text(call->json, call->arguments[i]);
    }
    json_end_array(call->json);
    return COMMAND_DONE;
}

static enum command_result fixture_null(struct command_call *call) { return COMMAND_DONE; }
static enum command_result fixture_fail(struct command_call *call)
{
    return command_fail(call, "it failed: %s", call->arguments[0]);
}

static enum command_result fixture_long(struct command_call *call)
{
    for (unsigned i = 0; i < ANSWER_MAX; i++) {
        json_number(call->json, i);
    }
    return COMMAND_DONE;
}

static enum command_result fixture_sleep(struct command_call *call)
{
    uint64_t ticks;
    if (!command_number(call->arguments[0], 0, 1000000, &ticks)) {
        return command_fail(call, "a number is needed");
    }
    call->wake = call->since + ticks;
    return call->now >= call->wake ? COMMAND_DONE : COMMAND_LATER;
}

const struct command command_table[] = {
    { "help", "[COMMAND]", "what the commands do", 0, 1, command_help },
    { "echo", "[WORD...]", "its arguments", 0, REQUEST_WORDS, fixture_echo },
    { "null", "", "nothing", 0, 0, fixture_null },
    { "fail", "WORD", "an error", 1, 1, fixture_fail },
    { "long", "", "more than an answer holds", 0, 0, fixture_long },
    { "sleep", "TICKS", "a late answer", 1, 1, fixture_sleep },
    { 0 },
};
