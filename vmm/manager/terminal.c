/* SPDX-License-Identifier: MIT
 * The consoles, and the terminal while drivers-dom does not have it. */
#include "terminal.h"

#include <stdio.h>
#include <string.h>
#include "abi/control.h"
#include "bulkhead/libc.h"
#include "bulkhead/syscall.h"
#include "console_mux.h"
#include "console_ring.h"
#include "domain_process.h"
#include "service.h"
#include "window.h"

#define STRIDE 0x80000ul /* of consoles in the manager's address space */
#define POLL_MS 10u
#define CLOSE_MS 200u
#define FINISH_MS 500u   /* for drivers-dom to print what is left */
#define PIECE 256u       /* for COM1 at once */

static struct mux mux;           /* used while the manager has the terminal */
static struct console *own;      /* null: not yet */
static struct manager *the_manager;
static uint64_t log_position;    /* of the kernel's messages */

static uint64_t address_of(unsigned entry) { return LAYOUT_CONSOLE + entry * STRIDE; }

static bool have_terminal(const struct manager *manager)
{
    return !__atomic_load_n(&manager->control->console_owner, __ATOMIC_ACQUIRE);
}

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

static const struct mux_ops mux_ops = {.room = room, .write = write_port, .signal = signal_near};

static void read_port(void)
{
    uint32_t count = 0;
    while (sys_console_read(STATE_TEXT_SIZE, &count) == OK && count > 0) {
        char text[STATE_TEXT_SIZE];
        memcpy(text, thread_state()->text, count);
        mux_input(&mux, text, count);
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
    if (have_terminal(the_manager)) {
        (void)mux_output(&mux);
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

/* --- consoles --- */

static enum status make(const struct manager *manager, unsigned entry, uint32_t kind, const char *name, uint64_t size, uint64_t *base)
{
    struct control_console *shared = &manager->control->consoles[entry];
    enum status status = memory_take(size, PAGE_SIZE, base);
    if (status != OK) {
        return status;
    }
    status = window_clear(*base, size);
    status = status == OK ? sys_domain_map(HANDLE_SELF, SPACE_PROCESS | MAP_READ | MAP_WRITE, *base, address_of(entry), size) : status;
    if (status != OK) {
        memory_give(*base, size);
        return status;
    }
    struct console *console = (struct console *)address_of(entry);
    console->magic = CONSOLE_MAGIC;
    console->far.sleeping = 1;
    uint32_t serial = shared->serial + 1;
    *shared = (struct control_console){.serial = serial, .console = *base, .input_handle = HANDLE_NONE};
    snprintf(shared->name, sizeof(shared->name), "%s", name);
    __atomic_store_n(&shared->kind, kind, __ATOMIC_RELEASE);
    mux_attach(&mux, entry, console);
    return OK;
}

static enum status make_control(struct manager *manager)
{
    struct extent *memory = &manager->control_memory;
    memory->size = CONTROL_PAGES * PAGE_SIZE;
    enum status status = memory_take(memory->size, PAGE_SIZE, &memory->base);
    status = status == OK ? window_clear(memory->base, memory->size) : status;
    status = status == OK ? sys_domain_map(HANDLE_SELF, SPACE_PROCESS | MAP_READ | MAP_WRITE, memory->base, LAYOUT_CHANNEL, memory->size) : status;
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
    mux_init(&mux, &mux_ops, manager, manager->control);
    status = make(manager, TERMINAL_ENTRY_MANAGER, CONSOLE_SYSTEM, "manager", sizeof(struct console), &base);
    if (status != OK) {
        return status;
    }
    struct console *console = (struct console *)address_of(TERMINAL_ENTRY_MANAGER);
    uint32_t count = 0, lost = 0;
    while (sys_log_read(log_position, 1, &count, &lost) == OK && count > 0) { /* the kernel has printed these */
        console_ring_put(console, thread_state()->text, count);
        log_position += count + lost;
    }
    console->far.printed = console->near.produced;
    own = console;
    return OK;
}

struct console *terminal_open_shell(struct manager *manager)
{
    uint64_t base;
    enum status status = make(manager, TERMINAL_ENTRY_SHELL, CONSOLE_CONTROL, "shell", sizeof(struct console), &base);
    return status == OK ? (struct console *)address_of(TERMINAL_ENTRY_SHELL) : NULL;
}

static unsigned free_entry(const struct manager *manager)
{
    unsigned entry = TERMINAL_ENTRY_SHELL + 1;
    while (entry < CONTROL_MAX_CONSOLES && manager->control->consoles[entry].kind != CONSOLE_NONE) {
        entry++;
    }
    return entry;
}

static enum status tell_service(const struct manager *manager, const struct domain_console *console, handle_t service)
{
    const struct control_console *shared = &manager->control->consoles[console->entry];
    if (service == HANDLE_NONE) {
        return OK;
    }
    return sys_domain_map(service, SPACE_GUEST | MAP_READ | MAP_WRITE, shared->console, shared->console, sizeof(struct console));
}

/* The event that the monitor signals when drivers-dom sleeps. A restarted drivers-dom has inherited its own. */
static enum status make_output_event(struct domain *domain, handle_t service)
{
    handle_t event;
    if (service == HANDLE_NONE || domain->console.output_handle != HANDLE_NONE) {
        return OK;
    }
    enum status status = sys_event_of(service, EVENT_TARGET_PV, CONTROL_OUTPUT_EVENT, &event);
    if (status == OK) {
        status = sys_handle_copy(domain->handle, event, RIGHT_SIGNAL, &domain->console.output_handle);
        (void)sys_handle_close(event);
    }
    return status;
}

/* Until drivers-dom has seen what was announced; one that does not answer loses the memory all the same, and its monitor says so. */
static void let_see(const struct manager *manager)
{
    uint32_t version = manager->control->version;
    for (unsigned ms = 0; ms < CLOSE_MS && service_handle(manager) != HANDLE_NONE; ms++) {
        if ((int32_t)(__atomic_load_n(&manager->control->seen_version, __ATOMIC_ACQUIRE) - version) >= 0) {
            return;
        }
        domain_wait_ms(manager);
    }
}

static void close_console(struct manager *manager, struct domain_console *console)
{
    if (console->entry == 0) {
        return;
    }
    struct control_console *shared = &manager->control->consoles[console->entry];
    __atomic_store_n(&shared->kind, CONSOLE_NONE, __ATOMIC_RELEASE);
    service_announce(manager);
    mux_attach(&mux, console->entry, NULL);
    let_see(manager);
    handle_t service = service_handle(manager);
    if (service != HANDLE_NONE) { /* what drivers-dom still reads there is not there any more: its monitor answers with ones */
        (void)sys_domain_unmap(service, SPACE_GUEST, console->base, sizeof(struct console));
    }
    (void)sys_domain_unmap(HANDLE_SELF, SPACE_PROCESS, address_of(console->entry), console->size);
    memory_give(console->base, console->size);
    *console = (struct domain_console){.output_handle = HANDLE_NONE};
}

/* `size` bytes of memory: the console and what lies behind it. */
static enum status open_console(struct manager *manager, struct domain_console *console, uint32_t kind, const char *name, uint64_t size,
                                handle_t service)
{
    unsigned entry = free_entry(manager);
    if (entry == CONTROL_MAX_CONSOLES) {
        return ERR_MEMORY;
    }
    enum status status = make(manager, entry, kind, name, size, &console->base);
    if (status != OK) {
        return status;
    }
    console->size = size;
    console->entry = entry;
    console->ring = (struct console *)address_of(entry);
    console->output_handle = console->input_event = console->power_event = HANDLE_NONE;
    status = tell_service(manager, console, service);
    if (status != OK) {
        close_console(manager, console);
    }
    return status;
}

enum status terminal_open(struct manager *manager, struct domain *domain)
{
    struct domain_console *console = &domain->console;
    handle_t service = domain->identity ? domain->handle : service_handle(manager);
    if (console->entry == 0) {
        enum status status = open_console(manager, console, domain->identity ? CONSOLE_SYSTEM : CONSOLE_DOMAIN, domain->config->name,
                                          sizeof(struct console) + sizeof(struct account), service);
        if (status != OK) {
            return status;
        }
        console->account = (struct account *)(console->ring + 1);
    }
    if (!domain->identity) {
        console->output_handle = HANDLE_NONE; /* that of its former life went with it */
    }
    return make_output_event(domain, service);
}

enum status terminal_open_hvc(struct manager *manager, struct domain *domain, const char *device, struct control_channel *entry)
{
    struct domain_console *console = &domain->hvc;
    enum status status = OK;
    if (console->entry == 0) {
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "%.25s.%.5s", domain->config->name, device);
        status = open_console(manager, console, CONSOLE_DOMAIN, name, sizeof(struct console), service_handle(manager));
    }
    if (status == OK) {
        entry->console = console->base;
        entry->console_near = 1;
        entry->console_handle = HANDLE_NONE;
        __atomic_store_n(&manager->control->consoles[console->entry].running, 1, __ATOMIC_RELEASE);
    }
    return status;
}

enum status terminal_connect(struct manager *manager, struct domain *domain)
{
    struct domain_console *console = &domain->console;
    struct control_console *shared = &manager->control->consoles[console->entry];
    handle_t service = service_handle(manager);
    enum status status = sys_event_of(domain->handle, EVENT_TARGET_STATE, START_EVENT_CONSOLE, &console->input_event);
    status = status == OK ? sys_event_of(domain->handle, EVENT_TARGET_STATE, START_EVENT_POWER, &console->power_event) : status;
    shared->input_handle = HANDLE_NONE;
    if (status == OK && service != HANDLE_NONE && !domain->identity) {
        status = sys_handle_copy(service, console->input_event, RIGHT_SIGNAL, &shared->input_handle);
    }
    if (status == OK) {
        __atomic_store_n(&shared->running, 1, __ATOMIC_RELEASE);
        service_announce(manager);
    }
    return status;
}

static void close_event(handle_t *event)
{
    if (*event != HANDLE_NONE) {
        (void)sys_handle_close(*event);
        *event = HANDLE_NONE;
    }
}

void terminal_ended(const struct manager *manager, struct domain *domain)
{
    if (domain->console.entry != 0) {
        close_event(&domain->console.input_event);
        close_event(&domain->console.power_event);
        __atomic_store_n(&manager->control->consoles[domain->console.entry].running, 0, __ATOMIC_RELEASE);
        service_announce(manager);
    }
    if (domain->hvc.entry != 0) {
        __atomic_store_n(&manager->control->consoles[domain->hvc.entry].running, 0, __ATOMIC_RELEASE);
        service_announce(manager);
    }
    if (have_terminal(manager)) {
        (void)mux_refocus(&mux, false); /* there is no shell without drivers-dom */
    }
}

void terminal_close(struct manager *manager, struct domain *domain)
{
    close_console(manager, &domain->console);
    close_console(manager, &domain->hvc);
}

enum status terminal_share(const struct manager *manager, const struct domain *service)
{
    enum status status = OK;
    for (unsigned i = 0; status == OK && i < CONTROL_MAX_CONSOLES; i++) {
        const struct control_console *shared = &manager->control->consoles[i];
        if (shared->kind != CONSOLE_NONE) {
            status = sys_domain_map(service->handle, SPACE_GUEST | MAP_READ | MAP_WRITE, shared->console, shared->console, sizeof(struct console));
        }
    }
    return status;
}

/* --- who has the terminal --- */

void terminal_reclaim(const struct manager *manager)
{
    bool had = !have_terminal(manager);
    manager->control->console_wanted = 0;
    __atomic_store_n(&manager->control->console_owner, 0, __ATOMIC_RELEASE);
    if (had) {
        (void)sys_console_write(0); /* the screen shows the manager's messages again */
    }
}

void terminal_set_focus(const struct manager *manager)
{
    struct control *control = manager->control;
    control->focus = control->consoles[TERMINAL_ENTRY_SHELL].kind == CONSOLE_CONTROL ? TERMINAL_ENTRY_SHELL : MUX_NOBODY;
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        const struct domain *domain = &manager->domains[i];
        const char *wanted = manager->config.focus;
        unsigned entry = domain->phase != PHASE_RUNNING ? 0 : domain->config->console ? domain->console.entry : domain->hvc.entry;
        if (entry != 0 && (wanted[0] == 0 || strcmp(wanted, domain->config->name) == 0)) {
            control->focus = entry;
            return;
        }
    }
}

void terminal_poll(struct manager *manager)
{
    pull_log();
    if (!have_terminal(manager)) {
        return;
    }
    (void)mux_output(&mux);
    read_port();
    if (__atomic_load_n(&manager->control->console_wanted, __ATOMIC_ACQUIRE) && service_handle(manager) != HANDLE_NONE) {
        __atomic_store_n(&manager->control->console_owner, 1, __ATOMIC_RELEASE);
        service_announce(manager);
    }
}

uint64_t terminal_deadline(const struct manager *manager)
{
    return have_terminal(manager) ? __builtin_ia32_rdtsc() + manager->info->tsc_hz / 1000 * POLL_MS : 0;
}

static bool all_printed(const struct manager *manager)
{
    for (unsigned i = 0; i < CONTROL_MAX_CONSOLES; i++) {
        uint32_t kind = manager->control->consoles[i].kind;
        if ((kind == CONSOLE_DOMAIN || kind == CONSOLE_SYSTEM) && console_ring_waiting((const struct console *)address_of(i)) > 0) {
            return false;
        }
    }
    return __atomic_load_n(&manager->control->console_pending, __ATOMIC_ACQUIRE) == 0; /* raised before the consoles' counts are */
}

void terminal_finish(struct manager *manager)
{
    manager->control->focus = MUX_NOBODY; /* the shell holds nothing back any more */
    service_announce(manager);
    for (unsigned ms = 0; ms < FINISH_MS && !have_terminal(manager) && !all_printed(manager); ms++) {
        domain_wait_ms(manager);
    }
    service_stop(manager);
    terminal_reclaim(manager);
    (void)mux_output(&mux);
}
