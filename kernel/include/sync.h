/* SPDX-License-Identifier: MIT
 * Locks between CPUs, and the handshake that tells when every CPU has left what it was doing. */
#pragma once

#include "cpu.h"

/* The lock of everything that creates, maps or destroys. Not on any path of a running guest. While a CPU waits for it, it
 * answers handshakes, so its holder may do them. */
void manage_lock(void);
void manage_unlock(void);

/* A spin lock for a few instructions. The holder must not wait for another CPU. */
static inline void spin_lock(_Atomic uint32_t *lock)
{
    while (__atomic_exchange_n((uint32_t *)lock, 1u, __ATOMIC_ACQUIRE))
        while (__atomic_load_n((uint32_t *)lock, __ATOMIC_RELAXED))
            __builtin_ia32_pause();
}
static inline void spin_unlock(_Atomic uint32_t *lock)
{
    __atomic_store_n((uint32_t *)lock, 0u, __ATOMIC_RELEASE);
}

/* Every other CPU that is online leaves guest or ring 3, flushes its TLB of ring-3 translations, drops guest state of dead
 * vcpus, and answers. When this returns, no CPU uses a pointer that was unlinked before the call, and none is in guest mode with an older
 * guest_generation than the one set before the call. This CPU does the same for itself. */
void sync_cpus(void);
/* Answers a handshake; interrupt handler and lock loops. */
void sync_answer(struct cpu *cpu);
