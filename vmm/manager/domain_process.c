/* SPDX-License-Identifier: MIT
 * The monitor process of a domain: its program's segments, heap, start pages, stacks and files. All its private memory
 * is one piece, in this order. */
#include "domain_process.h"

#include <stdio.h>
#include <string.h>
#include "bulkhead/syscall.h"
#include "start.h"
#include "window.h"

#define HEAP_BASE    0x50000ull /* of a monitor: struct machine with its port map takes 200 KiB, the devices 32 KiB */
#define HEAP_CHANNEL 0x10000ull /* for a virtio device */
#define START_SIZE   (START_PAGES * PAGE_SIZE)

static uint64_t heap_size(const struct domain *domain)
{
    return HEAP_BASE + HEAP_CHANNEL * (domain->config->device_count + domain->config->control);
}

static enum status map(const struct domain *domain, uint32_t rights, uint64_t hpa, uint64_t address, uint64_t size)
{
    return sys_domain_map(domain->handle, SPACE_PROCESS | rights, hpa, address, size);
}

static void copy_text(char *out, size_t size, const char *text)
{
    strncpy(out, text, size - 1);
    out[size - 1] = 0;
}

static void fill_module(const struct manager *manager, const struct config_module *config, struct start_module *module)
{
    const struct boot_module *file = file_find(manager->info, config->path);
    module->address = LAYOUT_MODULES + file->base;
    module->size = file->size;
    copy_text(module->name, sizeof(module->name), config->path);
    copy_text(module->cmdline, sizeof(module->cmdline), config->arguments);
}

static void fill_start(const struct manager *manager, const struct domain *domain, struct start *start)
{
    const struct config_domain *config = domain->config;
    start->magic = START_MAGIC;
    start->vcpu_count = config->vcpus;
    copy_text(start->name, sizeof(start->name), config->name);
    start->memory = config->memory;
    start->low_memory = domain_low_memory(domain);
    start->tsc_hz = manager->info->tsc_hz;
    start->epoch = manager->info->epoch;
    start->boot_tsc = manager->info->boot_tsc;
    start->heap_size = heap_size(domain);
    start->debug_exit = config->debug_exit;
    start->firmware = config->firmware;
    start->trace = config->trace;
    start->console = config->console;
    start->console_handle = domain->console.output_handle;
    start->has_initrd = config->has_initrd;
    start->module_count = config->module_count;
    for (unsigned i = 0; i < config->module_count; i++) {
        fill_module(manager, &config->modules[i], &start->modules[i]);
    }
    copy_text(start->cmdline, sizeof(start->cmdline), config->cmdline);
    start->paravirtual = domain->paravirtual;
    start->identity = domain->identity ? domain->guest_parts[0].base : 0;
    start->pv_page = domain->paravirtual ? DOMAIN_PV_PAGE : 0;
    start->peers = domain->peers != NULL ? DOMAIN_PEERS : 0;
    start->control = domain->control;
    start->channel_count = domain->channel_count;
    memcpy(start->channels, domain->channels, sizeof(start->channels));
}

/* Initial contents: data segments, the start pages. The rest stays zero. */
static enum status fill(const struct manager *manager, const struct domain *domain, const struct extent *piece)
{
    enum status status = window_clear(piece->base, piece->size);
    void *window;
    if (status == OK) {
        status = window_open(piece->base, piece->size, &window);
    }
    if (status != OK) {
        return status;
    }
    char *at = window;
    for (unsigned i = 0; i < manager->program.segment_count; i++) {
        const struct program_segment *segment = &manager->program.segments[i];
        if (segment->rights & MAP_WRITE) {
            memcpy(at + segment->skip, segment->contents, segment->contents_size);
            at += segment->size;
        }
    }
    fill_start(manager, domain, (struct start *)(at + heap_size(domain)));
    window_close();
    return OK;
}

static enum status map_program(const struct program *program, const struct domain *domain, uint64_t *hpa)
{
    for (unsigned i = 0; i < program->segment_count; i++) {
        const struct program_segment *segment = &program->segments[i];
        bool private = (segment->rights & MAP_WRITE) != 0;
        enum status status =
            map(domain, segment->rights, private ? *hpa : segment->hpa, segment->address, segment->size);
        if (status != OK) {
            return status;
        }
        *hpa += private ? segment->size : 0;
    }
    return OK;
}

static enum status map_stacks(const struct domain *domain, uint64_t hpa)
{
    for (uint64_t i = 0; i < domain->config->vcpus; i++) {
        uint64_t top = LAYOUT_STACK + (i + 1) * LAYOUT_STACK_STRIDE;
        enum status status =
            map(domain, MAP_READ | MAP_WRITE, hpa + i * LAYOUT_STACK_SIZE, top - LAYOUT_STACK_SIZE, LAYOUT_STACK_SIZE);
        if (status != OK) {
            return status;
        }
    }
    return OK;
}

/* Each file once, even if the configuration names it twice. */
static enum status map_files(const struct manager *manager, const struct domain *domain)
{
    for (unsigned i = 0; i < domain->config->module_count; i++) {
        const struct boot_module *file = file_find(manager->info, domain->config->modules[i].path);
        uint64_t size = (file->size + PAGE_MASK) & ~PAGE_MASK;
        bool again = size == 0;
        for (unsigned j = 0; j < i; j++) {
            again |= strcmp(domain->config->modules[i].path, domain->config->modules[j].path) == 0;
        }
        enum status status = again ? OK : map(domain, MAP_READ, file->base, LAYOUT_MODULES + file->base, size);
        if (status != OK) {
            return status;
        }
    }
    return OK;
}

enum status domain_process_build(const struct manager *manager, struct domain *domain)
{
    uint64_t size =
        manager->program.private_size + heap_size(domain) + START_SIZE + domain->config->vcpus * LAYOUT_STACK_SIZE;
    struct extent piece;
    enum status status = domain_take(domain, size, PAGE_SIZE, &piece);
    if (status != OK) {
        return status;
    }
    uint64_t hpa = piece.base;
    status = fill(manager, domain, &piece);
    status = status == OK ? map_program(&manager->program, domain, &hpa) : status;
    status = status == OK ? map(domain, MAP_READ | MAP_WRITE, hpa, LAYOUT_HEAP, heap_size(domain)) : status;
    status = status == OK ? map(domain, MAP_READ, hpa + heap_size(domain), LAYOUT_START, START_SIZE) : status;
    status = status == OK
                 ? map(domain, MAP_READ | MAP_WRITE, domain->console.base, LAYOUT_CONSOLE, domain->console.size)
                 : status;
    status = status == OK ? map_stacks(domain, hpa + heap_size(domain) + START_SIZE) : status;
    return status == OK ? map_files(manager, domain) : status;
}
