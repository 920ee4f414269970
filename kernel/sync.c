/* SPDX-License-Identifier: MIT
 * The management lock and the handshake between CPUs. */
#include "sync.h"
#include "api.h"
#include "guest.h"
#include "hostmap.h"
#include "x86.h"

static _Atomic uint32_t manage;

void manage_lock(void)
{
    while (__atomic_exchange_n((uint32_t *)&manage, 1u, __ATOMIC_ACQUIRE)) {
        sync_answer(this_cpu());
        __builtin_ia32_pause();
    }
}

void manage_unlock(void)
{
    spin_unlock(&manage);
}

/* An idle CPU leaves the address space of the process that it ran last: that may be about to be freed. */
static void sync_local(struct cpu *cpu)
{
    if (cpu->current) {
        write_cr3(read_cr3());
    } else {
        cpu->user_cr3 = 0;
        write_cr3(hostmap_cr3());
    }
    guest_drop_idle(cpu);
}

void sync_answer(struct cpu *cpu)
{
    uint64_t request = __atomic_load_n((uint64_t *)&cpu->sync_request, __ATOMIC_ACQUIRE);
    if (cpu->sync_done == request)
        return;
    sync_local(cpu);
    __atomic_store_n((uint64_t *)&cpu->sync_done, request, __ATOMIC_RELEASE);
}

/* CPU i, if it is another one and its scheduler runs; else null. */
static struct cpu *other(uint32_t i)
{
    struct cpu *cpu = cpu_by_index(i);
    return cpu != this_cpu() && __atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE) ? cpu : NULL;
}

void sync_cpus(void)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct cpu *cpu = other(i);
        if (!cpu)
            continue;
        cpu->sync_request++;
        lapic_command(cpu->apic_id, VECTOR_KICK);
    }
    sync_local(this_cpu());
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct cpu *cpu = other(i);
        while (cpu && __atomic_load_n((uint64_t *)&cpu->sync_done, __ATOMIC_ACQUIRE) != cpu->sync_request)
            __builtin_ia32_pause();
    }
}
