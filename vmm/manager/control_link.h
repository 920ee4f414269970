/* SPDX-License-Identifier: MIT
 * The control server in the manager: which consoles it serves, and how the far ends are told. */
#pragma once

#include "control_server.h"
#include "domain.h"

#define CONTROL_LINK_EVENT (EVENT_FIRST + 1) /* bit of the manager: a control channel has input */

/* Begins to serve a console; null if there are too many. Its far end is in drivers-dom. */
struct control_session *control_link_open(struct manager *manager, struct console *console);
/* control_serve(). */
bool control_link_serve(struct manager *manager, uint64_t *wake);
/* Room for an answer, between two calls. */
struct command_answer *control_link_answer(void);
