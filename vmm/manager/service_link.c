/* SPDX-License-Identifier: MIT
 * Control channels of guests: a console (abi/console.h) between the manager, which serves it, and drivers-dom, which
 * shows it to the guest as a virtio-console port. */
#include "control_link.h"
#include "domain_process.h"
#include "service_parts.h"
#include "window.h"

#define LINKS  (LAYOUT_CONSOLE + (1ull << 39)) /* slot i's console in the manager's address space: + i * STRIDE */
#define STRIDE 0x80000ull

static struct console *link_address(unsigned slot) { return (struct console *)(LINKS + slot * STRIDE); }

enum status service_link_open(struct manager *manager, struct domain *domain, unsigned slot)
{
    struct service *service = manager->service;
    struct control_channel *entry = &service->control->channels[slot];
    struct console *console = link_address(slot);
    struct extent memory;
    enum status status = domain_take(domain, sizeof(*console), PAGE_SIZE, &memory);
    status = status == OK ? window_clear(memory.base, memory.size) : status;
    status = status == OK ? sys_domain_map(HANDLE_SELF, SPACE_PROCESS | MAP_READ | MAP_WRITE, memory.base,
                                           (uint64_t)console, memory.size)
                          : status;
    if (status != OK) {
        return status;
    }
    console->magic = CONSOLE_MAGIC;
    console->far.sleeping = 1;
    service->links[slot].console = memory.base;
    service->links[slot].session = control_link_open(manager, console);
    if (service->links[slot].session == NULL) {
        (void)sys_domain_unmap(HANDLE_SELF, SPACE_PROCESS, (uint64_t)console, sizeof(*console));
        return ERR_MEMORY;
    }
    entry->console = memory.base;
    entry->console_handle = service->control->control_handle;
    return service_link_share(service, &service->domain, slot);
}

void service_link_close(struct service *service, unsigned slot)
{
    struct service_link *link = &service->links[slot];
    if (link->session == NULL) {
        return;
    }
    control_close(link->session);
    link->session = NULL;
    (void)sys_domain_unmap(service->domain.handle, SPACE_GUEST, link->console, sizeof(struct console));
    (void)sys_domain_unmap(HANDLE_SELF, SPACE_PROCESS, (uint64_t)link_address(slot), sizeof(struct console));
}

enum status service_link_share(const struct service *service, const struct domain *domain, unsigned slot)
{
    const struct service_link *link = &service->links[slot];
    return link->session != NULL ? service_map(domain, MAP_READ | MAP_WRITE, link->console, sizeof(struct console))
                                 : OK;
}
