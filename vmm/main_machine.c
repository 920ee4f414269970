/* SPDX-License-Identifier: MIT
 * The machine's lock and its end, on the target. */
#include <stdarg.h>
#include <stdio.h>
#include "bulkhead/syscall.h"
#include "console.h"
#include "exits.h"
#include "machine.h"

/* Threads of one domain may share a CPU: after some tries give way, so that the holder can run. */
#define LOCK_SPINS 100

void machine_lock(struct machine *machine)
{
    unsigned spins = 0;
    while (atomic_exchange_explicit(&machine->lock, 1, memory_order_acquire)) {
        __builtin_ia32_pause();
        if (++spins % LOCK_SPINS == 0)
            (void)sys_yield();
    }
}

void machine_unlock(struct machine *machine)
{
    atomic_store_explicit(&machine->lock, 0, memory_order_release);
}

void machine_end(struct machine *machine, unsigned code, const char *format, ...)
{
    static _Atomic uint32_t ending;
    char reason[STATE_TEXT_SIZE / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    while (atomic_exchange(&ending, 1))
        (void)sys_yield(); /* another thread is at it; the first reason counts */
    console_flush(machine);
    if (machine->start && machine->start->trace)
        exits_print(machine);
    sys_domain_exit((enum domain_end)code, reason);
}
