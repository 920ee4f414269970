/* SPDX-License-Identifier: MIT
 * The boot configuration's commands. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lifecycle.h"
#include "window.h"

struct script {
    const char *name, *at, *end; /* of the file */
    unsigned number;             /* of the line at hand */
    unsigned errors;
    bool busy, may_fail;
    char shown[80]; /* the line for messages */
    char text[REQUEST_MAX + 1];
    struct command_line line;
};

#define SCRIPT_MAX (1u << 20) /* bytes: a larger file is hardly one of commands */

static struct script script;

void script_open(struct manager *manager)
{
    const char *name = manager->config.commands;
    if (name[0] == 0) {
        return;
    }
    const struct boot_module *file = file_find(manager->info, name);
    if (file == NULL || file->size == 0) {
        return; /* config_check_files() has named the one that is not there */
    }
    const char *text = file->size <= SCRIPT_MAX ? file_map(file) : NULL;
    manager->script = &script;
    script.name = name;
    if (text == NULL) {
        printf("bulkhead: %s:%u: commands = \"%s\": %s\n", manager->config_file,
               config_host_line(&manager->config, "commands"), name,
               file->size > SCRIPT_MAX ? "a file of commands has at most 1 MiB of text; is this the right one?"
                                       : "the kernel did not map the file");
        script.errors++;
        return;
    }
    script.at = text;
    script.end = text + file->size;
}

bool script_running(const struct manager *manager)
{
    const struct script *s = manager->script;
    return s != NULL && (s->busy || s->at < s->end);
}

unsigned script_errors(const struct manager *manager) { return manager->script != NULL ? manager->script->errors : 0; }

/* Takes the next line and cuts it into words. */
static void next_line(struct script *s)
{
    const char *end = memchr(s->at, '\n', (size_t)(s->end - s->at)), *from = s->at;
    size_t length = (size_t)((end != NULL ? end : s->end) - from);
    s->at += length + (end != NULL);
    s->number++;
    while (length > 0 && (from[0] == ' ' || from[0] == '\t')) {
        from++;
        length--;
    }
    length -= length > 0 && from[length - 1] == '\r';
    s->may_fail = length > 0 && from[0] == '-';
    from += s->may_fail;
    length -= s->may_fail;
    if (length > 0 && from[0] == '#') {
        length = 0;
    }
    memset(&s->line, 0, sizeof(s->line));
    snprintf(s->shown, sizeof(s->shown), "%.*s", (int)(length < 70 ? length : 70), from);
    if (length > REQUEST_MAX || memchr(from, 0, length) != NULL) {
        s->line.wrong = "the line is longer than 4000 bytes or has a zero byte";
    } else {
        memcpy(s->text, from, length);
        s->text[length] = 0;
        s->line.wrong = request_parse(&s->line.request, s->text);
    }
    s->busy = true;
}

#define SHORT_RESULT 120u

/* The length of the part of a result that makes a line: a table's row, or some members of an object. */
static size_t part_of(const char *text, size_t length)
{
    unsigned depth = 0;
    bool string = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') {
            string = !string;
        } else if (string) {
            i += text[i] == '\\';
        } else if (text[i] == '{' || text[i] == '[') {
            depth++;
        } else if (text[i] == '}' || text[i] == ']') {
            depth -= depth > 0;
        } else if (text[i] == ',' && depth == 0 && (text[i + 1] == '{' || i > SHORT_RESULT / 2)) {
            return i + 1;
        }
    }
    return length;
}

/* A long result in several lines, without its outer brackets: other consoles' output may stand between lines, not in
 * them. */
static void print_parts(const char *text, size_t length)
{
    bool brackets = text[0] == '{' || text[0] == '[';
    text += brackets;
    length -= 2u * brackets;
    while (length > 0) {
        size_t part = part_of(text, length);
        printf("bulkhead:   %.*s\n", (int)part, text);
        text += part;
        length -= part;
    }
}

static void print_answer(struct script *s, const struct command_answer *answer)
{
    if (answer->length == 0) {
        return; /* an empty line */
    }
    size_t length = answer->result_end - answer->result;
    const char *text = answer->text + answer->result;
    bool null = length == 4 && memcmp(text, "null", 4) == 0;
    printf("bulkhead: %s:%u: %s: %s", s->name, s->number, s->shown, answer->ok ? "" : "error: ");
    if (length <= SHORT_RESULT || !answer->ok) {
        printf("%.*s\n", null ? 4 : (int)length, null ? "done" : text);
    } else {
        printf("\n");
        print_parts(text, length);
    }
    s->errors += !answer->ok && !s->may_fail;
}

bool script_run(struct manager *manager, unsigned budget, uint64_t *wake, struct command_answer *answer)
{
    while (script_running(manager)) {
        struct script *s = manager->script;
        if (budget-- == 0) {
            return true;
        }
        if (!s->busy) {
            next_line(s);
        }
        if (!command_execute(manager, &s->line, __builtin_ia32_rdtsc(), answer)) {
            wake_sooner(wake, answer->wake);
            return false;
        }
        s->busy = false;
        print_answer(s, answer);
    }
    return false;
}
