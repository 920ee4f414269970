/* SPDX-License-Identifier: MIT
 * KVM's paravirtual clock. */
#include <stddef.h>
#include <string.h>
#include "devices/pvclock.h"
#include "machine.h"
#include "platform.h"

#define NS_PER_SECOND 1000000000ull
#define SYSTEM_TIME_ENABLE 1ull
#define FLAG_TSC_STABLE 1u
#define ALIGNMENT_MASK 3ull

/* In guest memory. An odd version says that the writer is at work. */
struct time_info {
    uint32_t version, pad;
    uint64_t tsc_timestamp, system_time;
    uint32_t multiplier;
    int8_t shift;
    uint8_t flags, pad2[2];
} __attribute__((packed, aligned(4)));
_Static_assert(sizeof(struct time_info) == 32, "pvclock_vcpu_time_info");

struct wall_clock {
    uint32_t version, seconds, nanoseconds;
} __attribute__((packed, aligned(4)));
_Static_assert(sizeof(struct wall_clock) == 12, "pvclock_wall_clock");

/* The factor for this frequency (1 kHz and more): ns = (ticks << shift) * multiplier >> 32. */
static struct pvclock_scale scale_of(uint64_t tsc_hz)
{
    struct pvclock_scale scale = { 0, 0 };
    uint64_t seconds = NS_PER_SECOND, hz = tsc_hz ? tsc_hz : 1;
    /* The most precise multiplier has its top bit set: scale until 1/2 <= seconds / hz < 1. */
    for (; seconds >= hz; scale.shift++)
        hz <<= 1;
    for (; seconds < hz - seconds; scale.shift--)
        seconds <<= 1;
    scale.multiplier = (uint32_t)muldiv64(seconds, 1ull << 32, hz);
    return scale;
}

/* Opens a structure for writing: other vcpus may be reading it. */
static uint32_t write_begin(uint32_t *version)
{
    uint32_t odd = __atomic_load_n(version, __ATOMIC_RELAXED) | 1;
    __atomic_store_n(version, odd, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return odd;
}

static void write_end(uint32_t *version, uint32_t odd)
{
    __atomic_store_n(version, odd + 1, __ATOMIC_RELEASE);
}

static struct pvclock *pvclock_of(const struct vcpu *vcpu)
{
    return &vcpu->machine->platform->pvclock;
}

static void write_system_time(struct vcpu *vcpu)
{
    const struct pvclock *pvclock = pvclock_of(vcpu);
    uint64_t msr = pvclock->system_time[vcpu->index];
    struct time_info *info = memory_at(&vcpu->machine->memory, msr & ~ALIGNMENT_MASK, sizeof(*info));
    if (!(msr & SYSTEM_TIME_ENABLE) || !info)
        return;
    uint32_t odd = write_begin(&info->version);
    info->pad = 0;
    info->tsc_timestamp = vcpu->machine->clock.tsc_start + vcpu->state->tsc_offset;
    info->system_time = 0;
    info->multiplier = pvclock->scale.multiplier;
    info->shift = pvclock->scale.shift;
    info->flags = FLAG_TSC_STABLE;
    memset(info->pad2, 0, sizeof(info->pad2));
    write_end(&info->version, odd);
}

/* The wall-clock time of machine time 0. */
static bool write_wall_clock(struct vcpu *vcpu, uint64_t address)
{
    const struct machine *machine = vcpu->machine;
    struct wall_clock *wall = memory_at(&machine->memory, address, sizeof(*wall));
    if (!wall || address & ALIGNMENT_MASK)
        return false;
    uint64_t ticks = machine->clock.tsc_start - machine->start->boot_tsc;
    uint64_t ns = muldiv64(ticks, NS_PER_SECOND, machine->clock.tsc_hz);
    uint32_t odd = write_begin(&wall->version);
    wall->seconds = (uint32_t)(machine->start->epoch + ns / NS_PER_SECOND);
    wall->nanoseconds = (uint32_t)(ns % NS_PER_SECOND);
    write_end(&wall->version, odd);
    return true;
}

static bool is_wall_clock(uint32_t msr)
{
    return msr == MSR_KVM_WALL_CLOCK || msr == MSR_KVM_WALL_CLOCK_NEW;
}

bool pvclock_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    struct pvclock *pvclock = pvclock_of(vcpu);
    *value = is_wall_clock(msr) ? pvclock->wall_clock : pvclock->system_time[vcpu->index];
    return true;
}

bool pvclock_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    struct pvclock *pvclock = pvclock_of(vcpu);
    if (is_wall_clock(msr)) {
        if (!write_wall_clock(vcpu, value))
            return false;
        pvclock->wall_clock = value;
        return true;
    }
    uint64_t address = value & ~SYSTEM_TIME_ENABLE;
    if ((value & SYSTEM_TIME_ENABLE) &&
        (address & ALIGNMENT_MASK || !memory_at(&vcpu->machine->memory, address, sizeof(struct time_info))))
        return false;
    pvclock->system_time[vcpu->index] = value;
    write_system_time(vcpu);
    return true;
}

void pvclock_tsc_changed(struct vcpu *vcpu)
{
    write_system_time(vcpu);
}

void pvclock_reset(struct pvclock *pvclock)
{
    memset(pvclock->system_time, 0, sizeof(pvclock->system_time));
    pvclock->wall_clock = 0;
}

enum status pvclock_init(struct pvclock *pvclock, struct machine *machine)
{
    memset(pvclock, 0, sizeof(*pvclock));
    pvclock->machine = machine;
    pvclock->scale = scale_of(machine->clock.tsc_hz);
    return OK;
}
