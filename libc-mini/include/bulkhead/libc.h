/* SPDX-License-Identifier: MIT
 * What libc-mini offers and asks for beyond the C standard: heap set-up, hooks, threads. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Gives malloc its memory: [base, base + size), mapped and writable. Once, before the first malloc. */
void heap_init(void *base, size_t size);
/* Bytes in use and free, headers included. */
struct heap_usage {
    size_t used, available, largest;
};
struct heap_usage heap_usage(void);

/* Where printf and its kin go. The library has one (console.c) that writes to the console with sys_console_write; a
 * program that defines its own gets that. */
void libc_write(const char *text, size_t length);
/* What a thread does while it waits for a lock of the library. */
void libc_relax(void);

/* Defined by the program: the body of thread `index` (= vcpu index). Must not return. */
void thread_main(uint64_t argument, uint64_t index);
