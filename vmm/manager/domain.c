/* SPDX-License-Identifier: MIT
 * Builds domains: checks, kernel object, monitor process, guest memory, vcpus; and takes them apart. */
#include "domain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "bulkhead/syscall.h"
#include "domain_process.h"
#include "pc.h"
#include "peer.h"
#include "placement.h"
#include "service.h"
#include "terminal.h"
#include "window.h"

#define MIB        (1ull << 20)
#define LARGE_PAGE (2 * MIB)
#define HUGE_PAGE  (1ull << 30)

/* Kernel pages: tables of both spaces and the objects. Per vcpu its state, vAPIC and XSAVE pages and the hardware's
 * structures; per GiB a directory in each space; per piece of memory and per file tables for its two ends. */
#define QUOTA_BASE 60u
#define QUOTA_SERVICE                                                                                                  \
    160u /* drivers-dom: tables for the memory of all guests and for devices, and for what devices see */
#define QUOTA_VCPU  10u
#define QUOTA_GIB   2u
#define QUOTA_PIECE 4u

#define FREE_TRIES 2000 /* of 1 ms */

enum status domain_fail(const struct manager *manager, struct domain *domain, enum status status, const char *key,
                        const char *format, ...)
{
    int used = 0;
    if (domain->config->file != NULL) {
        used = snprintf(domain->reason, sizeof(domain->reason), "%s:%u: ", domain->config->file,
                        config_line_of(domain->config, key));
    }
    used +=
        snprintf(domain->reason + used, sizeof(domain->reason) - (size_t)used, "domain \"%s\": ", domain->config->name);
    va_list args;
    va_start(args, format);
    vsnprintf(domain->reason + used, sizeof(domain->reason) - (size_t)used, format, args);
    va_end(args);
    return status;
}

/* --- memory --- */

enum status domain_take(struct domain *domain, uint64_t size, uint64_t align, struct extent *piece)
{
    if (domain->extent_count == DOMAIN_MAX_EXTENTS) {
        return ERR_MEMORY;
    }
    *piece = (struct extent){ .size = size };
    enum status status = memory_take(size, align, &piece->base);
    if (status == OK) {
        domain->extents[domain->extent_count++] = *piece;
    }
    return status;
}

static enum status take_some(struct domain *domain, uint64_t max, struct extent *piece)
{
    if (domain->extent_count == DOMAIN_MAX_EXTENTS) {
        return ERR_MEMORY;
    }
    enum status status = memory_take_some(max, LARGE_PAGE, piece);
    if (status == OK) {
        domain->extents[domain->extent_count++] = *piece;
    }
    return status;
}

static void give_all(struct domain *domain)
{
    for (unsigned i = 0; i < domain->extent_count; i++) {
        memory_give(domain->extents[i].base, domain->extents[i].size);
    }
    domain->extent_count = 0;
}

/* In one piece if possible, whole GiBs aligned to use the largest pages; else in several. */
static enum status take_guest_memory(const struct manager *manager, struct domain *domain)
{
    uint64_t left = (domain->config->memory + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    struct extent whole;
    if (domain->identity) {
        return domain_take(domain, left, LARGE_PAGE, &whole);
    }
    uint64_t available = memory_available();
    while (left > 0) {
        struct extent piece = { 0, left };
        enum status status = left >= HUGE_PAGE ? domain_take(domain, left, HUGE_PAGE, &piece) : ERR_MEMORY;
        if (status != OK) {
            status = domain_take(domain, left, LARGE_PAGE, &piece);
        }
        if (status != OK) {
            status = take_some(domain, left, &piece);
        }
        if (status != OK) {
            return domain_fail(
                manager, domain, ERR_MEMORY, "memory",
                "memory = %lluM: only %lluM of this machine's memory are free (it has %lluM for domains)",
                (unsigned long long)(domain->config->memory / MIB), (unsigned long long)(available / MIB),
                (unsigned long long)(memory_total() / MIB));
        }
        left -= piece.size;
    }
    return OK;
}

/* One piece, at the same offset in the monitor's view and in the guest. */
static enum status map_guest_piece(const struct domain *domain, uint64_t hpa, uint64_t gpa, uint64_t size)
{
    enum status status =
        sys_domain_map(domain->handle, SPACE_PROCESS | MAP_READ | MAP_WRITE, hpa, LAYOUT_GUEST + gpa, size);
    if (status != OK) {
        return status;
    }
    return sys_domain_map(domain->handle, SPACE_GUEST | MAP_READ | MAP_WRITE | MAP_EXEC, hpa, gpa, size);
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

uint64_t domain_low_memory(const struct domain *domain) { return least(domain->config->memory, PC_LOW_MEMORY_MAX); }

/* RAM from 0 to the end of low memory, the rest from 4 GiB on. */
static enum status map_guest_memory(struct manager *manager, struct domain *domain)
{
    (void)manager;
    uint64_t low = domain_low_memory(domain), done = 0;
    domain->guest_part_count = 0;
    for (unsigned i = 0; i < domain->extent_count && done < domain->config->memory; i++) {
        struct extent piece = domain->extents[i];
        enum status status = window_clear(piece.base, piece.size);
        while (status == OK && piece.size > 0 && done < domain->config->memory) {
            uint64_t gpa = domain->identity ? piece.base : done < low ? done : (1ull << 32) + (done - low);
            uint64_t part = least(piece.size, (done < low ? low : domain->config->memory) - done);
            status = map_guest_piece(domain, piece.base, gpa, part);
            domain->guest_parts[domain->guest_part_count++] = (struct guest_part){ gpa, piece.base, part };
            piece.base += part;
            piece.size -= part;
            done += part;
        }
        if (status != OK) {
            return status;
        }
    }
    return OK;
}

/* The memory of the test device: real memory, so that every instruction can be used on it (devices/test_device.h). */
static enum status map_test_memory(struct manager *manager, struct domain *domain)
{
    (void)manager;
    struct extent piece;
    if (!domain->config->debug_exit || domain->identity) {
        return OK;
    }
    enum status status = domain_take(domain, PC_TEST_MEMORY_SIZE, PAGE_SIZE, &piece);
    if (status == OK) {
        status = window_clear(piece.base, piece.size);
    }
    return status == OK ? map_guest_piece(domain, piece.base, PC_TEST_MEMORY, piece.size) : status;
}

/* The firmware's file at the end of the first 4 GiB, where a PC has its ROM: for the guest to read and execute. */
static enum status map_firmware(struct manager *manager, struct domain *domain)
{
    if (!domain->config->firmware) {
        return OK;
    }
    const struct boot_module *file = file_find(manager->info, domain->config->modules[0].path);
    if (file->size == 0 || file->size % PAGE_SIZE != 0 || file->size > PC_FIRMWARE_SIZE_MAX) {
        return OK; /* the monitor says what is wrong with it (loaders/firmware.c) */
    }
    return sys_domain_map(domain->handle, SPACE_GUEST | MAP_READ | MAP_EXEC, file->base, (1ull << 32) - file->size,
                          file->size);
}

/* --- vcpus --- */

static enum status create_vcpus(struct manager *manager, struct domain *domain)
{
    for (unsigned i = 0; i < domain->config->vcpus; i++) {
        enum status status = sys_vcpu_create(domain->handle, placement_word(domain, i), manager->program.entry,
                                             LAYOUT_START, &domain->vcpus[i]);
        if (status != OK) {
            return status;
        }
    }
    return OK;
}

static enum status start_vcpus(struct manager *manager, struct domain *domain)
{
    for (unsigned i = 0; i < domain->config->vcpus; i++) {
        enum status status = sys_vcpu_start(domain->vcpus[i]);
        if (status != OK) {
            return status;
        }
    }
    placement_load(manager, domain, 1);
    return OK;
}

/* --- the whole --- */

/* The missing file's key, for the message. */
static const char *module_key(const struct config_domain *config, unsigned index)
{
    return index == 0                         ? config->firmware ? "firmware" : "kernel"
           : index == 1 && config->has_initrd ? "initrd"
                                              : "module";
}

static enum status check_files(const struct manager *manager, struct domain *domain)
{
    const char *names[BOOT_MAX_MODULES + 1];
    char what[CONFIG_MISSING_SIZE];
    file_names(manager->info, names);
    for (unsigned i = 0; i < domain->config->module_count; i++) {
        const char *path = domain->config->modules[i].path, *key = module_key(domain->config, i);
        if (config_missing_file(what, path, names)) {
            return domain_fail(manager, domain, ERR_NONE, key, "%s = \"%s\": %s", key, path, what);
        }
    }
    for (unsigned i = 0; i < domain->config->device_count; i++) {
        const struct config_device *disk = &domain->config->devices[i];
        if (disk->type == CHANNEL_BLOCK && strncmp(disk->source, "ram:", 4) == 0 &&
            config_missing_file(what, disk->source + 4, names)) {
            return domain_fail(manager, domain, ERR_NONE, "disk", "disk = %s,%.100s: %s", disk->name, disk->source,
                               what);
        }
    }
    domain->paravirtual =
        domain->identity || program_is_paravirtual(file_find(manager->info, domain->config->modules[0].path));
    if (domain->config->peer_count > 0 && !domain->paravirtual) {
        return domain_fail(manager, domain, ERR_FORMAT, "peer",
                           "peer: only paravirtual guests have peers; \"%s\" is no such guest",
                           domain->config->modules[0].path);
    }
    return OK;
}

static enum status create(const struct manager *manager, struct domain *domain)
{
    uint64_t gib = (domain->config->memory >> 30) + 3; /* with the hole, and a piece that is not aligned */
    uint64_t quota = QUOTA_BASE + QUOTA_VCPU * domain->config->vcpus + QUOTA_GIB * gib +
                     QUOTA_PIECE * (domain->extent_count + domain->config->module_count + domain->config->device_count +
                                    domain->config->control) +
                     (domain->identity ? QUOTA_SERVICE : 0);
    enum status status = sys_domain_create(domain->config->name, quota, MANAGER_EVENT, &domain->handle);
    if (status == ERR_MEMORY) {
        return domain_fail(manager, domain, status, "memory",
                           "the kernel's pool of %llu KiB has no %llu KiB left for another domain; have "
                           "fewer of them, or fewer vcpus, at a time",
                           (unsigned long long)(manager->info->kernel_pool_size >> 10),
                           (unsigned long long)quota * PAGE_SIZE >> 10);
    }
    return status == OK ? OK
                        : domain_fail(manager, domain, status, "kernel",
                                      "the kernel refused to create the domain: status %u", status);
}

/* What only some domains need. */
static enum status claim(struct manager *manager, struct domain *domain)
{
    return domain->identity ? service_claim(manager, domain) : OK;
}

static enum status equip(struct manager *manager, struct domain *domain)
{
    return domain->identity ? service_equip(manager, domain) : OK;
}

static enum status connect_devices(struct manager *manager, struct domain *domain)
{
    bool needed = !domain->identity && domain->config->device_count + domain->config->control > 0;
    return needed ? service_connect(manager, domain) : OK;
}

static enum status equip_paravirtual(struct manager *manager, struct domain *domain)
{
    return domain->paravirtual && !domain->identity ? peer_equip(manager, domain) : OK;
}

static enum status build_monitor(struct manager *manager, struct domain *domain)
{
    return domain_process_build(manager, domain);
}

/* Everything between creation and start, in this order. */
static const struct {
    const char *what;
    enum status (*take)(struct manager *manager, struct domain *domain);
} steps[] = {
    { "giving its devices to it alone", claim },
    { "mapping its memory", map_guest_memory },
    { "mapping the test device's memory", map_test_memory },
    { "mapping its firmware", map_firmware },
    { "giving it devices", equip },
    { "connecting its disks and networks to drivers-dom", connect_devices },
    { "giving it the paravirtual interface", equip_paravirtual },
    { "giving it a console", terminal_open },
    { "building its monitor", build_monitor },
    { "creating its vcpus", create_vcpus },
    { "connecting its console", terminal_connect },
    { "connecting it with its peers", peer_connect },
    { "starting its vcpus", start_vcpus },
};

static enum status fill(struct manager *manager, struct domain *domain)
{
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        enum status status = steps[i].take(manager, domain);
        if (status != OK) {
            return domain_fail(manager, domain, status, "kernel", "%s failed with status %u", steps[i].what, status);
        }
    }
    return OK;
}

enum status domain_start(struct manager *manager, struct domain *domain)
{
    domain->config_error = true;
    domain->code = END_CONFIG;
    enum status status = check_files(manager, domain);
    status = status == OK ? placement_choose(manager, domain) : status;
    status = status == OK ? take_guest_memory(manager, domain) : status;
    status = status == OK ? create(manager, domain) : status;
    if (status != OK) {
        give_all(domain);
        return status;
    }
    domain->started = __builtin_ia32_rdtsc();
    status = fill(manager, domain);
    if (status != OK) {
        (void)sys_domain_stop(domain->handle, END_CONFIG, "could not be built");
        domain->phase = PHASE_PRESERVED;
        (void)!domain_free(manager, domain);
        return status;
    }
    domain->config_error = false;
    domain->phase = PHASE_RUNNING;
    return OK;
}

void domain_wait_ms(const struct manager *manager)
{
    struct vcpu_state *state = thread_state();
    uint64_t until = __builtin_ia32_rdtsc() + manager->info->tsc_hz / 1000, others = 0;
    state->deadline = until;
    while (__builtin_ia32_rdtsc() < until) {
        (void)sys_event_wait();
        others |= __atomic_exchange_n(&state->events, 0, __ATOMIC_ACQ_REL);
    }
    state->deadline = 0;
    __atomic_fetch_or(&state->events, others & ~(1ull << EVENT_TIMER), __ATOMIC_RELEASE);
}

enum status domain_free(struct manager *manager, struct domain *domain)
{
    service_disconnect(manager, domain);
    terminal_ended(manager, domain);
    peer_disconnect(manager, domain);
    enum status status = sys_domain_destroy(domain->handle);
    for (unsigned i = 0; status == ERR_BUSY && i < FREE_TRIES; i++) {
        domain_wait_ms(manager); /* another CPU is still on its way out of it */
        status = sys_domain_destroy(domain->handle);
    }
    if (status != OK) {
        domain->phase = PHASE_PRESERVED;
        return status;
    }
    give_all(domain);
    domain->phase = PHASE_NONE;
    return OK;
}
