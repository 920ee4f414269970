/* SPDX-License-Identifier: MIT
 * The control server in the manager: which consoles it serves, and how the far ends are told. */
#pragma once

#include "control_server.h"
#include "domain.h"

#define CONTROL_LINK_EVENT (EVENT_FIRST + 1) /* bit of the manager: a control channel has input */

/* The shell's session, before drivers-dom is started. */
must_use enum status control_link_init(struct manager *manager);
/* drivers-dom is new and has inherited nothing: a handle to the event that tells of input in any control channel. */
must_use enum status control_link_introduce(const struct manager *manager, handle_t service);
/* Begins to serve a console; null if there are too many. Its far end is in drivers-dom. */
struct control_session *control_link_open(struct manager *manager, struct console *console);
/* control_serve(). */
bool control_link_serve(struct manager *manager, uint64_t *wake);
/* Room for an answer, between two calls. */
struct command_answer *control_link_answer(void);
