/* SPDX-License-Identifier: MIT
 * A vcpu: the one schedulable entity. It alternates between its guest and its monitor thread in ring 3. */
#pragma once

#include "cpu.h"
#include "domain.h"

/* How the CPU goes on with it. */
enum resume_kind {
    RESUME_TRAP,    /* IRET with vcpu.frame: at its start, and when it was interrupted in ring 3 */
    RESUME_SYSCALL, /* return from a system call with `result` and `result2` */
    RESUME_GUEST,   /* inside vcpu_run: back into the guest */
};

enum vcpu_run_state { VCPU_STOPPED, VCPU_READY, VCPU_CURRENT, VCPU_BLOCKED, VCPU_DEAD };

struct vcpu {
    struct vcpu_state *state; /* the state page: shared with ring 3, trust nothing */
    uint8_t *vapic;           /* virtual-APIC page, shared with ring 3 (x2APIC-style registers, SDM 3A 11.4.1) */
    struct domain *domain;
    struct cpu *cpu;          /* pinned */
    uint32_t index;           /* in its domain */
    uint8_t priority;         /* of the queue that it is in: its own, or less (scheduler.c, choose_queue) */
    uint8_t own_priority;
    bool dedicated, burst;
    uint8_t resume;           /* enum resume_kind */
    _Atomic uint8_t run_state; /* enum vcpu_run_state */
    uint64_t user_rip, user_rsp; /* of a system call */
    uint64_t result, result2;
    struct vcpu *next, *prev;    /* run queue */
    struct vcpu *sleep_next;
    uint64_t sleep_deadline;     /* 0: not among the sleepers */
    struct trap_frame frame;     /* RESUME_TRAP */

    /* Guest side. */
    void *vendor;             /* VMCS or VMCB, pool page */
    hpa_t vendor_hpa;
    void *vendor_state;       /* struct vmx_vcpu or svm_vcpu in the rest of a pool page */
    void *xsave;              /* pool page: guest FPU state while not loaded; standard format, XCR0 of the model */
    uint64_t xcr0;            /* guest's */
    uint64_t guest_dr[4];     /* DR0 to DR3, while not loaded */
    bool in_guest;            /* vcpu_run is on its way into the guest or in it */
    bool pv_waiting;          /* in HYPERCALL_EVENT_WAIT */
    uint64_t seen_generation; /* of domain.guest_generation */
    uint64_t deadline;        /* state->deadline as last looked at */
    bool paused;              /* SYS_DOMAIN_PAUSE: READY means that it would run */
    uint64_t run_since, ticks_run; /* TSC ticks */
    uint64_t monitor_since, ticks_monitor;
    uint64_t period, period_used; /* burst: since when, how long it has run since then */
};

/* What SYS_VCPU_CREATE asks for. */
struct vcpu_spec {
    uint32_t cpu;
    uint8_t priority;
    bool dedicated; /* no other vcpu may be on that CPU */
    bool burst;     /* its priority is for half of the time; then it takes turns */
    uint64_t entry, argument;
};

/* The domain's next vcpu, stopped. Its pages are charged to the domain. Manage lock held. ERR_PARAM, ERR_MEMORY, ERR_BUSY (the CPU is
 * dedicated to another, or shared and asked for as dedicated; or MAX_VCPUS). */
must_use enum status vcpu_create(struct domain *domain, const struct vcpu_spec *spec, struct vcpu **out);
/* To another CPU or priority; its domain must be paused. ERR_PARAM, ERR_BUSY as above; ERR_AGAIN: it has not left its old CPU yet. Manage lock
 * held. */
must_use enum status vcpu_move(struct vcpu *vcpu, const struct vcpu_spec *spec);
/* Frees it. It must be dead and off its CPU. Manage lock held. */
void vcpu_destroy(struct vcpu *vcpu);
