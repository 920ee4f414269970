/* SPDX-License-Identifier: MIT
 * Temporary mappings of memory, lasting ones of files. */
#include "window.h"

#include <string.h>
#include "bulkhead/syscall.h"

static uint64_t open_at, open_size;

enum status window_open(uint64_t base, uint64_t size, void **at)
{
    /* The same offset in the largest page: so the kernel can use large pages. */
    open_at = LAYOUT_WINDOW + base % WINDOW_SIZE;
    open_size = size;
    *at = (void *)open_at;
    return sys_domain_map(HANDLE_SELF, SPACE_PROCESS | MAP_READ | MAP_WRITE, base, open_at, size);
}

void window_close(void) { (void)sys_domain_unmap(HANDLE_SELF, SPACE_PROCESS, open_at, open_size); }

/* Whole pages. MOVNTI does not evict what is in the caches and needs no vector register. */
static void clear(void *at, uint64_t size)
{
    uint64_t *end = (uint64_t *)((char *)at + size);
    for (uint64_t *word = at; word < end; word += 8) {
        __asm__ volatile("movnti %1, 0(%0)\n\t"
                         "movnti %1, 8(%0)\n\t"
                         "movnti %1, 16(%0)\n\t"
                         "movnti %1, 24(%0)\n\t"
                         "movnti %1, 32(%0)\n\t"
                         "movnti %1, 40(%0)\n\t"
                         "movnti %1, 48(%0)\n\t"
                         "movnti %1, 56(%0)"
                         :
                         : "r"(word), "r"(0ull)
                         : "memory");
    }
    __asm__ volatile("sfence" : : : "memory");
}

enum status window_clear(uint64_t base, uint64_t size)
{
    while (size > 0) {
        uint64_t part = size < WINDOW_SIZE ? size : WINDOW_SIZE;
        void *at;
        enum status status = window_open(base, part, &at);
        if (status != OK) {
            return status;
        }
        clear(at, part);
        window_close();
        base += part;
        size -= part;
    }
    return OK;
}

const struct boot_module *file_find(const struct boot_info *info, const char *name)
{
    for (unsigned i = 0; i < info->module_count && i < BOOT_MAX_MODULES; i++) {
        if (strncmp(info->modules[i].name, name, BOOT_NAME_SIZE) == 0) {
            return &info->modules[i];
        }
    }
    return NULL;
}

void file_names(const struct boot_info *info, const char *names[BOOT_MAX_MODULES + 1])
{
    unsigned count = 0;
    for (; count < info->module_count && count < BOOT_MAX_MODULES; count++) {
        names[count] = info->modules[count].name;
    }
    names[count] = NULL;
}

const void *file_map(const struct boot_module *file)
{
    uint64_t size = (file->size + PAGE_MASK) & ~PAGE_MASK, at = LAYOUT_MODULES + file->base;
    enum status status =
        size > 0 ? sys_domain_map(HANDLE_SELF, SPACE_PROCESS | MAP_READ, file->base, at, size) : ERR_PARAM;
    return status == OK || status == ERR_EXISTS ? (const void *)at : NULL;
}
