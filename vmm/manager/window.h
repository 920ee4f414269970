/* SPDX-License-Identifier: MIT
 * Temporary mappings: the manager's only way to see memory that it hands out, and files of the boot image. */
#pragma once

#include <stdint.h>
#include "abi/info.h"
#include "abi/status.h"

/* Maps machine memory [base, base + size), writable, at *at. At most WINDOW_SIZE bytes; one window at a time. */
#define WINDOW_SIZE (1ull << 30)
must_use enum status window_open(uint64_t base, uint64_t size, void **at);
/* Unmaps the open window. */
void window_close(void);
/* Zeroes memory of any size before it is handed out. No window may be open. */
must_use enum status window_clear(uint64_t base, uint64_t size);

/* The file of the boot image with this name, or null. */
const struct boot_module *file_find(const struct boot_info *info, const char *name);
/* The names of all its files, ended by null. */
void file_names(const struct boot_info *info, const char *names[BOOT_MAX_MODULES + 1]);
/* Maps it read-only into the manager, for good; null if the kernel refuses. */
const void *file_map(const struct boot_module *file);
