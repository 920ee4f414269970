/* SPDX-License-Identifier: MIT
 * The consoles of domains, of the shell and of virtio consoles: memory that outlives domain and drivers-dom. */
#include <stdio.h>
#include <string.h>
#include "bulkhead/syscall.h"
#include "console_ring.h"
#include "domain_process.h"
#include "service.h"
#include "terminal_parts.h"
#include "window.h"

#define CLOSE_MS 200u

enum status terminal_make(const struct manager *manager, unsigned entry, uint32_t kind, const char *name, uint64_t size,
                          uint64_t *base)
{
    struct control_console *shared = &manager->control->consoles[entry];
    enum status status = memory_take(size, PAGE_SIZE, base);
    if (status != OK) {
        return status;
    }
    status = window_clear(*base, size);
    status = status == OK ? sys_domain_map(HANDLE_SELF, SPACE_PROCESS | MAP_READ | MAP_WRITE, *base,
                                           terminal_address(entry), size)
                          : status;
    if (status != OK) {
        memory_give(*base, size);
        return status;
    }
    struct console *console = (struct console *)terminal_address(entry);
    console->magic = CONSOLE_MAGIC;
    console->far.sleeping = 1;
    uint32_t serial = shared->serial + 1;
    *shared = (struct control_console){ .serial = serial, .console = *base, .input_handle = HANDLE_NONE };
    snprintf(shared->name, sizeof(shared->name), "%s", name);
    __atomic_store_n(&shared->kind, kind, __ATOMIC_RELEASE);
    mux_attach(&terminal_mux, entry, console);
    return OK;
}

struct console *terminal_open_shell(struct manager *manager)
{
    uint64_t base;
    enum status status =
        terminal_make(manager, TERMINAL_ENTRY_SHELL, CONSOLE_CONTROL, "shell", sizeof(struct console), &base);
    return status == OK ? (struct console *)terminal_address(TERMINAL_ENTRY_SHELL) : NULL;
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
    return sys_domain_map(service, SPACE_GUEST | MAP_READ | MAP_WRITE, shared->console, shared->console,
                          sizeof(struct console));
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

/* Until drivers-dom has seen what was announced; one that does not answer loses the memory all the same, and its
 * monitor says so. */
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
    mux_attach(&terminal_mux, console->entry, NULL);
    let_see(manager);
    handle_t service = service_handle(manager);
    if (service !=
        HANDLE_NONE) { /* what drivers-dom still reads there is not there any more: its monitor answers with ones */
        (void)sys_domain_unmap(service, SPACE_GUEST, console->base, sizeof(struct console));
    }
    (void)sys_domain_unmap(HANDLE_SELF, SPACE_PROCESS, terminal_address(console->entry), console->size);
    memory_give(console->base, console->size);
    *console = (struct domain_console){ .output_handle = HANDLE_NONE };
}

/* `size` bytes of memory: the console and what lies behind it. */
static enum status open_console(struct manager *manager, struct domain_console *console, uint32_t kind,
                                const char *name, uint64_t size, handle_t service)
{
    unsigned entry = free_entry(manager);
    if (entry == CONTROL_MAX_CONSOLES) {
        return ERR_MEMORY;
    }
    enum status status = terminal_make(manager, entry, kind, name, size, &console->base);
    if (status != OK) {
        return status;
    }
    console->size = size;
    console->entry = entry;
    console->ring = (struct console *)terminal_address(entry);
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
        enum status status =
            open_console(manager, console, domain->identity ? CONSOLE_SYSTEM : CONSOLE_DOMAIN, domain->config->name,
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

enum status terminal_open_hvc(struct manager *manager, struct domain *domain, const char *device,
                              struct control_channel *entry)
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
    status = status == OK ? sys_event_of(domain->handle, EVENT_TARGET_STATE, START_EVENT_POWER, &console->power_event)
                          : status;
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
    if (terminal_is_ours(manager)) {
        (void)mux_refocus(&terminal_mux, false); /* there is no shell without drivers-dom */
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
            status = sys_domain_map(service->handle, SPACE_GUEST | MAP_READ | MAP_WRITE, shared->console,
                                    shared->console, sizeof(struct console));
        }
    }
    return status;
}
