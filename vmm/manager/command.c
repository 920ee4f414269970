/* SPDX-License-Identifier: MIT
 * From a line to its answer. */
#include "command.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"

#define COMMANDS_MAX 48

enum command_result command_fail(struct command_call *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(call->error, sizeof(call->error), format, args);
    va_end(args);
    return COMMAND_FAILED;
}

bool command_number(const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
    char *end;
    if (!isdigit((unsigned char)*text) || strlen(text) > 18) {
        return false;
    }
    *number = strtoull(text, &end, 10);
    return *end == 0 && *number >= low && *number <= high;
}

static const struct command *find(const char *name)
{
    for (const struct command *command = command_table; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

/* What users of Xen's xl type, where it has another name there. */
static const struct {
    const char *name, *here;
} of_xl[] = {
    { "mem-set", "memory" }, { "mem-max", "memory" },     { "vcpu-set", "vcpus" },      { "vcpu-pin", "pin" },
    { "vcpu-list", "list" }, { "sched-credit", "sched" }, { "sched-credit2", "sched" }, { "sched-rtds", "sched" },
    { "unpause", "resume" }, { "uptime", "list" },
};

/* The command that was probably meant, or null. */
static const char *suggest(const char *name)
{
    const char *names[COMMANDS_MAX + 1] = { NULL };
    for (unsigned i = 0; i < sizeof(of_xl) / sizeof(of_xl[0]); i++) {
        if (strcmp(of_xl[i].name, name) == 0) {
            return of_xl[i].here;
        }
    }
    for (unsigned i = 0; i < COMMANDS_MAX && command_table[i].name != NULL; i++) {
        names[i] = command_table[i].name;
    }
    return config_suggest(name, names);
}

static enum command_result unknown(struct command_call *call, const char *name)
{
    const char *meant = suggest(name);
    return command_fail(call, "there is no command \"%.40s\"%s%s%s; \"help\" lists the commands", name,
                        meant != NULL ? "; did you mean \"" : "", meant != NULL ? meant : "",
                        meant != NULL ? "\"?" : "");
}

/* The keys of a domain, for commands that take them. */
static void describe_keys(struct json *json)
{
    const char *key, *allowed;
    json_key(json, "keys");
    json_begin_array(json);
    for (unsigned i = 0; (key = config_domain_key(i, &allowed)) != NULL; i++) {
        json_begin_object(json);
        json_key_text(json, "key", key);
        json_key_text(json, "value", allowed);
        json_end_object(json);
    }
    json_end_array(json);
}

static void describe(struct json *json, const struct command *command, bool alone)
{
    json_begin_object(json);
    json_key_text(json, "command", command->name);
    json_key_text(json, "arguments", command->arguments);
    json_key_text(json, "help", command->help);
    if (alone && strstr(command->arguments, "KEY=VALUE") != NULL) {
        describe_keys(json);
    }
    json_end_object(json);
}

enum command_result command_help(struct command_call *call)
{
    if (call->count > 0) {
        const struct command *command = find(call->arguments[0]);
        if (command == NULL) {
            return unknown(call, call->arguments[0]);
        }
        describe(call->json, command, true);
        return COMMAND_DONE;
    }
    json_begin_array(call->json);
    for (const struct command *command = command_table; command->name != NULL; command++) {
        describe(call->json, command, false);
    }
    json_end_array(call->json);
    return COMMAND_DONE;
}

static enum command_result run(struct command_call *call, const struct command_line *line)
{
    if (line->wrong != NULL) {
        return command_fail(call, "%s", line->wrong);
    }
    if (line->request.count == 0) {
        return command_fail(call, "there is no command behind the tag");
    }
    const struct command *command = find(line->request.words[0]);
    if (command == NULL) {
        return unknown(call, line->request.words[0]);
    }
    if (call->count < command->min || call->count > command->max) {
        return command_fail(call, "%s needs %s: %s%s%s", command->name,
                            call->count < command->min ? "more arguments" : "fewer arguments", command->name,
                            command->arguments[0] != 0 ? " " : "", command->arguments);
    }
    return command->run(call);
}

static void begin(struct json *json, const struct command_line *line, struct command_answer *answer, bool ok)
{
    json_init(json, answer->text, ANSWER_MAX - 1); /* room for } and newline */
    json_begin_object(json);
    if (line->request.tag != NULL) {
        json_key_text(json, "tag", line->request.tag);
    }
    json_key_bool(json, "ok", ok);
    json_key(json, ok ? "result" : "error");
    answer->ok = ok;
    answer->result = json->used;
}

static void end(struct json *json, struct command_answer *answer)
{
    answer->result_end = json->used;
    memcpy(answer->text + json->used, "}\n", 3);
    answer->length = json->used + 2;
}

bool command_execute(struct manager *manager, struct command_line *line, uint64_t now, struct command_answer *answer)
{
    struct json json;
    struct command_call call = { .manager = manager, .json = &json, .now = now };
    if (line->wrong == NULL && line->request.count == 0 && line->request.tag == NULL) {
        answer->length = answer->result = answer->result_end = 0;
        answer->ok = true;
        return true;
    }
    line->since = line->since != 0 ? line->since : now;
    call.since = line->since;
    call.count = line->request.count > 0 ? line->request.count - 1 : 0;
    call.arguments = line->request.words + 1;
    begin(&json, line, answer, true);
    enum command_result result = run(&call, line);
    if (result == COMMAND_LATER) {
        answer->wake = call.wake;
        return false;
    }
    if (result == COMMAND_DONE && json.used == answer->result) {
        json_null(&json);
    }
    if (result == COMMAND_DONE && json.overflow) {
        result = command_fail(&call, "the answer is longer than %u bytes; ask for less", ANSWER_MAX);
    }
    if (result == COMMAND_FAILED) {
        begin(&json, line, answer, false);
        json_text(&json, call.error);
    }
    end(&json, answer);
    return true;
}
