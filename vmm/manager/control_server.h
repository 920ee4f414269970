/* SPDX-License-Identifier: MIT
 * The control server: requests in, answers out, over consoles whose near end is the manager (docs/control.md). Pure:
 * what tells the far end, and what carries out a line, come from outside.
 *
 * A client may write anything, never read, or never write: it gets no further than its own console. Nothing of the far
 * end is used without a check; a session holds one line, and an answer is made only when there is room for it. */
#pragma once

#include "abi/console.h"
#include "command.h"

#define CONTROL_CANCEL 0x18 /* CAN: ends a command that waits */
#define CONTROL_SESSIONS 17 /* the shell's, and one for each of 16 domains with control = yes */

struct control_session {
    struct console *console;     /* null: no session */
    uint64_t consumed, produced; /* near's counts: what the page says is never read back */
    char text[REQUEST_MAX + 1];  /* the line so far; while `busy`, the one that is carried out */
    size_t length;
    bool too_long; /* the rest of the line is dropped */
    bool busy;
    uint32_t serial; /* another number for each session */
    struct command_line line;
    uint64_t not_before;         /* host TSC: the next request is looked at then */
    void (*tell)(void *context); /* the far end sleeps: wake it */
    void *context;
};

struct control_server {
    struct manager *manager;
    uint64_t (*now)(void);
    uint64_t pause; /* TSC ticks between two requests of a session, at least: a client gets half of a CPU at most */
    uint32_t next_serial;
    struct control_session sessions[CONTROL_SESSIONS];
    struct command_answer answer; /* being made; one thread */
};

/* Begins to serve the console, which is new or was served before: requests that were not looked at are. Null if all are
 * in use. */
struct control_session *control_open(struct control_server *server, struct console *console,
                                     void (*tell)(void *context), void *context);
void control_close(struct control_session *session);
/* Carries out what can be carried out now, at most one request of each session; false if nothing more can be done until
 * the far end of a session does something, or the TSC reaches *wake (0: no such time). */
bool control_serve(struct control_server *server, uint64_t *wake);
