/* SPDX-License-Identifier: MIT
 * What a small paravirtual guest needs besides libc-mini: printf on its console, pages, events, time, an end. One vcpu, interrupts off,
 * no threads. A guest defines guest_main(), gives the start information to guest_init() and ends with guest_end(). examples/ring.c is one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hypercall.h"

/* The guest begins here: guest-physical address of struct pv_start. It must not return. */
_Noreturn void guest_main(uint64_t start_address);

/* Call it first; it prepares console and heap (malloc). Ends the domain with a message if the information is malformed. */
const struct pv_start *guest_init(uint64_t start_address);

/* Guest-physical memory below 512 GiB as the guest sees it, and back. */
static inline void *guest_pointer(uint64_t gpa) { return (void *)(PV_DIRECT + gpa); }
static inline uint64_t guest_address(const void *pointer) { return (uint64_t)pointer - PV_DIRECT; }

/* Fresh zeroed pages, for good; null if there are no more. They can be granted. */
void *guest_pages(uint64_t count);

/* Waits until one of these events (bits 0 to 63 of the pv page) is there, and takes all that are of `mask`. Returns 0 if the TSC reached
 * `deadline` first (0: no deadline). */
uint64_t guest_wait(uint64_t mask, uint64_t deadline);

/* Nanoseconds since 1970. */
uint64_t guest_time(void);

/* Code 0: success. */
_Noreturn void guest_end(uint64_t code);
