/* SPDX-License-Identifier: MIT
 * The shell's own state, and what its files call in each other. */
#pragma once

#include "catalog.h"
#include "editor.h"
#include "json_read.h"
#include "sink.h"

#define QUEUE_SIZE 2048u /* power of two: what is typed while a command is on its way */
#define TAG_SIZE   12u

enum shell_state {
    STATE_EDIT, /* a line is being typed */
    STATE_WAIT, /* for an answer */
    STATE_SHOW, /* the answer goes to the terminal */
    STATE_TOP,  /* the refreshing view; its answers come and go underneath */
};

/* What an answer is for. */
enum purpose { FOR_NOTHING, FOR_COMMAND, FOR_CATALOG, FOR_NAMES, FOR_TOP };

/* How an answer is shown. */
enum form { FORM_VALUE, FORM_LOG, FORM_JSON, FORM_ERROR, FORM_TOP };

/* The one request that is on its way, or whose answer is being shown. */
struct pending {
    enum purpose purpose;
    bool raw;        /* -j */
    bool add_local;  /* `help`: the shell's own commands come behind the manager's */
    unsigned number; /* of the request: its tag */
    uint64_t deadline;
    bool lost;                     /* the channel went down meanwhile */
    uint64_t next;                 /* of a log: where the next piece begins */
    char command[SHELL_LINE_SIZE]; /* as sent, without tag and newline */
};

struct show {
    enum form form;
    struct json_value value;
    size_t done; /* characters that are out */
};

struct top {
    uint64_t interval, next; /* ms */
    bool drawn;
};

struct shell {
    const struct shell_host *host;
    void *context;
    bool shown, up, greeted;
    enum shell_state state;
    unsigned columns, lines;
    unsigned requests; /* sent so far */
    uint64_t wake;     /* told to the host */
    struct pending pending;
    struct show show;
    struct top top;
    struct keys keys;
    struct output output;
    struct history history;
    struct editor editor;
    struct catalog catalog;
    struct choices choices;
    uint32_t queue_head, queue_tail;
    char queue[QUEUE_SIZE];
    bool holding;   /* the answer is being shown, and must stay */
    bool skip_line; /* up to its end the line from the channel is not wanted */
    size_t answer_size;
    char answer[SHELL_ANSWER_SIZE + 1];
};

/* --- shell.c --- */
/* The command is done: prompt. */
void shell_done(struct shell *shell);
void shell_draw(struct shell *shell);
/* A line for the person; nothing while the shell is not shown. */
void shell_say(struct shell *shell, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- request.c --- */
/* False: the channel takes nothing now. */
bool request_send(struct shell *shell, enum purpose purpose, const char *command);
void request_forget(struct shell *shell);
/* Forgets it, and tells the manager that nobody waits for the answer. */
void request_cancel(struct shell *shell);
void request_bytes(struct shell *shell, const char *bytes, size_t size);
void request_tick(struct shell *shell);
/* The answer will not come. */
void request_lost(struct shell *shell);

/* --- present.c --- */
void present(struct shell *shell, enum form form, struct json_value value);
/* Goes on while the terminal takes text. True: something was done. */
bool present_step(struct shell *shell);

/* --- local.c --- */
struct local {
    const char *name, *arguments, *help;
    void (*run)(struct shell *shell, const char *arguments);
};
extern const struct local local_table[]; /* the last one has no name */
void local_run(struct shell *shell, const char *line);
/* The shell's own commands as `help` shows them. */
void local_list(struct shell *shell);

/* --- top.c --- */
void top_begin(struct shell *shell, const char *arguments);
void top_end(struct shell *shell);
void top_key(struct shell *shell, int key);
void top_tick(struct shell *shell);
/* The answer came; the terminal gets it with erased line ends. */
void top_answer(struct shell *shell, struct json_value result);

/* --- complete.c --- */
void complete(struct shell *shell);
/* The answer that a completion has asked for is in the catalogue; result is null without one. */
void complete_answer(struct shell *shell, enum purpose purpose, const struct json_value *result);
