/* SPDX-License-Identifier: MIT
 * The control server's ties to the machine. */
#include "control_link.h"

#include "service_parts.h"
#include "terminal.h"

static uint64_t now(void) { return __builtin_ia32_rdtsc(); }

static struct control_server server = { .now = now };
static handle_t input_event;

/* A control channel has an answer, and its far end sleeps. */
static void tell(void *context) { service_signal(context, CONTROL_OUTPUT_EVENT); }

enum status control_link_init(struct manager *manager)
{
    struct console *console = terminal_open_shell(manager);
    if (console == NULL || control_link_open(manager, console) == NULL) {
        return ERR_MEMORY;
    }
    return sys_event_create(HANDLE_SELF, CONTROL_LINK_EVENT, &input_event);
}

enum status control_link_introduce(const struct manager *manager, handle_t service)
{
    return sys_handle_copy(service, input_event, RIGHT_SIGNAL, &manager->control->control_handle);
}

struct control_session *control_link_open(struct manager *manager, struct console *console)
{
    return control_open(&server, console, tell, manager);
}

bool control_link_serve(struct manager *manager, uint64_t *wake)
{
    uint64_t time;
    server.manager = manager;
    server.pause = manager->info->tsc_hz / 5000;
    bool more = control_serve(&server, &time);
    if (time != 0 && (*wake == 0 || time < *wake)) {
        *wake = time;
    }
    return more;
}

struct command_answer *control_link_answer(void) { return &server.answer; }
