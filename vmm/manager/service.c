/* SPDX-License-Identifier: MIT
 * drivers-dom as the manager sees it. Control area and channels are the manager's memory: they outlive a drivers-dom. */
#include "service_parts.h"
#include "control_link.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "abi/control.h"
#include "abi/hypercall.h"
#include "bulkhead/syscall.h"
#include "domain_process.h"
#include "window.h"

#define SERVICE_PRIORITY (PRIORITIES - 2)
#define SERVICE_MODULE "drivers-dom"

static void make_config(struct service *service)
{
    struct config_domain *config = &service->config;
    snprintf(config->name, sizeof(config->name), "drivers-dom");
    snprintf(config->modules[0].path, sizeof(config->modules[0].path), SERVICE_MODULE);
    static unsigned key_lines[32];
    config->key_lines = key_lines;
    config->module_count = 1;
    config->memory = CONFIG_SERVICE_MEMORY;
    config->vcpus = 1;
    config->priority = SERVICE_PRIORITY;
    config->console = true;
    service->domain.config = config;
    service->domain.identity = true;
}

/* RAM disks: the files that "ram:" names become modules of drivers-dom. */
static void add_ram_modules(const struct manager *manager, struct config_domain *config)
{
    for (unsigned d = 0; d < manager->config.domain_count; d++) {
        const struct config_domain *user = manager->config.domains[d];
        for (unsigned i = 0; i < user->device_count && config->module_count <= CONFIG_MAX_MODULES; i++) {
            const struct config_device *device = &user->devices[i];
            const struct boot_module *file = device->type != CHANNEL_BLOCK || strncmp(device->source, "ram:", 4) ? NULL : file_find(manager->info, device->source + 4);
            if (file != NULL) {
                struct config_module *module = &config->modules[config->module_count++];
                snprintf(module->path, sizeof(module->path), "%s", device->source + 4);
                config->memory += (file->size + (2u << 20)) & ~((2ull << 20) - 1);
            }
        }
    }
}

static bool needed(const struct manager *manager)
{
    for (unsigned i = 0; i < manager->config.domain_count; i++) {
        if (!manager->config.domains[i]->bad && manager->config.domains[i]->device_count > 0) {
            return true;
        }
    }
    return false;
}

void service_start(struct manager *manager)
{
    if (file_find(manager->info, SERVICE_MODULE) == NULL) {
        if (needed(manager)) {
            printf("bulkhead: the boot image has no file \"%s\": there are no disks and networks\n", SERVICE_MODULE);
        }
        return;
    }
    struct service *service = calloc(1, sizeof(*service));
    if (service == NULL) {
        printf("bulkhead: there is no memory for drivers-dom\n");
        return;
    }
    service->control = manager->control;
    make_config(service);
    add_ram_modules(manager, &service->config);
    manager->service = service;
    if (manager->info->features & BOOT_FEATURE_IOMMU) {
        printf("bulkhead: DMA is confined: devices see the memory of drivers-dom and of the guests that it serves\n");
    } else {
        printf("bulkhead: WARNING: no IOMMU: the DMA of devices is not confined. A fault of drivers-dom or of a device can reach all memory.\n");
    }
    if (domain_start(manager, &service->domain) != OK) {
        printf("bulkhead: %s\n", service->domain.reason);
        manager->service = NULL;
        return;
    }
    service_launched(service);
}

enum status service_equip(struct manager *manager, struct domain *domain)
{
    struct service *service = manager->service;
    struct control *control = service->control;
    uint64_t base = manager->control_memory.base;
    domain->control = base;
    control->ready = control->quiet = 0;
    control->iommu = (manager->info->features & BOOT_FEATURE_IOMMU) != 0;
    control->ecam_base = manager->info->ecam_base;
    control->ecam_first_bus = manager->info->ecam_first_bus;
    control->ecam_last_bus = manager->info->ecam_last_bus;
    enum status status = sys_pv_enable(domain->handle, DOMAIN_PV_PAGE);
    status = status == OK ? service_map(domain, MAP_READ, base, CONTROL_READ_ONLY) : status;
    status = status == OK ? service_map(domain, MAP_READ | MAP_WRITE, base + CONTROL_READ_ONLY, manager->control_memory.size - CONTROL_READ_ONLY)
                          : status;
    status = status == OK ? terminal_share(manager, domain) : status;
    if (status != OK) {
        return status;
    }
    /* Before the devices: a line has one owner, and the old one gives its interrupts up here. */
    status = service->previous != NULL ? service_take_over(manager, service, domain) : control_link_introduce(manager, domain->handle);
    return status == OK ? service_give_devices(manager, service, domain) : status;
}

handle_t service_handle(const struct manager *manager)
{
    const struct service *service = manager->service;
    return service != NULL && service->domain.phase == PHASE_RUNNING ? service->domain.handle : HANDLE_NONE;
}

void service_signal(const struct manager *manager, unsigned bit)
{
    handle_t event, service = service_handle(manager);
    if (service != HANDLE_NONE && sys_event_of(service, EVENT_TARGET_PV, bit, &event) == OK) {
        (void)sys_event_signal(event);
        (void)sys_handle_close(event);
    }
}

void service_announce(const struct manager *manager)
{
    __atomic_add_fetch(&manager->control->version, 1, __ATOMIC_SEQ_CST);
    service_signal(manager, CONTROL_EVENT);
}

void service_stop(struct manager *manager)
{
    handle_t service = service_handle(manager);
    if (service != HANDLE_NONE) {
        (void)sys_domain_stop(service, END_STOPPED, "the machine goes off");
        manager->service->domain.phase = PHASE_PRESERVED;
    }
}
