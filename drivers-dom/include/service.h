/* SPDX-License-Identifier: MIT
 * The frame of drivers-dom: one thread, one loop, no interrupts. Everything is a callback from service_run(): an
 * event bit, a timer, or the end of the round (bottom). Nothing may block; a driver that has to wait sets a timer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/control.h"
#include "abi/hypercall.h"
#include "abi/status.h"

/* --- start and loop --- */
/* Reads the start information, makes the heap. Once, first of all; ends the domain if the information is malformed. */
void service_init(const struct pv_start *start);
const struct pv_start *service_start(void);
/* The boot module of this name, null if there is none. */
const struct pv_module *service_module(const char *name);
/* Serves events, timers and bottoms for ever. */
_Noreturn void service_run(void);
/* One round without waiting: events, timers, bottoms. True if anything was done. For service_run and for start-up. */
bool service_round(void);
/* Says why, and ends the domain: a bug or a start that makes no sense. Never because of what a guest, device or disk
 * did. */
_Noreturn void service_end(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- events: bits of the pv page --- */
/* Calls handler in the loop when the bit was set. One handler a bit; null removes it. */
void service_on_event(unsigned bit, void (*handler)(void *context), void *context);
/* Signals an event of another domain: at the end of this round, with the others. */
void service_signal(uint32_t handle);

/* --- time --- */
uint64_t service_now(void); /* ns since start, monotonic */
struct service_timer {
    uint64_t deadline; /* ns; 0 = not armed */
    void (*fire)(void *context);
    void *context;
    struct service_timer *next;
};
void service_timer_arm(struct service_timer *timer, uint64_t deadline);
void service_timer_cancel(struct service_timer *timer);
/* Busy wait, for resets at start-up only. */
void service_delay(uint64_t ns);

/* --- the end of the round --- */
/* Runs once at the end of this round: after all events and due timers, before the loop sleeps, in the order of
 * arming. Arming what is armed does nothing. What `run` arms (itself, too) belongs to the next round, which then
 * comes without sleeping. Back ends publish completions and start devices here: one signal and one doorbell for a
 * whole round. */
struct service_bottom {
    void (*run)(void *context);
    void *context;
    bool armed;
    struct service_bottom *next;
};
void service_bottom_arm(struct service_bottom *bottom);
/* Before its memory is freed. */
void service_bottom_cancel(struct service_bottom *bottom);

/* --- memory --- */
/* Zeroed, physically contiguous, aligned to `align` (power of two, up to 2 MiB); null if exhausted. Its machine
 * address by dma_of. */
#define DMA_GRANULE 64u
#define DMA_MAX_ALIGN 0x200000ul
/* Gives the allocator its memory, in the PV_DIRECT map. Once. */
void dma_init(void *base, size_t size);
/* Bytes that are free. */
size_t dma_available(void);
void *dma_alloc(size_t size, size_t align);
void dma_free(void *memory, size_t size);
static inline uint64_t dma_of(const void *memory) { return (uint64_t)memory - PV_DIRECT; }
static inline void *machine(uint64_t address) { return (void *)(PV_DIRECT + address); }

/* --- interrupts of devices --- */
/* Makes the interrupts of the control area known; none without it. */
void irq_init(const struct control *control);
/* Takes a message-signalled interrupt for a device (bus << 8 | slot << 3 | function): *address and *data are for it. ERR_NONE if all
 * are in use, ERR_DENIED if it is not ours. */
must_use enum status service_msi(uint16_t source, void (*handler)(void *context), void *context, uint64_t *address,
                                 uint32_t *data);
/* Takes a line (GSI; legacy devices, and PCI INTx when there is nothing better). Lines may be shared: all handlers
 * run; each looks at its own device. ERR_NONE: the manager did not give this line. */
must_use enum status service_line(uint32_t gsi, void (*handler)(void *context), void *context);

/* --- messages: to the console, prefixed "drivers-dom: ", one line each (the line's end is added if missing) --- */
void log_init(void);
void service_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
