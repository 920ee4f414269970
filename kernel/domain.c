/* SPDX-License-Identifier: MIT
 * Domains: create, map, end, destroy. */
#include "domain.h"
#include <stdio.h>
#include <string.h>
#include "api.h"
#include "event.h"
#include "grant.h"
#include "handle.h"
#include "interrupt.h"
#include "iommu.h"
#include "log.h"
#include "paravirt.h"
#include "boot.h"
#include "scheduler.h"
#include "sync.h"
#include "vendor.h"
#include "x86.h"

static struct domain domains[MAX_DOMAINS];

struct domain *domain_by_index(uint32_t i)
{
    return i < MAX_DOMAINS && domains[i].used ? &domains[i] : NULL;
}

static void release(struct domain *domain)
{
    pt_destroy(&domain->guest);
    pt_destroy(&domain->process);
    pool_free(&domain->quota, domain->handles);
    pool_free(&domain->quota, domain->reason);
    quota_release(&domain->quota);
    domain->used = false;
}

static enum status build(struct domain *domain)
{
    enum status status = pt_create(&domain->process, &pt_host, &domain->quota, host_max_leaf());
    if (status == OK)
        status = pt_create(&domain->guest, vendor->guest_format, &domain->quota, vendor->guest_max_leaf());
    if (status != OK)
        return status;
    domain->handles = pool_alloc(&domain->quota);
    domain->reason = pool_alloc(&domain->quota);
    if (!domain->handles || !domain->reason)
        return ERR_MEMORY;
    return OK;
}

enum status domain_create(const char *name, uint32_t quota_pages, struct domain **out)
{
    uint32_t id = 0;
    while (id < MAX_DOMAINS && domains[id].used)
        id++;
    if (id == MAX_DOMAINS)
        return ERR_BUSY;
    struct domain *domain = &domains[id];
    memset(domain, 0, sizeof(*domain));
    enum status status = quota_reserve(&domain->quota, quota_pages);
    if (status != OK)
        return status;
    domain->id = id;
    snprintf(domain->name, sizeof(domain->name), "%s", name);
    status = build(domain);
    if (status != OK) {
        release(domain);
        return status;
    }
    domain->used = true;
    *out = domain;
    return OK;
}

void domain_end(struct domain *domain, enum domain_end code, const char *format, ...)
{
    static _Atomic uint32_t lock;
    spin_lock(&lock);
    bool first = domain->state != DOMAIN_ENDED;
    if (first) {
        va_list args;
        va_start(args, format);
        vsnprintf(domain->reason, STATE_TEXT_SIZE, format, args);
        va_end(args);
        domain->end_code = code;
        domain->state = DOMAIN_ENDED;
    }
    spin_unlock(&lock);
    if (!first)
        return;
    for (uint32_t i = 0; i < domain->vcpu_count; i++)
        vcpu_kill(domain->vcpus[i]);
    if (domain->manager) {
        log_listen(NULL);
        print("kernel: the manager has ended: %s. Running domains go on; none can be managed.\n", domain->reason);
    }
    if (domain->watcher)
        vcpu_notify(domain->watcher, domain->watcher_bits);
}

enum status domain_destroy(struct domain *domain)
{
    if (domain->state == DOMAIN_RUNNING || domain->manager)
        return ERR_BUSY;
    if (domain->state == DOMAIN_CREATED)
        domain_end(domain, END_STOPPED, "destroyed before it was started");
    iommu_release(domain);
    interrupt_release(domain);
    event_orphan(domain);
    sync_cpus();
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        const struct cpu *cpu = domain->vcpus[i]->cpu;
        if (cpu->current == domain->vcpus[i] || cpu->loaded == domain->vcpus[i])
            return ERR_BUSY;
    }
    for (uint32_t i = 0; i < domain->vcpu_count; i++)
        vcpu_destroy(domain->vcpus[i]);
    domain->vcpu_count = 0;
    grant_release(domain);
    paravirt_release(domain);
    handle_purge(domain);
    handle_close_all(domain);
    release(domain);
    return OK;
}

/* --- mappings --- */

/* The page tables name rights by the same bits, but for devices. */
#define MAP_RIGHTS (MAP_READ | MAP_WRITE | MAP_EXEC)
_Static_assert(MAP_READ == PT_READ && MAP_WRITE == PT_WRITE && MAP_EXEC == PT_EXEC, "rights of a mapping");

/* The monitor's view of guest memory counts as the guest's, once; boot modules are shared and nobody's. */
static void count_pages(struct domain *domain, bool guest, uint64_t address, int64_t pages)
{
    if (guest)
        domain->guest_pages += (uint64_t)pages;
    else if (address < LAYOUT_GUEST || address >= LAYOUT_WINDOW)
        domain->process_pages += (uint64_t)pages;
}

/* RAM that is nobody's, modules for reading, or a device that is not the kernel's. */
static bool may_map(uint64_t hpa, uint64_t size, uint32_t how)
{
    if (how & MAP_DEVICE)
        return memory_is_device(hpa, size);
    uint32_t kind = memory_kind(hpa, size);
    return kind == RANGE_FREE || (kind == RANGE_MODULE && !(how & MAP_WRITE));
}

static void flush(void *context)
{
    struct domain *domain = context;
    __atomic_add_fetch(&domain->guest_generation, 1, __ATOMIC_RELEASE);
    sync_cpus();
}

enum status domain_map(struct domain *domain, uint32_t how, uint64_t hpa, uint64_t address, uint64_t size)
{
    bool guest = (how & SPACE_GUEST) != 0;
    bool process_wx = !guest && (how & MAP_WRITE) && (how & MAP_EXEC);
    if (!size || size > LAYOUT_GUEST_SIZE || process_wx || !(how & MAP_READ) || hpa + size < hpa || address + size < address)
        return ERR_PARAM;
    if (!guest && (address < LAYOUT_IMAGE || address + size > LAYOUT_STATE))
        if (address < LAYOUT_STACK || address + size > LAYOUT_USER_END)
            return ERR_PARAM;
    if (!may_map(hpa, size, how))
        return ERR_DENIED;
    struct page_table *table = guest ? &domain->guest : &domain->process;
    enum status status = pt_map(table, address, hpa, size, (how & MAP_RIGHTS) | (how & MAP_DEVICE ? PT_DEVICE : 0) | (guest ? 0 : PT_USER));
    if (status == OK && guest && !(how & MAP_DEVICE) && (status = iommu_map(domain, address, hpa, size, how & MAP_WRITE)) != OK)
        (void)!pt_unmap(table, address, size, flush, domain);
    if (status == OK)
        count_pages(domain, guest, address, (int64_t)(size >> PAGE_SHIFT));
    return status;
}

enum status domain_unmap(struct domain *domain, uint32_t how, uint64_t address, uint64_t size)
{
    bool guest = (how & SPACE_GUEST) != 0;
    if (!size || address + size < address || (!guest && address + size > LAYOUT_STATE && address < LAYOUT_STACK))
        return ERR_PARAM;
    /* Devices first. If the second step finds no page to split a large mapping with, they have lost what the guest still sees. */
    enum status status = guest ? iommu_unmap(domain, address, size) : OK;
    if (status == OK)
        status = pt_unmap(guest ? &domain->guest : &domain->process, address, size, flush, domain);
    if (status == OK)
        count_pages(domain, guest, address, -(int64_t)(size >> PAGE_SHIFT));
    return status;
}
