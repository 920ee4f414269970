/* SPDX-License-Identifier: MIT
 * Commands: a table of them, and how one line of text becomes one line of answer (docs/control.md). Pure; what the
 * commands do is in command_*.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "json_write.h"
#include "request.h"

#define ANSWER_MAX         60000 /* bytes of an answer, with its newline */
#define COMMAND_ERROR_SIZE 1000

struct manager;

enum command_result {
    COMMAND_DONE,   /* the result is written, or nothing: null */
    COMMAND_FAILED, /* call->error is a sentence */
    COMMAND_LATER,  /* not yet: call again, at call->wake at the latest. Nothing is written */
};

/* One command being carried out. */
struct command_call {
    struct manager *manager;
    unsigned count; /* arguments */
    char *const *arguments;
    struct json *json;
    uint64_t now;   /* host TSC */
    uint64_t since; /* host TSC when it was called first */
    uint64_t wake;  /* COMMAND_LATER: host TSC */
    char error[COMMAND_ERROR_SIZE];
};

struct command {
    const char *name;
    const char *arguments; /* as help shows them */
    const char *help;      /* one line */
    unsigned min, max;     /* number of arguments */
    enum command_result (*run)(struct command_call *call);
};

/* A line on its way to its answer. The line must stay as it is until the answer is there. */
struct command_line {
    struct request request;
    const char *wrong; /* what request_parse() has found */
    uint64_t since;    /* 0: not begun */
};

/* Carries the line out; line->request or line->wrong is set, since is 0 at first. True: the answer is written, with its
 * newline; *ok says if the command succeeded, and [*result, *result_end) is where the text of its result or error lies
 * in the answer. False: not yet; call again at *wake at the latest. An empty line has an empty answer. */
struct command_answer {
    char text[ANSWER_MAX + 1];
    size_t length;
    bool ok;
    size_t result, result_end; /* result's value or the error's string, in `text` */
    uint64_t wake;
};
bool command_execute(struct manager *manager, struct command_line *line, uint64_t now, struct command_answer *answer);

/* The commands, in the order in which help shows them; the last one has no name. */
extern const struct command command_table[];

/* Writes call->error and returns COMMAND_FAILED. */
enum command_result command_fail(struct command_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A decimal number; false if it is none or not in [low, high]. */
bool command_number(const char *text, uint64_t low, uint64_t high, uint64_t *number);
/* "help [COMMAND]". */
enum command_result command_help(struct command_call *call);
