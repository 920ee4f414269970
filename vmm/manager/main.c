/* SPDX-License-Identifier: MIT
 * The manager: the first process of ring 3. It owns all memory and CPUs, reads the configuration and starts the
 * domains. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bulkhead/libc.h"
#include "bulkhead/syscall.h"
#include "control_link.h"
#include "domain.h"
#include "lifecycle.h"
#include "memory.h"
#include "service.h"
#include "terminal.h"
#include "watch.h"
#include "window.h"

#define CONFIG_MODULE  "config" /* or "config:" and the file's name for messages */
#define MONITOR_MODULE "vmm"

static struct manager manager;

/* What concerns all domains: there is nothing to start. */
static _Noreturn void give_up(const char *format, ...)
{
    char text[CONFIG_ERROR_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    printf("bulkhead: %s\nbulkhead: configuration error\n"
           "bulkhead: the machine stays on so that this can be read; switch it off by its button\n",
           text);
    watch_nothing();
}

static void print_error(void *context, const char *text)
{
    (void)context;
    printf("bulkhead: %s\n", text);
}

static const struct boot_module *find_config(const struct boot_info *info)
{
    size_t length = strlen(CONFIG_MODULE);
    for (unsigned i = 0; i < info->module_count && i < BOOT_MAX_MODULES; i++) {
        const char *name = info->modules[i].name;
        if (strncmp(name, CONFIG_MODULE, length) == 0 && (name[length] == 0 || name[length] == ':')) {
            manager.config_file = name[length] == ':' ? name + length + 1 : name;
            return &info->modules[i];
        }
    }
    give_up("the boot image has no file \"%s\"", CONFIG_MODULE);
}

static void check_files(const struct config_report *report)
{
    const char *names[BOOT_MAX_MODULES + 1];
    file_names(manager.info, names);
    config_check_files(&manager.config, manager.config_file, names, report);
}

static void read_config(void)
{
    const struct config_report report = { print_error, NULL };
    const struct boot_module *file = find_config(manager.info);
    const char *text = file->size > 0 ? file_map(file) : "";
    if (text == NULL) {
        give_up("the file \"%s\" cannot be mapped", file->name);
    }
    manager.config_text = text;
    manager.config_size = file->size;
    if (config_parse(&manager.config, manager.config_file, text, file->size, &report) == ERR_MEMORY) {
        give_up("the manager's heap is too small for the configuration");
    }
    config_check_machine(&manager.config, manager.config_file, manager.info->cpu_count, memory_total(), &report);
    check_files(&report);
}

static void open_monitor(void)
{
    const struct boot_module *file = file_find(manager.info, MONITOR_MODULE);
    const char *why = "the boot image has no such file";
    if (file == NULL || program_open(&manager.program, file, &why) != OK) {
        give_up("the file \"%s\": %s", MONITOR_MODULE, why);
    }
}

static void start_domains(void)
{
    char why[LIFECYCLE_WHY];
    for (unsigned i = 0; i < manager.config.domain_count; i++) {
        struct domain *domain = lifecycle_add(&manager, manager.config.domains[i]);
        domain->boot = domain->config->autostart || domain->config->bad;
        if (domain->config->bad) {
            domain->was_started = domain->config_error = true;
            domain->code = END_CONFIG;
            snprintf(domain->reason, sizeof(domain->reason), "%s", domain->config->error);
        } else if (domain->config->autostart && !lifecycle_start(&manager, domain, why)) {
            printf("bulkhead: %s\n", why);
        }
    }
}

static void greet(const struct boot_info *info)
{
    printf("bulkhead: %.16s, %u CPU%s, %llu MiB of memory for domains, kernel %llu KiB + pool %llu KiB\n",
           info->virtualization, info->cpu_count, info->cpu_count == 1 ? "" : "s",
           (unsigned long long)(memory_total() >> 20), (unsigned long long)(info->kernel_image_size >> 10),
           (unsigned long long)(info->kernel_pool_size >> 10));
}

void thread_main(uint64_t argument, uint64_t index)
{
    const struct boot_info *info = (const struct boot_info *)argument;
    (void)index;
    if (info->magic != BOOT_INFO_MAGIC || info->version != BOOT_INFO_VERSION) {
        sys_domain_exit(END_MONITOR, "the kernel's boot information has another version than this manager");
    }
    heap_init((void *)info->heap_base, info->heap_size);
    manager.info = info;
    memory_init(info);
    if (terminal_init(&manager) != OK) {
        give_up("there is no memory for the consoles");
    }
    if (control_link_init(&manager) != OK) {
        give_up("there is no memory for the control channel");
    }
    greet(info);
    read_config();
    open_monitor();
    service_start(&manager);
    start_domains();
    terminal_set_focus(&manager);
    watch(&manager);
}
