/* SPDX-License-Identifier: MIT
 * The channels between drivers-dom and the other domains, and the memory that these grant to it. */
#include <stdio.h>
#include <string.h>
#include "domain_process.h"
#include "service_parts.h"
#include "terminal.h"
#include "window.h"

#define SERVICE_RENEW_MS 10000 /* for a new instance to be ready */

#define FIRST_CHANNEL_BIT 64u             /* below: control event and interrupts */
#define BITS_PER_CHANNEL 7u               /* its control event and doorbells */
#define MAX_QUEUES (BITS_PER_CHANNEL - 1) /* of one channel */
#define MAX_MORE_QUEUES 48u /* of all channels, beyond what their types need: each takes a place in the handle table of drivers-dom */
_Static_assert(FIRST_CHANNEL_BIT + CONTROL_MAX_CHANNELS * BITS_PER_CHANNEL <= PV_EVENTS, "event bits of channels");

static const uint8_t queue_counts[] = {[CHANNEL_NET] = 2, [CHANNEL_BLOCK] = 1, [CHANNEL_CONSOLE] = 2, [CHANNEL_RNG] = 1};

static struct channel *channel_address(unsigned slot)
{
    return (struct channel *)(LAYOUT_CHANNEL + CONTROL_PAGES * PAGE_SIZE + slot * START_CHANNEL_STRIDE);
}

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

/* The device behind the configured ones of a domain with control = yes. */
static const struct config_device control_device = {.type = CHANNEL_CONSOLE, .name = "org.bulkhead.control"};
#define CONTROL_QUEUES 4u /* of a virtio-console with a port that has a name */

static void describe(const struct domain *domain, const struct config_device *device, struct control_channel *entry)
{
    entry->type = device->type;
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

/* A disk has a queue for each vcpu of its guest, as far as there is room. */
static uint32_t choose_queues(const struct service *service, const struct domain *domain, uint32_t type)
{
    uint32_t needed = queue_counts[type], wanted = type == CHANNEL_BLOCK ? domain->config->vcpus : needed, more = 0;
    for (unsigned slot = 0; slot < CONTROL_MAX_CHANNELS; slot++) {
        const struct control_channel *entry = &service->control->channels[slot];
        more += service->users[slot] != NULL && entry->type == CHANNEL_BLOCK ? entry->queue_count - queue_counts[CHANNEL_BLOCK] : 0;
    }
    wanted = wanted < MAX_QUEUES ? wanted : MAX_QUEUES;
    return wanted <= needed || more + wanted - needed > MAX_MORE_QUEUES ? needed : wanted;
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
    const struct config_device *device = index < domain->config->device_count ? &domain->config->devices[index] : &control_device;
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
    if (device->type == CHANNEL_NET && !device->has_mac) {
        choose_mac(manager, domain, index, entry->mac);
    }
    struct start_channel *start = &domain->channels[index];
    memset(start, 0, sizeof(*start));
    start->type = entry->type;
    start->queue_count = entry->queue_count = device == &control_device ? CONTROL_QUEUES : choose_queues(service, domain, entry->type);
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
    status = status == OK ? service_map(&service->domain, MAP_READ | MAP_WRITE, memory.base, memory.size) : status;
    status = status == OK ? describe_memory(domain, entry) : status;
    status = status == OK ? make_events(service, domain, slot, start) : status;
    if (status == OK && device->type == CHANNEL_CONSOLE) {
        status = device == &control_device ? service_link_open(manager, domain, slot) : terminal_open_hvc(manager, domain, device->name, entry);
    }
    if (status == OK) {
        entry->serial = ++service->next_serial;
        __atomic_store_n(&entry->used, 1, __ATOMIC_RELEASE);
    }
    return status;
}

static enum status grant_memory(const struct domain *back, const struct domain *domain)
{
    for (unsigned i = 0; i < domain->guest_part_count; i++) {
        enum status status = service_map(back, MAP_READ | MAP_WRITE, domain->guest_parts[i].base, domain->guest_parts[i].size);
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
    domain->granted = true;
    enum status status = grant_memory(&service->domain, domain);
    for (unsigned i = 0; status == OK && i < domain->config->device_count + domain->config->control; i++) {
        status = make_channel(manager, domain, i);
    }
    if (status == OK) {
        service_announce(manager);
    }
    return status;
}

/* Has every back end of the domain said that it does not touch its memory any more? One without a device is ABSENT all the time, so
 * drivers-dom must also have seen that the entries are gone. */
static bool absent(const struct service *service, const struct domain *domain)
{
    if ((int32_t)(__atomic_load_n(&service->control->seen_version, __ATOMIC_ACQUIRE) - service->detached) < 0) {
        return false;
    }
    for (unsigned i = 0; i < domain->channel_count; i++) {
        const struct channel *channel = service->channels[domain->channel_slots[i]];
        if (channel != NULL && __atomic_load_n(&channel->back.state, __ATOMIC_ACQUIRE) != BACK_ABSENT) {
            return false;
        }
    }
    return true;
}

/* Waits for that, or until an instance is ready that has never known the channels: then devices have been reset, too. */
static bool let_go(struct manager *manager, struct service *service, const struct domain *domain, unsigned restarts, unsigned limit_ms)
{
    for (unsigned ms = 0; ms < limit_ms && !service->restarts.given_up; ms++) {
        if (absent(service, domain) || service_renewed(service, restarts)) {
            return true;
        }
        domain_wait_ms(manager);
        service_look(manager);
    }
    return absent(service, domain) || service_renewed(service, restarts);
}

/* Its memory may change hands afterwards, or must not for good. */
static void make_let_go(struct manager *manager, struct service *service, struct domain *domain)
{
    unsigned restarts = service->restarts.count;
    if (let_go(manager, service, domain, restarts, SERVICE_DETACH_MS)) {
        return;
    }
    printf("bulkhead: drivers-dom does not let go of domain %s within %u ms: it is restarted\n", domain->config->name, SERVICE_DETACH_MS);
    service_kill(service, "it did not let go of a domain's memory");
    if (!let_go(manager, service, domain, restarts, SERVICE_RENEW_MS)) {
        printf("bulkhead: domain %s: devices may still write to its memory: it is not used again\n", domain->config->name);
        domain->extent_count = 0;
    }
}

void service_disconnect(struct manager *manager, struct domain *domain)
{
    struct service *service = manager->service;
    if (service == NULL || !domain->granted) {
        return;
    }
    for (unsigned i = 0; i < domain->channel_count; i++) {
        service->control->channels[domain->channel_slots[i]].used = 0;
    }
    service_announce(manager);
    service->detached = service->control->version;
    make_let_go(manager, service, domain);
    for (unsigned i = 0; i < domain->guest_part_count; i++) {
        const struct guest_part *part = &domain->guest_parts[i];
        (void)sys_domain_unmap(service->domain.handle, SPACE_GUEST, part->base, part->size);
    }
    for (unsigned i = 0; i < domain->channel_count; i++) {
        unsigned slot = domain->channel_slots[i];
        const struct control_channel *entry = &service->control->channels[slot];
        (void)sys_domain_unmap(service->domain.handle, SPACE_GUEST, entry->channel, CHANNEL_PAGES * PAGE_SIZE);
        (void)sys_domain_unmap(HANDLE_SELF, SPACE_PROCESS, (uint64_t)service->channels[slot], CHANNEL_PAGES * PAGE_SIZE);
        service_link_close(service, slot);
        service->users[slot] = NULL;
        service->channels[slot] = NULL;
    }
    domain->channel_count = 0;
    domain->granted = false;
}

enum status service_take_over(struct manager *manager, struct service *service, const struct domain *domain)
{
    enum status status = sys_domain_inherit(service->previous->handle, domain->handle);
    for (unsigned i = 0; status == OK && i < CONFIG_MAX_DOMAINS; i++) {
        const struct domain *user = &manager->domains[i];
        if (user->phase == PHASE_RUNNING && user->channel_count > 0) {
            status = grant_memory(domain, user);
        }
    }
    for (unsigned slot = 0; status == OK && slot < CONTROL_MAX_CHANNELS; slot++) {
        if (service->users[slot] != NULL) {
            status = service_map(domain, MAP_READ | MAP_WRITE, service->control->channels[slot].channel, CHANNEL_PAGES * PAGE_SIZE);
            status = status == OK ? service_link_share(service, domain, slot) : status;
        }
    }
    return status;
}
