/* SPDX-License-Identifier: MIT
 * The shell in drivers-dom: the far end of its control channel, its clock, its way to the terminal. */
#include "shell_host.h"
#include <stdlib.h>
#include <string.h>
#include "service.h"
#include "shell.h"

#define NS_PER_MS 1000000ull
#define PIECE 512u
#define WORK_BYTES 4096u /* of answers in one round */

static struct {
    struct mux *mux;
    struct shell *shell; /* null: there is none */
    struct console *console;
    uint32_t handle;
    bool waits;          /* the terminal had no room for all of its text */
    bool writing;        /* what the mux writes now is the shell's */
    bool shown;
    struct service_timer timer;
} host;

static size_t write_text(void *context, const char *text, size_t size)
{
    (void)context;
    host.writing = true;
    uint32_t taken = mux_shell_write(host.mux, text, (uint32_t)size);
    host.writing = false;
    host.waits |= taken < size;
    return taken;
}

static bool send_request(void *context, const char *request, size_t size)
{
    (void)context;
    struct console *console = host.console;
    if (console == NULL || size > CONSOLE_INPUT) {
        return false;
    }
    uint64_t typed = console->far.typed, waiting = typed - __atomic_load_n(&console->near.consumed, __ATOMIC_ACQUIRE);
    if (waiting <= CONSOLE_INPUT && size > CONSOLE_INPUT - waiting) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        console->input[(typed + i) % CONSOLE_INPUT] = request[i];
    }
    __atomic_store_n(&console->far.typed, typed + size, __ATOMIC_RELEASE);
    service_signal(host.handle);
    return true;
}

static enum status focus(void *context, const char *name)
{
    (void)context;
    return mux_focus(host.mux, name);
}

static uint64_t now_ms(void *context)
{
    (void)context;
    return service_now() / NS_PER_MS;
}

static void wake(void *context, uint64_t at_ms)
{
    (void)context;
    if (at_ms == SHELL_NEVER) {
        service_timer_cancel(&host.timer);
    } else {
        service_timer_arm(&host.timer, at_ms * NS_PER_MS);
    }
}

static void tick(void *context)
{
    (void)context;
    shell_tick(host.shell);
}

static const struct shell_host calls = {
    .write = write_text, .send = send_request, .focus = focus, .leave = NULL, .now_ms = now_ms, .wake = wake,
};

bool shell_host_init(struct mux *mux)
{
    void *storage = malloc(shell_size());
    if (storage == NULL) {
        return false;
    }
    host.mux = mux;
    host.timer.fire = tick;
    host.shell = shell_init(storage, &calls, NULL);
    return true;
}

void shell_host_channel(struct console *console, uint32_t handle)
{
    host.handle = handle;
    if (console == host.console || host.shell == NULL) {
        return;
    }
    host.console = console;
    if (console != NULL) { /* answers to a former shell */
        __atomic_store_n(&console->far.printed, __atomic_load_n(&console->near.produced, __ATOMIC_ACQUIRE),
                         __ATOMIC_RELEASE);
    }
    shell_channel(host.shell, console != NULL);
}

void shell_host_input(const char *text, uint32_t size)
{
    if (host.shell != NULL) {
        shell_input(host.shell, text, size);
    }
}

void shell_host_shown(bool shown)
{
    if (host.shell != NULL && shown != host.shown) {
        host.shown = shown;
        shell_shown(host.shell, shown);
    }
}

void shell_host_redraw(void)
{
    if (host.shell != NULL) {
        shell_redraw(host.shell);
    }
}

bool shell_host_writing(void) { return host.writing; }

bool shell_host_waits(void) { return host.waits; }

/* True: there was something. */
static bool take_answer(void)
{
    struct console *console = host.console;
    uint64_t printed = console->far.printed, produced = __atomic_load_n(&console->near.produced, __ATOMIC_ACQUIRE);
    uint64_t size = produced - printed;
    if (size > CONSOLE_OUTPUT) { /* a broken count, or an answer that was overwritten */
        printed = produced;
        size = 0;
    }
    char text[PIECE];
    size = size < PIECE ? size : PIECE;
    for (uint32_t i = 0; i < size; i++) {
        text[i] = __atomic_load_n(&console->output[(printed + i) % CONSOLE_OUTPUT], __ATOMIC_RELAXED);
    }
    __atomic_store_n(&console->far.printed, printed + size, __ATOMIC_RELEASE);
    if (size > 0 && printed + size == produced) {
        service_signal(host.handle); /* the manager looks at the next request when the answer has been taken */
    }
    if (size > 0) {
        shell_answer(host.shell, text, size);
    }
    return size > 0;
}

bool shell_host_work(void)
{
    if (host.shell == NULL) {
        return false;
    }
    if (host.waits) {
        host.waits = false;
        shell_room(host.shell);
    }
    for (uint32_t bytes = 0; host.console != NULL && bytes < WORK_BYTES; bytes += PIECE) {
        if (!take_answer()) {
            return false;
        }
    }
    return host.console != NULL;
}
