/* SPDX-License-Identifier: MIT
 * The terminal while drivers-dom does not have it, and the manager's own messages. */
#include "terminal.h"

#include <stdio.h>
#include <string.h>
#include "abi/control.h"
#include "bulkhead/libc.h"
#include "bulkhead/syscall.h"
#include "console_ring.h"
#include "domain_process.h"
#include "service.h"
#include "terminal_parts.h"
#include "window.h"

#define POLL_MS   10u
#define FINISH_MS 500u /* for drivers-dom to print what is left */
#define PIECE     256u /* for COM1 at once */

struct mux terminal_mux;
static struct console *own; /* null: not yet */
static struct manager *the_manager;
static uint64_t log_position; /* of the kernel's messages */

/* --- the terminal in the manager's hands --- */

static uint32_t room(void *context)
{
    (void)context;
    return 4 * PIECE;
}

static void write_port(void *context, const char *text, uint32_t size)
{
    (void)context;
    for (uint32_t part; size > 0; text += part, size -= part) {
        part = size < PIECE ? size : PIECE;
        memcpy(thread_state()->text, text, part);
        (void)sys_console_write(part);
    }
}

static void signal_near(void *context, unsigned entry)
{
    const struct manager *manager = context;
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        const struct domain *domain = &manager->domains[i];
        if (domain->console.entry == entry && domain->phase == PHASE_RUNNING) {
            (void)sys_event_signal(domain->console.input_event);
        }
    }
}

static const struct mux_ops mux_ops = { .room = room, .write = write_port, .signal = signal_near };

static void read_port(void)
{
    uint32_t count = 0;
    while (sys_console_read(STATE_TEXT_SIZE, &count) == OK && count > 0) {
        char text[STATE_TEXT_SIZE];
        memcpy(text, thread_state()->text, count);
        mux_input(&terminal_mux, text, count);
    }
}

/* --- the manager's own messages --- */

/* drivers-dom has the terminal, and sleeps. */
static void wake_printer(const struct manager *manager)
{
    if (console_ring_sleeps(own)) {
        service_signal(manager, CONTROL_OUTPUT_EVENT);
    }
}

const struct console *terminal_messages(void) { return own; }

static void put(const char *text, size_t length)
{
    console_ring_put(own, text, length);
    if (terminal_is_ours(the_manager)) {
        (void)mux_output(&terminal_mux);
    } else {
        wake_printer(the_manager);
    }
}

/* Console text has CR LF, as a terminal wants it. */
void libc_write(const char *text, size_t length)
{
    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        size_t part = end != NULL ? (size_t)(end - text) : length;
        own != NULL ? put(text, part) : write_port(NULL, text, (uint32_t)part);
        if (end == NULL) {
            return;
        }
        own != NULL ? put("\r\n", 2) : write_port(NULL, "\r\n", 2);
        text += part + 1;
        length -= part + 1;
    }
}

/* Takes over the kernel's messages. */
static void pull_log(void)
{
    uint32_t count = 0, lost = 0;
    while (sys_log_read(log_position, 1, &count, &lost) == OK && count > 0) {
        char text[STATE_TEXT_SIZE];
        memcpy(text, thread_state()->text, count);
        log_position += count + lost;
        put(text, count);
    }
}

/* --- the start --- */

static enum status make_control(struct manager *manager)
{
    struct extent *memory = &manager->control_memory;
    memory->size = CONTROL_PAGES * PAGE_SIZE;
    enum status status = memory_take(memory->size, PAGE_SIZE, &memory->base);
    status = status == OK ? window_clear(memory->base, memory->size) : status;
    status = status == OK ? sys_domain_map(HANDLE_SELF, SPACE_PROCESS | MAP_READ | MAP_WRITE, memory->base,
                                           LAYOUT_CHANNEL, memory->size)
                          : status;
    manager->control = (struct control *)LAYOUT_CHANNEL;
    return status;
}

enum status terminal_init(struct manager *manager)
{
    uint64_t base;
    enum status status = make_control(manager);
    if (status != OK) {
        return status;
    }
    the_manager = manager;
    manager->control->magic = CONTROL_MAGIC;
    manager->control->control_handle = HANDLE_NONE;
    manager->control->focus = MUX_NOBODY;
    mux_init(&terminal_mux, &mux_ops, manager, manager->control);
    status = terminal_make(manager, TERMINAL_ENTRY_MANAGER, CONSOLE_SYSTEM, "manager", sizeof(struct console), &base);
    if (status != OK) {
        return status;
    }
    struct console *console = (struct console *)terminal_address(TERMINAL_ENTRY_MANAGER);
    uint32_t count = 0, lost = 0;
    while (sys_log_read(log_position, 1, &count, &lost) == OK && count > 0) { /* the kernel has printed these */
        console_ring_put(console, thread_state()->text, count);
        log_position += count + lost;
    }
    console->far.printed = console->near.produced;
    own = console;
    return OK;
}

/* --- who has the terminal --- */

void terminal_reclaim(const struct manager *manager)
{
    bool had = !terminal_is_ours(manager);
    manager->control->console_wanted = 0;
    __atomic_store_n(&manager->control->console_owner, 0, __ATOMIC_RELEASE);
    if (had) {
        (void)sys_console_write(0); /* the screen shows the manager's messages again */
    }
}

void terminal_set_focus(const struct manager *manager)
{
    struct control *control = manager->control;
    control->focus =
        control->consoles[TERMINAL_ENTRY_SHELL].kind == CONSOLE_CONTROL ? TERMINAL_ENTRY_SHELL : MUX_NOBODY;
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        const struct domain *domain = &manager->domains[i];
        const char *wanted = manager->config.focus;
        unsigned entry = domain->phase != PHASE_RUNNING ? 0
                         : domain->config->console      ? domain->console.entry
                                                        : domain->hvc.entry;
        if (entry != 0 && (wanted[0] == 0 || strcmp(wanted, domain->config->name) == 0)) {
            control->focus = entry;
            return;
        }
    }
}

void terminal_poll(struct manager *manager)
{
    pull_log();
    if (!terminal_is_ours(manager)) {
        return;
    }
    (void)mux_output(&terminal_mux);
    read_port();
    if (__atomic_load_n(&manager->control->console_wanted, __ATOMIC_ACQUIRE) &&
        service_handle(manager) != HANDLE_NONE) {
        __atomic_store_n(&manager->control->console_owner, 1, __ATOMIC_RELEASE);
        service_announce(manager);
    }
}

uint64_t terminal_deadline(const struct manager *manager)
{
    return terminal_is_ours(manager) ? __builtin_ia32_rdtsc() + manager->info->tsc_hz / 1000 * POLL_MS : 0;
}

static bool all_printed(const struct manager *manager)
{
    for (unsigned i = 0; i < CONTROL_MAX_CONSOLES; i++) {
        uint32_t kind = manager->control->consoles[i].kind;
        if ((kind == CONSOLE_DOMAIN || kind == CONSOLE_SYSTEM) &&
            console_ring_waiting((const struct console *)terminal_address(i)) > 0) {
            return false;
        }
    }
    return __atomic_load_n(&manager->control->console_pending, __ATOMIC_ACQUIRE) ==
           0; /* raised before the consoles' counts are */
}

void terminal_finish(struct manager *manager)
{
    manager->control->focus = MUX_NOBODY; /* the shell holds nothing back any more */
    service_announce(manager);
    for (unsigned ms = 0; ms < FINISH_MS && !terminal_is_ours(manager) && !all_printed(manager); ms++) {
        domain_wait_ms(manager);
    }
    service_stop(manager);
    terminal_reclaim(manager);
    (void)mux_output(&terminal_mux);
}
