/* SPDX-License-Identifier: MIT
 * Peers. */
#include "peer.h"

#include <stdio.h>
#include <string.h>
#include "abi/hypercall.h"
#include "bulkhead/syscall.h"
#include "domain_process.h"
#include "window.h"

#define PEER_PAGES (LAYOUT_CONSOLE + (1ull << 40)) /* domain i's page in the manager's address space: + i pages */
#define FIRST_PEER_BIT 8u                          /* of the pv page: peer 0 */

static enum status make_page(struct manager *manager, struct domain *domain)
{
    struct extent page;
    uint64_t at = PEER_PAGES + (uint64_t)(domain - manager->domains) * PAGE_SIZE;
    enum status status = domain_take(domain, PAGE_SIZE, PAGE_SIZE, &page);
    status = status == OK ? window_clear(page.base, page.size) : status;
    status = status == OK ? sys_domain_map(HANDLE_SELF, SPACE_PROCESS | MAP_READ | MAP_WRITE, page.base, at, page.size) : status;
    if (status != OK) {
        return status;
    }
    domain->peers = (struct pv_peer *)at;
    for (unsigned i = 0; i < domain->config->peer_count; i++) {
        snprintf(domain->peers[i].name, sizeof(domain->peers[i].name), "%s", domain->config->peers[i]);
        domain->peers[i].event_bit = FIRST_PEER_BIT + i;
    }
    return sys_domain_map(domain->handle, SPACE_GUEST | MAP_READ, page.base, DOMAIN_PEERS, page.size);
}

enum status peer_equip(struct manager *manager, struct domain *domain)
{
    domain->peers = NULL;
    enum status status = sys_pv_enable(domain->handle, DOMAIN_PV_PAGE);
    return status == OK && domain->config->peer_count > 0 ? make_page(manager, domain) : status;
}

/* The place of `name` among the domain's peers, or null. */
static struct pv_peer *find(const struct domain *domain, const char *name)
{
    for (unsigned i = 0; domain->peers != NULL && i < domain->config->peer_count; i++) {
        if (strcmp(domain->config->peers[i], name) == 0) {
            return &domain->peers[i];
        }
    }
    return NULL;
}

static void tell(const struct domain *domain)
{
    handle_t event;
    if (sys_event_of(domain->handle, EVENT_TARGET_PV, PV_PEER_EVENT, &event) == OK) {
        (void)sys_event_signal(event);
        (void)sys_handle_close(event);
    }
}

/* What `from` needs to reach `to`. */
static enum status link_one_way(const struct domain *from, struct pv_peer *entry, const struct domain *to, uint32_t bit)
{
    handle_t event;
    enum status status = sys_event_of(to->handle, EVENT_TARGET_PV, bit, &event);
    if (status != OK) {
        return status;
    }
    status = sys_handle_copy(from->handle, event, RIGHT_SIGNAL, &entry->event);
    (void)sys_handle_close(event);
    return status == OK ? sys_handle_copy(from->handle, to->handle, RIGHT_GRANT, &entry->domain) : status;
}

static void announce(struct manager *manager, const struct domain *domain, struct pv_peer *entry)
{
    if (++manager->peer_generation == 0) {
        manager->peer_generation = 1;
    }
    __atomic_store_n(&entry->present, manager->peer_generation, __ATOMIC_RELEASE);
    tell(domain);
}

enum status peer_connect(struct manager *manager, struct domain *domain)
{
    enum status status = OK;
    for (unsigned i = 0; status == OK && i < CONFIG_MAX_DOMAINS; i++) {
        struct domain *other = &manager->domains[i];
        if (other == domain || other->phase != PHASE_RUNNING) {
            continue;
        }
        struct pv_peer *here = find(domain, other->config->name), *there = find(other, domain->config->name);
        if (here == NULL || there == NULL) {
            continue;
        }
        status = link_one_way(domain, here, other, there->event_bit);
        status = status == OK ? link_one_way(other, there, domain, here->event_bit) : status;
        if (status == OK) {
            announce(manager, domain, here);
            announce(manager, other, there);
        }
    }
    return status;
}

void peer_disconnect(const struct manager *manager, struct domain *domain)
{
    if (domain->peers == NULL) {
        return;
    }
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        const struct domain *other = &manager->domains[i];
        struct pv_peer *there = other != domain && other->phase == PHASE_RUNNING ? find(other, domain->config->name) : NULL;
        if (there != NULL && there->present) { /* its handles go with the domain */
            __atomic_store_n(&there->present, 0, __ATOMIC_RELEASE);
            tell(other);
        }
    }
    (void)sys_domain_unmap(HANDLE_SELF, SPACE_PROCESS, (uint64_t)domain->peers, PAGE_SIZE);
    domain->peers = NULL;
}
