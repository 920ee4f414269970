/* SPDX-License-Identifier: MIT
 * Routines of GNU Mach, as functions. All return the kernel's status, and are for the task's first thread only
 * (rpc.h). */
#ifndef MACH_KERNEL_H
#define MACH_KERNEL_H

#include <mach/host_info.h>
#include <mach/time_value.h>
#include "rpc.h"

#define KERNEL_VERSION_SIZE 512u

kern_return_t kernel_version(char text[KERNEL_VERSION_SIZE]);
kern_return_t kernel_host_info(struct host_basic_info *info);
/* Microseconds since some day. */
kern_return_t kernel_time(uint64_t *microseconds);
/* host: the privileged port. Returns on failure only. */
kern_return_t kernel_reboot(mach_port_t host);

/* A new thread that calls entry with a stack; it must not return. */
kern_return_t kernel_thread(mach_port_t task, void (*entry)(void), void *stack_end, mach_port_t *thread);
kern_return_t kernel_suspend_task(mach_port_t task);
/* Reads a word of any task's memory. */
kern_return_t kernel_read_word(mach_port_t task, const volatile uint32_t *address, uint32_t *word);

/* Devices; master: the port of all of them. */
kern_return_t kernel_open(mach_port_t master, const char *name, mach_port_t *device);
/* At most 128 bytes. */
kern_return_t kernel_write(mach_port_t device, const char *text, uint32_t size);
/* Reads at most *size, at most 128, bytes from a record; for a terminal, what has been typed, and at least one. */
kern_return_t kernel_read(mach_port_t device, uint32_t record, char *data, uint32_t *size);

#endif
