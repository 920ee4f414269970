/* SPDX-License-Identifier: MIT
 * drivers-dom as the manager sees it. Control area and channels are the manager's memory: they outlive a drivers-dom. */
#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "abi/control.h"
#include "abi/hypercall.h"
#include "bulkhead/syscall.h"
#include "domain_process.h"
#include "window.h"

#define SERVICE_MEMORY (16ull << 20)
#define SERVICE_PRIORITY (PRIORITIES - 2)
#define SERVICE_MODULE "drivers-dom"
#define MSI_COUNT 16u
#define DEVICE_END 0xfec00000ull          /* I/O APIC and up are the kernel's */
#define FIRST_CHANNEL_BIT 64u             /* below: control event and interrupts */
#define BITS_PER_CHANNEL 6u               /* its control event and the doorbells of at most 5 queues */
#define MSI_ADDRESS 0xfee00000ull
#define RESTARTS_MAX 1000u

static const uint32_t lines[] = {5, 9, 10, 11, 14, 15}; /* ISA interrupts that PCI INTx and IDE use */
static const uint8_t queue_counts[] = {[CHANNEL_NET] = 2, [CHANNEL_BLOCK] = 1, [CHANNEL_CONSOLE] = 2, [CHANNEL_RNG] = 1};

struct service {
    struct config_domain config;
    struct domain domain;
    struct extent control_memory;
    struct control *control;              /* mapped at LAYOUT_CHANNEL */
    struct domain *users[CONTROL_MAX_CHANNELS]; /* whose channel an entry is; null: free */
    struct channel *channels[CONTROL_MAX_CHANNELS];
    struct domain *previous;              /* while a new instance takes over */
    uint32_t next_serial;
    unsigned restarts;
};

static struct channel *channel_address(unsigned slot)
{
    return (struct channel *)(LAYOUT_CHANNEL + CONTROL_PAGES * PAGE_SIZE + slot * START_CHANNEL_STRIDE);
}

/* --- drivers-dom itself --- */

static void make_config(struct service *service)
{
    struct config_domain *config = &service->config;
    snprintf(config->name, sizeof(config->name), "drivers-dom");
    snprintf(config->modules[0].path, sizeof(config->modules[0].path), SERVICE_MODULE);
    static unsigned key_lines[32];
    config->key_lines = key_lines;
    config->module_count = 1;
    config->memory = SERVICE_MEMORY;
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
            const struct boot_module *file = device->net || strncmp(device->source, "ram:", 4) ? NULL : file_find(manager->info, device->source + 4);
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

static enum status make_control(struct service *service)
{
    struct extent *memory = &service->control_memory;
    memory->size = CONTROL_PAGES * PAGE_SIZE;
    enum status status = memory_take(memory->size, PAGE_SIZE, &memory->base);
    status = status == OK ? window_clear(memory->base, memory->size) : status;
    status = status == OK ? sys_domain_map(HANDLE_SELF, SPACE_PROCESS | MAP_READ | MAP_WRITE, memory->base, LAYOUT_CHANNEL, memory->size)
                          : status;
    service->control = (struct control *)LAYOUT_CHANNEL;
    if (status == OK) {
        service->control->magic = CONTROL_MAGIC;
    }
    return status;
}

void service_start(struct manager *manager)
{
    if (!needed(manager)) {
        return;
    }
    struct service *service = calloc(1, sizeof(*service));
    if (service == NULL || make_control(service) != OK) {
        printf("bulkhead: there is no memory for drivers-dom\n");
        return;
    }
    make_config(service);
    add_ram_modules(manager, &service->config);
    manager->service = service;
    if (!(manager->info->features & BOOT_FEATURE_IOMMU)) {
        printf("bulkhead: WARNING: no IOMMU: the DMA of devices is not confined. A fault of drivers-dom or of a device can reach all memory.\n");
    } else {
        printf("bulkhead: WARNING: this machine's IOMMU is not used yet: the DMA of devices is not confined.\n");
    }
    if (domain_start(manager, &service->domain) != OK) {
        printf("bulkhead: %s\n", service->domain.reason);
        manager->service = NULL;
    }
}

/* --- its devices --- */

static enum status guest_map(const struct domain *domain, uint32_t rights, uint64_t base, uint64_t size)
{
    return sys_domain_map(domain->handle, SPACE_GUEST | rights, base, base, size);
}

/* Device memory: from the end of RAM below 4 GiB to the I/O APIC, in pieces, since parts of it may be refused; and PCI's
 * configuration space. */
static void give_device_memory(const struct manager *manager, const struct domain *domain)
{
    uint64_t low = 0;
    for (unsigned i = 0; i < manager->info->range_count; i++) {
        const struct boot_range *range = &manager->info->ranges[i];
        if (range->kind != RANGE_RESERVED && range->base + range->size <= DEVICE_END && range->base + range->size > low) {
            low = range->base + range->size;
        }
    }
    const uint64_t step = 2ull << 20;
    for (uint64_t at = (low + step - 1) & ~(step - 1); at < DEVICE_END; at += step) {
        (void)!guest_map(domain, MAP_READ | MAP_WRITE | MAP_DEVICE, at, step);
    }
}

static enum status give_ports(const struct domain *domain)
{
    static const struct { uint16_t first; uint32_t count; } ports[] = {
        {0x170, 8}, {0x1f0, 8}, {0x376, 1}, {0x3f6, 1}, {0xcf8, 8}, {0x1000, 0xf000},
    };
    for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        enum status status = sys_port_give(domain->handle, ports[i].first, ports[i].count);
        if (status != OK) {
            return status;
        }
    }
    return OK;
}

/* Event bits 1 and up: message-signalled interrupts, then lines. */
static enum status give_interrupts(const struct manager *manager, struct service *service, const struct domain *domain)
{
    struct control *control = service->control;
    unsigned cpu = domain->cpus[0];
    control->irq_count = 0;
    for (unsigned i = 0; i < MSI_COUNT + sizeof(lines) / sizeof(lines[0]); i++) {
        bool line = i >= MSI_COUNT;
        uint32_t gsi = line ? lines[i - MSI_COUNT] : 0, number, data;
        handle_t event;
        enum status status = sys_event_of(domain->handle, EVENT_TARGET_PV, i + 1, &event);
        if (status != OK) {
            return status;
        }
        status = sys_irq_create(event, cpu, line, gsi, &number, &data);
        (void)sys_handle_close(event);
        if (status != OK) {
            continue; /* a line that this machine does not have */
        }
        control->irqs[control->irq_count++] = (struct control_irq){
            .event_bit = i + 1, .line = line, .gsi = gsi, .data = line ? number : data,
            .address = MSI_ADDRESS | (uint64_t)manager->info->cpu_apic_ids[cpu] << 12};
    }
    return OK;
}

static enum status take_over(struct manager *manager, struct service *service, const struct domain *domain);

enum status service_equip(struct manager *manager, struct domain *domain)
{
    struct service *service = manager->service;
    struct control *control = service->control;
    domain->control = service->control_memory.base;
    control->ready = 0;
    control->ecam_base = manager->info->ecam_base;
    control->ecam_first_bus = manager->info->ecam_first_bus;
    control->ecam_last_bus = manager->info->ecam_last_bus;
    enum status status = sys_pv_enable(domain->handle, DOMAIN_PV_PAGE);
    status = status == OK ? guest_map(domain, MAP_READ | MAP_WRITE, service->control_memory.base, service->control_memory.size) : status;
    status = status == OK ? give_ports(domain) : status;
    status = status == OK ? give_interrupts(manager, service, domain) : status;
    give_device_memory(manager, domain);
    return status == OK && service->previous != NULL ? take_over(manager, service, domain) : status;
}

/* --- channels --- */

/* An event of `target`; a handle with `rights` goes to `holder`, one to be bound to `target` itself if `bound` is not null. */
static enum status event_between(handle_t target, enum event_target kind, uint32_t number, handle_t holder, uint32_t *held, uint32_t *bound)
{
    handle_t event;
    enum status status = sys_event_of(target, kind, number, &event);
    if (status != OK) {
        return status;
    }
    status = sys_handle_copy(holder, event, RIGHT_SIGNAL, held);
    if (status == OK && bound != NULL) {
        status = sys_handle_copy(target, event, RIGHT_BIND | RIGHT_SIGNAL, bound);
    }
    (void)sys_handle_close(event);
    return status;
}

/* All events of a channel, both ways. A new drivers-dom inherits them with the numbers that they have (SYS_DOMAIN_INHERIT). */
static enum status make_events(struct service *service, const struct domain *domain, unsigned slot, struct start_channel *start)
{
    struct control_channel *entry = &service->control->channels[slot];
    handle_t back = service->domain.handle, front = domain->handle;
    uint32_t bit = FIRST_CHANNEL_BIT + slot * BITS_PER_CHANNEL;
    entry->control_bit = bit;
    entry->kick_bit = bit + 1;
    enum status status = event_between(back, EVENT_TARGET_PV, bit, front, &start->control_handle, NULL);
    if (status == OK) {
        status = event_between(front, EVENT_TARGET_NONE, 0, back, &entry->control_handle, &start->control_event);
    }
    for (unsigned q = 0; status == OK && q < start->queue_count; q++) {
        status = event_between(back, EVENT_TARGET_PV, bit + 1 + q, front, &start->kick[q], NULL);
        if (status == OK) {
            status = event_between(front, EVENT_TARGET_NONE, 0, back, &entry->call_handle[q], &start->call[q]);
        }
    }
    return status;
}

static void describe(const struct domain *domain, const struct config_device *device, struct control_channel *entry)
{
    entry->type = device->net ? CHANNEL_NET : CHANNEL_BLOCK;
    entry->read_only = device->read_only;
    snprintf(entry->domain, sizeof(entry->domain), "%s", domain->config->name);
    snprintf(entry->name, sizeof(entry->name), "%s", device->name);
    if (strncmp(device->source, "file:", 5) == 0) { /* the launcher attached it with this serial number */
        snprintf(entry->source, sizeof(entry->source), "serial:%.31s.%.31s", domain->config->name, device->name);
    } else {
        snprintf(entry->source, sizeof(entry->source), "%s", device->source);
    }
    memcpy(entry->mac, device->mac, sizeof(entry->mac));
    entry->vlan = device->vlan;
    entry->rate = device->rate;
}

/* 52:54:00 is what virtual machines use; the rest tells the domain's place and the device. */
static void choose_mac(const struct manager *manager, const struct domain *domain, unsigned index, uint8_t *mac)
{
    const uint8_t chosen[6] = {0x52, 0x54, 0x00, 0xb0, (uint8_t)(domain - manager->domains), (uint8_t)index};
    memcpy(mac, chosen, sizeof(chosen));
}

/* The guest's memory as extents of guest-physical and machine addresses. */
static enum status describe_memory(const struct domain *domain, struct control_channel *entry)
{
    if (domain->guest_part_count > CONTROL_MAX_EXTENTS) {
        return ERR_MEMORY;
    }
    for (unsigned i = 0; i < domain->guest_part_count; i++) {
        const struct guest_part *part = &domain->guest_parts[i];
        entry->extents[i] = (struct control_extent){part->gpa, part->base, part->size};
    }
    entry->extent_count = domain->guest_part_count;
    return OK;
}

static enum status make_channel(struct manager *manager, struct domain *domain, unsigned index)
{
    struct service *service = manager->service;
    const struct config_device *device = &domain->config->devices[index];
    unsigned slot = 0;
    while (slot < CONTROL_MAX_CHANNELS && service->users[slot] != NULL) {
        slot++;
    }
    if (slot == CONTROL_MAX_CHANNELS) {
        return ERR_MEMORY;
    }
    struct control_channel *entry = &service->control->channels[slot];
    struct extent memory;
    enum status status = domain_take(domain, CHANNEL_PAGES * PAGE_SIZE, PAGE_SIZE, &memory);
    if (status != OK) {
        return status;
    }
    memset(entry, 0, sizeof(*entry));
    describe(domain, device, entry);
    if (device->net && !device->has_mac) {
        choose_mac(manager, domain, index, entry->mac);
    }
    struct start_channel *start = &domain->channels[index];
    memset(start, 0, sizeof(*start));
    start->type = entry->type;
    start->queue_count = entry->queue_count = queue_counts[entry->type];
    snprintf(start->name, sizeof(start->name), "%s", device->name);
    entry->channel = memory.base;
    status = window_clear(memory.base, memory.size);
    struct channel *channel = channel_address(slot);
    status = status == OK ? sys_domain_map(HANDLE_SELF, SPACE_PROCESS | MAP_READ | MAP_WRITE, memory.base, (uint64_t)channel, memory.size) : status;
    if (status != OK) {
        return status;
    }
    service->users[slot] = domain;
    service->channels[slot] = channel;
    domain->channel_slots[index] = slot;
    domain->channel_count = index + 1;
    channel->magic = CHANNEL_MAGIC;
    channel->type = entry->type;
    status = sys_domain_map(domain->handle, SPACE_PROCESS | MAP_READ | MAP_WRITE, memory.base, LAYOUT_CHANNEL + index * START_CHANNEL_STRIDE,
                            memory.size);
    status = status == OK ? guest_map(&service->domain, MAP_READ | MAP_WRITE, memory.base, memory.size) : status;
    status = status == OK ? describe_memory(domain, entry) : status;
    status = status == OK ? make_events(service, domain, slot, start) : status;
    if (status == OK) {
        entry->serial = ++service->next_serial;
        __atomic_store_n(&entry->used, 1, __ATOMIC_RELEASE);
    }
    return status;
}

/* The control area has changed. */
static void announce(struct service *service)
{
    handle_t event;
    __atomic_add_fetch(&service->control->version, 1, __ATOMIC_SEQ_CST);
    if (sys_event_of(service->domain.handle, EVENT_TARGET_PV, CONTROL_EVENT, &event) == OK) {
        (void)sys_event_signal(event);
        (void)sys_handle_close(event);
    }
}

static enum status grant_memory(const struct service *service, const struct domain *domain)
{
    for (unsigned i = 0; i < domain->guest_part_count; i++) {
        enum status status = guest_map(&service->domain, MAP_READ | MAP_WRITE, domain->guest_parts[i].base, domain->guest_parts[i].size);
        if (status != OK) {
            return status;
        }
    }
    return OK;
}

enum status service_connect(struct manager *manager, struct domain *domain)
{
    struct service *service = manager->service;
    domain->channel_count = 0;
    if (service == NULL || service->domain.phase != PHASE_RUNNING) {
        return ERR_NONE;
    }
    enum status status = grant_memory(service, domain);
    for (unsigned i = 0; status == OK && i < domain->config->device_count; i++) {
        status = make_channel(manager, domain, i);
    }
    if (status == OK) {
        announce(service);
    }
    return status;
}

/* Waits until no back end of the domain touches its memory any more. */
static bool let_go(const struct manager *manager, const struct service *service, const struct domain *domain)
{
    for (unsigned ms = 0; ms < SERVICE_DETACH_MS; ms++) {
        bool busy = false;
        for (unsigned i = 0; i < domain->channel_count; i++) {
            const struct channel *channel = service->channels[domain->channel_slots[i]];
            busy |= channel != NULL && __atomic_load_n(&channel->back.state, __ATOMIC_ACQUIRE) != BACK_ABSENT;
        }
        if (!busy || service->domain.phase != PHASE_RUNNING) {
            return !busy;
        }
        domain_wait_ms(manager);
    }
    return false;
}

void service_disconnect(struct manager *manager, struct domain *domain)
{
    struct service *service = manager->service;
    if (service == NULL || domain->channel_count == 0) {
        return;
    }
    for (unsigned i = 0; i < domain->channel_count; i++) {
        service->control->channels[domain->channel_slots[i]].used = 0;
    }
    announce(service);
    if (!let_go(manager, service, domain)) {
        printf("bulkhead: drivers-dom does not let go of domain %s within %u ms: it is restarted\n", domain->config->name, SERVICE_DETACH_MS);
        (void)sys_domain_stop(service->domain.handle, END_STOPPED, "it did not let go of a domain's memory");
    }
    for (unsigned i = 0; i < domain->guest_part_count; i++) {
        const struct guest_part *part = &domain->guest_parts[i];
        (void)sys_domain_unmap(service->domain.handle, SPACE_GUEST, part->base, part->size);
    }
    for (unsigned i = 0; i < domain->channel_count; i++) {
        unsigned slot = domain->channel_slots[i];
        const struct control_channel *entry = &service->control->channels[slot];
        (void)sys_domain_unmap(service->domain.handle, SPACE_GUEST, entry->channel, CHANNEL_PAGES * PAGE_SIZE);
        (void)sys_domain_unmap(HANDLE_SELF, SPACE_PROCESS, (uint64_t)service->channels[slot], CHANNEL_PAGES * PAGE_SIZE);
        service->users[slot] = NULL;
        service->channels[slot] = NULL;
    }
    domain->channel_count = 0;
}

/* --- restart --- */

/* The new drivers-dom gets what the old one had of the guests: events in both directions under the same numbers, their memory, the
 * channels, which say how far each queue was served and in which state the old one left them. */
static enum status take_over(struct manager *manager, struct service *service, const struct domain *domain)
{
    enum status status = sys_domain_inherit(service->previous->handle, domain->handle);
    for (unsigned i = 0; status == OK && i < manager->config.domain_count; i++) {
        const struct domain *user = &manager->domains[i];
        if (user->phase == PHASE_RUNNING && user->channel_count > 0) {
            status = grant_memory(service, user);
        }
    }
    for (unsigned slot = 0; status == OK && slot < CONTROL_MAX_CHANNELS; slot++) {
        if (service->users[slot] != NULL) {
            status = guest_map(domain, MAP_READ | MAP_WRITE, service->control->channels[slot].channel, CHANNEL_PAGES * PAGE_SIZE);
        }
    }
    return status;
}

/* The old instance's memory is freed only when the new one has made the devices quiet: until then one of them might still write there. */
#define QUIET_MS 5000
static void wait_ready(const struct manager *manager, const struct service *service)
{
    for (unsigned ms = 0; ms < QUIET_MS && !__atomic_load_n(&service->control->ready, __ATOMIC_ACQUIRE); ms++) {
        domain_wait_ms(manager);
    }
}

static void restart(struct manager *manager, struct service *service)
{
    static struct domain old;
    old = service->domain;
    struct domain *domain = &service->domain;
    *domain = (struct domain){.config = &service->config, .identity = true};
    service->previous = &old;
    if (++service->restarts > RESTARTS_MAX || domain_start(manager, domain) != OK) {
        printf("bulkhead: drivers-dom is not restarted (%u restarts): %s. Disks and networks of the domains stand still.\n", service->restarts,
               domain->reason);
        return;
    }
    service->previous = NULL;
    wait_ready(manager, service);
    if (domain_free(manager, &old) != OK) {
        printf("bulkhead: the memory of the former drivers-dom could not be reclaimed\n");
    }
}

uint64_t service_deadline(const struct manager *manager)
{
    const struct service *service = manager->service;
    if (service == NULL || manager->config.drivers_restart == 0 || service->domain.phase != PHASE_RUNNING) {
        return 0;
    }
    return service->domain.started + manager->info->tsc_hz / 1000 * manager->config.drivers_restart;
}

void service_look(struct manager *manager)
{
    struct service *service = manager->service;
    uint64_t kill = service_deadline(manager);
    if (kill != 0 && __builtin_ia32_rdtsc() >= kill) {
        (void)sys_domain_stop(service->domain.handle, END_STOPPED, "killed, as the key drivers-restart says");
    }
    enum domain_state state = DOMAIN_ENDED;
    enum domain_end code = END_MONITOR;
    if (service == NULL || service->domain.phase != PHASE_RUNNING || sys_domain_status(service->domain.handle, &state, &code) != OK ||
        state != DOMAIN_ENDED) {
        return;
    }
    printf("bulkhead: drivers-dom has ended: %s; restarting it\n", thread_state()->text);
    service->domain.phase = PHASE_PRESERVED;
    manager->load[service->domain.cpus[0]]--;
    restart(manager, service);
}
