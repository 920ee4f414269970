/* SPDX-License-Identifier: MIT
 * System calls: decode and check here, commit in the objects. A table names each call, who may make it, and its handler. */
#include "syscall.h"
#include <string.h>
#include "abi/syscall.h"
#include "api.h"
#include "domain_console.h"
#include "event.h"
#include "handle.h"
#include "interrupt.h"
#include "paravirt.h"
#include "scheduler.h"
#include "sync.h"
#include "x86.h"

struct call {
    struct vcpu *caller;
    const uint64_t *a;
    uint64_t result; /* second result */
};

/* Copies a text that ring 3 left in the state page; always terminated. */
static void text_take(const struct vcpu *caller, char *out, size_t size)
{
    const volatile char *text = caller->state->text;
    size_t i = 0;
    for (; i + 1 < size && i < STATE_TEXT_SIZE && text[i]; i++)
        out[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
    out[i] = 0;
}

static struct domain *domain_argument(const struct call *call, uint64_t handle)
{
    if (handle == HANDLE_SELF)
        return call->caller->domain;
    return handle_object(call->caller->domain, handle, OBJECT_DOMAIN, RIGHT_MANAGE);
}

/* --- any process --- */

static enum status sys_event_wait(struct call *call)
{
    vcpu_block(call->caller);
    return OK;
}

static enum status sys_yield(struct call *call)
{
    struct cpu *cpu = this_cpu();
    struct vcpu *caller = call->caller;
    if (!cpu->queue[caller->priority] && !cpu->resched)
        return OK;
    caller->result = OK;
    cpu->slice_end = 0;
    preempt(caller, RESUME_SYSCALL);
}

static enum status sys_vcpu_poke(struct call *call)
{
    struct domain *domain = call->caller->domain;
    if (call->a[0] >= domain->vcpu_count)
        return ERR_PARAM;
    vcpu_notify(domain->vcpus[call->a[0]], 1ull << EVENT_POKE);
    return OK;
}

static enum status sys_event_signal(struct call *call)
{
    struct event *event = handle_object(call->caller->domain, call->a[0], OBJECT_EVENT, RIGHT_SIGNAL);
    return event ? event_signal(event) : ERR_HANDLE;
}

static enum status sys_console_write(struct call *call)
{
    if (call->a[0] > STATE_TEXT_SIZE)
        return ERR_PARAM;
    domain_console_write(call->caller->domain, call->caller->state->text, (uint32_t)call->a[0]);
    return OK;
}

static enum status sys_console_read(struct call *call)
{
    uint32_t max = call->a[0] < STATE_TEXT_SIZE ? (uint32_t)call->a[0] : STATE_TEXT_SIZE;
    call->result = domain_console_read(call->caller->domain, call->caller->state->text, max);
    return OK;
}

static enum status sys_domain_exit(struct call *call)
{
    char reason[STATE_TEXT_SIZE / 2];
    text_take(call->caller, reason, sizeof(reason));
    domain_end(call->caller->domain, (enum domain_end)call->a[0], "%s", reason);
    schedule();
}

static enum status sys_handle_close(struct call *call)
{
    return handle_close(call->caller->domain, call->a[0]);
}

/* An event of `domain`, and a handle to it with all rights in the caller's table. An event without a handle is free again by itself. */
static enum status event_add(struct call *call, struct domain *domain, uint64_t target)
{
    struct event *event;
    handle_t handle;
    enum status status = event_create(domain, target, &event);
    if (status == OK)
        status = handle_add(call->caller->domain, OBJECT_EVENT, event, RIGHT_SIGNAL | RIGHT_BIND, &handle);
    if (status == OK)
        call->result = handle;
    return status;
}

static enum status sys_event_create(struct call *call)
{
    const struct vcpu *target = call->caller;
    if (call->a[0] != HANDLE_SELF)
        target = handle_object(call->caller->domain, call->a[0], OBJECT_VCPU, RIGHT_BIND);
    if (!target)
        return ERR_HANDLE;
    return event_add(call, target->domain, event_target(EVENT_TARGET_STATE, target->index, call->a[1]));
}

static enum status sys_event_bind(struct call *call)
{
    struct event *event = handle_object(call->caller->domain, call->a[0], OBJECT_EVENT, RIGHT_BIND);
    if (!event || event->domain != call->caller->domain)
        return ERR_HANDLE;
    if (call->a[1] >> 16 || call->a[2] > UINT32_MAX)
        return ERR_PARAM;
    return event_bind(event, event_target(call->a[1] & 0xff, call->a[1] >> 8, call->a[2]));
}

static enum status sys_doorbell(struct call *call)
{
    struct event *event = NULL;
    if (call->a[1] != HANDLE_NONE) {
        event = handle_object(call->caller->domain, call->a[1], OBJECT_EVENT, RIGHT_SIGNAL);
        if (!event)
            return ERR_HANDLE;
    }
    return doorbell_set(call->caller->domain, call->a[0], event);
}

/* --- the manager --- */

static enum status sys_handle_copy(struct call *call)
{
    struct domain *to = domain_argument(call, call->a[0]);
    struct event *event = handle_object(call->caller->domain, call->a[1], OBJECT_EVENT, 0);
    if (!to || !event)
        return ERR_HANDLE;
    handle_t handle;
    enum status status = handle_add(to, OBJECT_EVENT, event, (RIGHT_SIGNAL | RIGHT_BIND) & call->a[2], &handle);
    call->result = handle;
    return status;
}

static enum status sys_domain_create(struct call *call)
{
    struct domain *domain;
    char name[NAME_SIZE];
    handle_t handle;
    if (call->a[0] > UINT32_MAX || call->a[1] < EVENT_FIRST || call->a[1] > 63)
        return ERR_PARAM;
    text_take(call->caller, name, sizeof(name));
    enum status status = domain_create(name, (uint32_t)call->a[0], &domain);
    if (status != OK)
        return status;
    domain->watcher = call->caller;
    domain->watcher_bits = 1ull << call->a[1];
    status = handle_add(call->caller->domain, OBJECT_DOMAIN, domain, RIGHT_ALL, &handle);
    if (status != OK) {
        (void)!domain_destroy(domain);
        return status;
    }
    call->result = handle;
    return OK;
}

static enum status sys_domain_map(struct call *call)
{
    struct domain *domain = domain_argument(call, call->a[0]);
    return domain ? domain_map(domain, (uint32_t)call->a[1], call->a[2], call->a[3], call->a[4]) : ERR_HANDLE;
}

static enum status sys_domain_unmap(struct call *call)
{
    struct domain *domain = domain_argument(call, call->a[0]);
    return domain ? domain_unmap(domain, (uint32_t)call->a[1], call->a[2], call->a[3]) : ERR_HANDLE;
}

static enum status sys_vcpu_create(struct call *call)
{
    struct domain *domain = handle_object(call->caller->domain, call->a[0], OBJECT_DOMAIN, RIGHT_MANAGE);
    if (!domain)
        return ERR_HANDLE;
    struct vcpu_spec spec = {
        .cpu = call->a[1] & 0xffff,
        .priority = (call->a[1] >> 16) & 0xff,
        .dedicated = (call->a[1] >> 24) & 1,
        .entry = call->a[2],
        .argument = call->a[3],
    };
    struct vcpu *vcpu;
    handle_t handle;
    enum status status = vcpu_create(domain, &spec, &vcpu);
    if (status != OK)
        return status;
    status = handle_add(call->caller->domain, OBJECT_VCPU, vcpu, RIGHT_ALL, &handle);
    call->result = handle;
    return status; /* a vcpu without a handle stays stopped, and goes with its domain */
}

static enum status sys_vcpu_start(struct call *call)
{
    struct vcpu *vcpu = handle_object(call->caller->domain, call->a[0], OBJECT_VCPU, RIGHT_MANAGE);
    if (!vcpu)
        return ERR_HANDLE;
    if (vcpu->run_state != VCPU_STOPPED || vcpu->domain->state == DOMAIN_ENDED)
        return ERR_BUSY;
    uint32_t created = DOMAIN_CREATED;
    __atomic_compare_exchange_n((uint32_t *)&vcpu->domain->state, &created, DOMAIN_RUNNING, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    vcpu_ready(vcpu);
    return OK;
}

static enum status sys_domain_status(struct call *call)
{
    struct domain *domain = handle_object(call->caller->domain, call->a[0], OBJECT_DOMAIN, RIGHT_MANAGE);
    if (!domain)
        return ERR_HANDLE;
    uint32_t state = __atomic_load_n((uint32_t *)&domain->state, __ATOMIC_ACQUIRE);
    call->result = state | (state == DOMAIN_ENDED ? domain->end_code << 8 : 0);
    memcpy(call->caller->state->text, domain->reason, STATE_TEXT_SIZE);
    return OK;
}

static enum status sys_domain_stop(struct call *call)
{
    struct domain *domain = handle_object(call->caller->domain, call->a[0], OBJECT_DOMAIN, RIGHT_MANAGE);
    char reason[STATE_TEXT_SIZE / 2];
    if (!domain || domain->manager)
        return ERR_HANDLE;
    text_take(call->caller, reason, sizeof(reason));
    domain_end(domain, (enum domain_end)call->a[1], "%s", reason);
    return OK;
}

static enum status sys_domain_destroy(struct call *call)
{
    struct domain *domain = handle_object(call->caller->domain, call->a[0], OBJECT_DOMAIN, RIGHT_MANAGE);
    return domain ? domain_destroy(domain) : ERR_HANDLE;
}

static enum status sys_domain_count(struct call *call)
{
    struct domain *domain = domain_argument(call, call->a[0]);
    if (!domain)
        return ERR_HANDLE;
    struct domain_counters counters = {
        .kernel_pages = domain->quota.used,
        .kernel_quota = domain->quota.limit,
        .process_pages = domain->process_pages,
        .guest_pages = domain->guest_pages,
        .vcpus = domain->vcpu_count,
    };
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        counters.exits_kernel += domain->vcpus[i]->state->exits_kernel;
        counters.exits_monitor += domain->vcpus[i]->state->exits_monitor;
        counters.ticks_run += domain->vcpus[i]->ticks_run;
    }
    memcpy(call->caller->state->text, &counters, sizeof(counters));
    return OK;
}

static enum status sys_domain_inherit(struct call *call)
{
    struct domain *old = handle_object(call->caller->domain, call->a[0], OBJECT_DOMAIN, RIGHT_MANAGE);
    struct domain *new = handle_object(call->caller->domain, call->a[1], OBJECT_DOMAIN, RIGHT_MANAGE);
    if (!old || !new || old == new)
        return ERR_HANDLE;
    if (old->state != DOMAIN_ENDED || !new->pv_page)
        return ERR_BUSY;
    interrupt_release(old);
    enum status status = handle_inherit(old, new);
    if (status == OK)
        event_inherit(old, new);
    return status;
}

static enum status sys_event_of(struct call *call)
{
    struct domain *domain = handle_object(call->caller->domain, call->a[0], OBJECT_DOMAIN, RIGHT_MANAGE);
    if (!domain)
        return ERR_HANDLE;
    if (call->a[1] > 0xff || call->a[2] > UINT32_MAX)
        return ERR_PARAM;
    return event_add(call, domain, event_target((enum event_target)call->a[1], 0, call->a[2]));
}

static enum status sys_pv_enable(struct call *call)
{
    struct domain *domain = handle_object(call->caller->domain, call->a[0], OBJECT_DOMAIN, RIGHT_MANAGE);
    return domain ? paravirt_enable(domain, call->a[1]) : ERR_HANDLE;
}

static enum status sys_port_give(struct call *call)
{
    struct domain *domain = handle_object(call->caller->domain, call->a[0], OBJECT_DOMAIN, RIGHT_MANAGE);
    return domain ? ports_give(domain, call->a[1], call->a[2]) : ERR_HANDLE;
}

static enum status sys_irq_create(struct call *call)
{
    struct event *event = handle_object(call->caller->domain, call->a[0], OBJECT_EVENT, RIGHT_SIGNAL);
    uint32_t number, data;
    if (!event)
        return ERR_HANDLE;
    enum status status = interrupt_create(event, call->a[1] & 0xffff, (call->a[1] >> 16) & 0xff, (uint32_t)call->a[2], &number, &data);
    if (status == OK)
        call->result = number | (uint64_t)data << 32;
    return status;
}

static enum status sys_console_focus(struct call *call)
{
    struct domain *domain = handle_object(call->caller->domain, call->a[0], OBJECT_DOMAIN, RIGHT_MANAGE);
    if (!domain)
        return ERR_HANDLE;
    domain_console_focus(domain);
    return OK;
}

static enum status sys_machine_off(struct call *call)
{
    machine_off((unsigned)call->a[0]);
    return ERR_SUPPORT;
}

#define MANAGER 1u /* only the manager may */
#define LOCKED 2u  /* the manage lock is held around the handler */

static const struct {
    enum status (*handler)(struct call *call);
    unsigned flags;
} calls[SYS_COUNT] = {
    [SYS_EVENT_WAIT] = { sys_event_wait, 0 },
    [SYS_YIELD] = { sys_yield, 0 },
    [SYS_VCPU_POKE] = { sys_vcpu_poke, 0 },
    [SYS_EVENT_SIGNAL] = { sys_event_signal, 0 },
    [SYS_CONSOLE_WRITE] = { sys_console_write, 0 },
    [SYS_CONSOLE_READ] = { sys_console_read, 0 },
    [SYS_DOMAIN_EXIT] = { sys_domain_exit, 0 },
    [SYS_HANDLE_CLOSE] = { sys_handle_close, LOCKED },
    [SYS_EVENT_CREATE] = { sys_event_create, LOCKED },
    [SYS_EVENT_BIND] = { sys_event_bind, LOCKED },
    [SYS_DOORBELL] = { sys_doorbell, LOCKED },
    [SYS_DOMAIN_INHERIT] = { sys_domain_inherit, MANAGER | LOCKED },
    [SYS_EVENT_OF] = { sys_event_of, MANAGER | LOCKED },
    [SYS_PV_ENABLE] = { sys_pv_enable, MANAGER | LOCKED },
    [SYS_PORT_GIVE] = { sys_port_give, MANAGER | LOCKED },
    [SYS_IRQ_CREATE] = { sys_irq_create, MANAGER | LOCKED },
    [SYS_HANDLE_COPY] = { sys_handle_copy, MANAGER | LOCKED },
    [SYS_DOMAIN_CREATE] = { sys_domain_create, MANAGER | LOCKED },
    [SYS_DOMAIN_MAP] = { sys_domain_map, MANAGER | LOCKED },
    [SYS_DOMAIN_UNMAP] = { sys_domain_unmap, MANAGER | LOCKED },
    [SYS_VCPU_CREATE] = { sys_vcpu_create, MANAGER | LOCKED },
    [SYS_VCPU_START] = { sys_vcpu_start, MANAGER | LOCKED },
    [SYS_DOMAIN_STATUS] = { sys_domain_status, MANAGER | LOCKED },
    [SYS_DOMAIN_STOP] = { sys_domain_stop, MANAGER | LOCKED },
    [SYS_DOMAIN_DESTROY] = { sys_domain_destroy, MANAGER | LOCKED },
    [SYS_DOMAIN_COUNT] = { sys_domain_count, MANAGER | LOCKED },
    [SYS_CONSOLE_FOCUS] = { sys_console_focus, MANAGER | LOCKED },
    [SYS_MACHINE_OFF] = { sys_machine_off, MANAGER },
};

void syscall(struct vcpu *caller, uint64_t number, const uint64_t *arguments)
{
    struct call call = { .caller = caller, .a = arguments };
    enum status status = ERR_CALL;
    if (number < SYS_COUNT && calls[number].handler && (!(calls[number].flags & MANAGER) || caller->domain->manager)) {
        if (calls[number].flags & LOCKED)
            manage_lock();
        status = calls[number].handler(&call);
        if (calls[number].flags & LOCKED)
            manage_unlock();
    }
    caller->result = status;
    caller->result2 = call.result;
    if (this_cpu()->resched)
        preempt(caller, RESUME_SYSCALL);
    resume_syscall(caller);
}
