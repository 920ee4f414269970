/* SPDX-License-Identifier: MIT
 * System calls: decode and check here, commit in the objects. A table names each call, who may make it, and its handler. */
#include "syscall.h"
#include <string.h>
#include "api.h"
#include "handle.h"
#include "interrupt.h"
#include "iommu.h"
#include "log.h"
#include "paravirt.h"
#include "scheduler.h"
#include "sync.h"

struct call {
    struct vcpu *caller;
    struct domain *self; /* the caller's */
    const uint64_t *a;
    union { /* what the first argument names, if the table says so */
        void *object;
        struct domain *domain;
        struct vcpu *vcpu;
        struct event *event;
    };
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

/* A new handle in the table of `to` is the second result. */
static enum status give(struct call *call, struct domain *to, enum object_kind kind, void *object, uint8_t rights)
{
    handle_t handle = 0;
    enum status status = handle_add(to, kind, object, rights, &handle);
    call->result = handle;
    return status;
}

/* --- calls that only pass their arguments on --- */

#define PASS(name, expression) \
    static enum status name(struct call *call) { return expression; }
PASS(sys_event_signal, event_signal(call->event))
PASS(sys_handle_close, handle_close(call->self, call->a[0]))
PASS(sys_domain_map, domain_map(call->domain, (uint32_t)call->a[1], call->a[2], call->a[3], call->a[4]))
PASS(sys_domain_unmap, domain_unmap(call->domain, (uint32_t)call->a[1], call->a[2], call->a[3]))
PASS(sys_domain_destroy, domain_destroy(call->domain))
PASS(sys_pv_enable, paravirt_enable(call->domain, call->a[1]))
PASS(sys_devices_give, iommu_give(call->domain))
PASS(sys_port_give, ports_give(call->domain, call->a[1], call->a[2]))

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
    if (call->a[0] >= call->self->vcpu_count)
        return ERR_PARAM;
    vcpu_notify(call->self->vcpus[call->a[0]], 1ull << EVENT_POKE);
    return OK;
}

static enum status sys_console_write(struct call *call)
{
    if (call->a[0] > STATE_TEXT_SIZE)
        return ERR_PARAM;
    char text[STATE_TEXT_SIZE];
    memcpy(text, call->caller->state->text, call->a[0]);
    console_raw(text, (uint32_t)call->a[0]);
    return OK;
}

static enum status sys_console_read(struct call *call)
{
    char *text = call->caller->state->text;
    for (int c = 0; call->result < call->a[0] && call->result < STATE_TEXT_SIZE && (c = console_poll()) >= 0;)
        text[call->result++] = (char)c;
    return OK;
}

static void end(const struct call *call, struct domain *domain, uint64_t code)
{
    char reason[STATE_TEXT_SIZE / 2];
    text_take(call->caller, reason, sizeof(reason));
    domain_end(domain, (enum domain_end)code, "%s", reason);
}

static enum status sys_domain_exit(struct call *call)
{
    end(call, call->self, call->a[0]);
    schedule();
}

/* An event of `domain`, and a handle to it with all rights. An event without a handle is free again by itself. */
static enum status event_add(struct call *call, struct domain *domain, uint64_t target)
{
    struct event *event;
    enum status status = event_create(domain, target, &event);
    return status == OK ? give(call, call->self, OBJECT_EVENT, event, RIGHT_SIGNAL | RIGHT_BIND) : status;
}

static enum status sys_event_create(struct call *call)
{
    return event_add(call, call->vcpu->domain, event_target(EVENT_TARGET_STATE, call->vcpu->index, call->a[1]));
}

static enum status sys_event_bind(struct call *call)
{
    if (call->event->domain != call->self)
        return ERR_HANDLE;
    if (call->a[1] >> 16 || call->a[2] > UINT32_MAX)
        return ERR_PARAM;
    return event_bind(call->event, event_target(call->a[1] & 0xff, call->a[1] >> 8, call->a[2]));
}

static enum status sys_doorbell(struct call *call)
{
    struct event *event = handle_object(call->self, call->a[1], OBJECT_EVENT, RIGHT_SIGNAL);
    return event || call->a[1] == HANDLE_NONE ? doorbell_set(call->self, call->a[0], event) : ERR_HANDLE;
}

/* --- the manager --- */

static enum status sys_handle_copy(struct call *call)
{
    struct domain *domain = handle_object(call->self, call->a[1], OBJECT_DOMAIN, RIGHT_MANAGE);
    if (domain)
        return call->a[2] == RIGHT_GRANT ? give(call, call->domain, OBJECT_DOMAIN, domain, RIGHT_GRANT) : ERR_PARAM;
    struct event *event = handle_object(call->self, call->a[1], OBJECT_EVENT, 0);
    return event ? give(call, call->domain, OBJECT_EVENT, event, (RIGHT_SIGNAL | RIGHT_BIND) & call->a[2]) : ERR_HANDLE;
}

static enum status sys_domain_create(struct call *call)
{
    struct domain *domain;
    char name[NAME_SIZE];
    if (call->a[0] > UINT32_MAX || call->a[1] < EVENT_FIRST || call->a[1] > 63)
        return ERR_PARAM;
    text_take(call->caller, name, sizeof(name));
    enum status status = domain_create(name, (uint32_t)call->a[0], &domain);
    if (status != OK)
        return status;
    domain->watcher = call->caller;
    domain->watcher_bits = 1ull << call->a[1];
    status = give(call, call->self, OBJECT_DOMAIN, domain, RIGHT_ALL);
    if (status != OK)
        (void)!domain_destroy(domain);
    return status;
}

static struct vcpu_spec vcpu_spec_of(uint64_t place)
{
    return (struct vcpu_spec){ .cpu = place & 0xffff, .priority = (place >> 16) & 0xff, .dedicated = (place >> 24) & 1,
                               .burst = (place >> 25) & 1 };
}

static enum status sys_vcpu_create(struct call *call)
{
    struct vcpu_spec spec = vcpu_spec_of(call->a[1]);
    spec.entry = call->a[2];
    spec.argument = call->a[3];
    struct vcpu *vcpu;
    enum status status = vcpu_create(call->domain, &spec, &vcpu);
    /* A vcpu without a handle stays stopped, and goes with its domain. */
    return status == OK ? give(call, call->self, OBJECT_VCPU, vcpu, RIGHT_ALL) : status;
}

static enum status sys_vcpu_start(struct call *call)
{
    struct vcpu *vcpu = call->vcpu;
    uint32_t created = DOMAIN_CREATED;
    if (vcpu->run_state != VCPU_STOPPED || vcpu->domain->state == DOMAIN_ENDED)
        return ERR_BUSY;
    __atomic_compare_exchange_n((uint32_t *)&vcpu->domain->state, &created, DOMAIN_RUNNING, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    vcpu_ready(vcpu);
    return OK;
}

static enum status sys_domain_status(struct call *call)
{
    uint32_t state = __atomic_load_n((uint32_t *)&call->domain->state, __ATOMIC_ACQUIRE);
    call->result = state | (state == DOMAIN_ENDED ? call->domain->end_code << 8 : 0);
    memcpy(call->caller->state->text, call->domain->reason, STATE_TEXT_SIZE);
    return OK;
}

static enum status sys_domain_stop(struct call *call)
{
    if (call->domain->manager)
        return ERR_HANDLE;
    end(call, call->domain, call->a[1]);
    return OK;
}

static enum status sys_domain_count(struct call *call)
{
    const struct domain *domain = call->domain;
    struct domain_counters counters = {
        .kernel_pages = domain->quota.used,
        .kernel_quota = domain->quota.limit,
        .process_pages = domain->process_pages,
        .guest_pages = domain->guest_pages,
        .vcpus = domain->vcpu_count,
        .handles = handle_count(domain),
        .events = event_count(domain),
        .pool_pages = pool_used() >> PAGE_SHIFT,
    };
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        counters.exits_kernel += domain->vcpus[i]->state->exits_kernel;
        counters.exits_monitor += domain->vcpus[i]->state->exits_monitor;
        counters.ticks_run += domain->vcpus[i]->ticks_run;
        counters.ticks_monitor += domain->vcpus[i]->ticks_monitor;
    }
    memcpy(call->caller->state->text, &counters, sizeof(counters));
    return OK;
}

static enum status sys_domain_inherit(struct call *call)
{
    struct domain *old = call->domain, *new = handle_object(call->self, call->a[1], OBJECT_DOMAIN, RIGHT_MANAGE);
    if (!new || old == new)
        return ERR_HANDLE;
    if (old->state != DOMAIN_ENDED || !new->pv_page)
        return ERR_BUSY;
    interrupt_release(old);
    enum status status = handle_inherit(old, new);
    if (status == OK)
        event_inherit(old, new);
    return status;
}

static enum status sys_domain_pause(struct call *call)
{
    if (call->domain->manager || call->a[1] > 1)
        return ERR_PARAM;
    for (uint32_t i = 0; i < call->domain->vcpu_count; i++)
        vcpu_pause(call->domain->vcpus[i], call->a[1]);
    return OK;
}

static enum status sys_vcpu_place(struct call *call)
{
    struct vcpu_spec spec = vcpu_spec_of(call->a[1]);
    return vcpu_move(call->vcpu, &spec);
}

static enum status sys_log_read(struct call *call)
{
    uint64_t lost;
    uint32_t count = log_read(call->a[0], call->caller->state->text, STATE_TEXT_SIZE, &lost);
    log_listen(call->a[1] ? call->caller : NULL);
    call->result = count | lost << 32;
    return OK;
}

static enum status sys_event_of(struct call *call)
{
    if (call->a[1] > 0xff || call->a[2] > UINT32_MAX)
        return ERR_PARAM;
    return event_add(call, call->domain, event_target((enum event_target)call->a[1], 0, call->a[2]));
}

static enum status sys_irq_create(struct call *call)
{
    struct message message;
    uint32_t number, cpu = call->a[1] & 0xffff, kind = (call->a[1] >> 16) & 0xff;
    enum status status = interrupt_create(call->event, cpu, kind, (uint32_t)call->a[2], &number, &message);
    if (status == OK)
        call->result = number | message.data << 16 | (uint64_t)message.address << 32;
    return status;
}

static enum status sys_machine_off(struct call *call)
{
    machine_off((unsigned)call->a[0]);
    return ERR_SUPPORT;
}

#define MANAGER 1u /* only the manager may */
#define LOCKED 2u  /* the manage lock is held around the handler */
#define SELF 4u    /* HANDLE_SELF names the caller, or its domain */
#define MANAGE (MANAGER | LOCKED)

static const struct rule {
    enum status (*handler)(struct call *call);
    uint8_t flags;
    uint8_t kind, rights; /* the first argument is a handle to such an object with these rights; OBJECT_NONE: it is no handle */
} rules[SYS_COUNT] = {
    [SYS_EVENT_WAIT] = { sys_event_wait, 0, OBJECT_NONE, 0 },
    [SYS_YIELD] = { sys_yield, 0, OBJECT_NONE, 0 },
    [SYS_VCPU_POKE] = { sys_vcpu_poke, 0, OBJECT_NONE, 0 },
    [SYS_EVENT_SIGNAL] = { sys_event_signal, 0, OBJECT_EVENT, RIGHT_SIGNAL },
    [SYS_CONSOLE_WRITE] = { sys_console_write, MANAGER, OBJECT_NONE, 0 },
    [SYS_CONSOLE_READ] = { sys_console_read, MANAGER, OBJECT_NONE, 0 },
    [SYS_DOMAIN_EXIT] = { sys_domain_exit, 0, OBJECT_NONE, 0 },
    [SYS_HANDLE_CLOSE] = { sys_handle_close, LOCKED, OBJECT_NONE, 0 },
    [SYS_EVENT_CREATE] = { sys_event_create, LOCKED | SELF, OBJECT_VCPU, RIGHT_BIND },
    [SYS_EVENT_BIND] = { sys_event_bind, LOCKED, OBJECT_EVENT, RIGHT_BIND },
    [SYS_DOORBELL] = { sys_doorbell, LOCKED, OBJECT_NONE, 0 },
    [SYS_HANDLE_COPY] = { sys_handle_copy, MANAGE | SELF, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_DOMAIN_CREATE] = { sys_domain_create, MANAGE, OBJECT_NONE, 0 },
    [SYS_DOMAIN_MAP] = { sys_domain_map, MANAGE | SELF, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_DOMAIN_UNMAP] = { sys_domain_unmap, MANAGE | SELF, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_VCPU_CREATE] = { sys_vcpu_create, MANAGE, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_VCPU_START] = { sys_vcpu_start, MANAGE, OBJECT_VCPU, RIGHT_MANAGE },
    [SYS_DOMAIN_STATUS] = { sys_domain_status, MANAGE, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_DOMAIN_STOP] = { sys_domain_stop, MANAGE, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_DOMAIN_DESTROY] = { sys_domain_destroy, MANAGE, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_DOMAIN_COUNT] = { sys_domain_count, MANAGE | SELF, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_DOMAIN_INHERIT] = { sys_domain_inherit, MANAGE, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_EVENT_OF] = { sys_event_of, MANAGE, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_PV_ENABLE] = { sys_pv_enable, MANAGE, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_PORT_GIVE] = { sys_port_give, MANAGE, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_DEVICES_GIVE] = { sys_devices_give, MANAGE, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_IRQ_CREATE] = { sys_irq_create, MANAGE, OBJECT_EVENT, RIGHT_SIGNAL },
    [SYS_DOMAIN_PAUSE] = { sys_domain_pause, MANAGE, OBJECT_DOMAIN, RIGHT_MANAGE },
    [SYS_VCPU_PLACE] = { sys_vcpu_place, MANAGE, OBJECT_VCPU, RIGHT_MANAGE },
    [SYS_LOG_READ] = { sys_log_read, MANAGE, OBJECT_NONE, 0 },
    [SYS_MACHINE_OFF] = { sys_machine_off, MANAGER, OBJECT_NONE, 0 },
};

static enum status decode_and_handle(struct call *call, const struct rule *rule)
{
    if ((rule->flags & SELF) && call->a[0] == HANDLE_SELF)
        call->object = rule->kind == OBJECT_VCPU ? (void *)call->caller : call->self;
    else if (rule->kind != OBJECT_NONE)
        call->object = handle_object(call->self, call->a[0], rule->kind, rule->rights);
    return call->object || rule->kind == OBJECT_NONE ? rule->handler(call) : ERR_HANDLE;
}

void syscall(struct vcpu *caller, uint64_t number, const uint64_t *arguments)
{
    struct call call = { .caller = caller, .self = caller->domain, .a = arguments };
    const struct rule *rule = &rules[number < SYS_COUNT ? number : SYS_VCPU_RUN]; /* which has no handler here */
    enum status status = ERR_CALL;
    if (rule->handler && (!(rule->flags & MANAGER) || caller->domain->manager)) {
        if (rule->flags & LOCKED)
            manage_lock();
        status = decode_and_handle(&call, rule);
        if (rule->flags & LOCKED)
            manage_unlock();
    }
    caller->result = status;
    caller->result2 = call.result;
    if (this_cpu()->resched)
        preempt(caller, RESUME_SYSCALL);
    resume_syscall(caller);
}
