/* SPDX-License-Identifier: MIT
 * The system calls of abi/syscall.h as C functions. Each returns the call's status; a second result goes through a
 * pointer, written only if the call succeeded. Functions that pass text put it into the state page of the calling
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/layout.h"
#include "abi/state.h"
#include "abi/status.h"
#include "abi/syscall.h"

/* The number of the calling thread (= vcpu index), from its stack's address. */
static inline uint32_t thread_index(void)
{
    uint64_t rsp;
    __asm__("mov %%rsp, %0" : "=r"(rsp));
    return (uint32_t)((rsp - LAYOUT_STACK) / LAYOUT_STACK_STRIDE);
}

static inline struct vcpu_state *thread_state_of(uint32_t index)
{
    return (struct vcpu_state *)(LAYOUT_STATE + index * LAYOUT_STATE_STRIDE);
}

/* The state page of the calling thread. */
static inline struct vcpu_state *thread_state(void) { return thread_state_of(thread_index()); }

/* Any call: arguments in the order of abi/syscall.h. result2 may be null. syscall.S. */
enum status syscall_raw(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t number,
                        uint64_t *result2);

/* The hot path: repeats { run; handle(context, status); } for ever, and so need not save and restore the registers that
 * a C caller wants preserved: some 15 instructions less per exit. */
_Noreturn void sys_vcpu_loop(void (*handle)(void *context, enum status status), void *context);

enum status sys_event_wait(void);
enum status sys_yield(void);

static inline must_use enum status syscall_result(uint64_t number, uint64_t a1, uint64_t a2, uint32_t *result)
{
    uint64_t value = 0;
    enum status status = syscall_raw(a1, a2, 0, 0, 0, number, &value);
    if (status == OK) {
        *result = (uint32_t)value;
    }
    return status;
}

/* Copies text, cut to what the page holds, with its final zero. */
void thread_text(const char *text);

static inline enum status sys_vcpu_poke(uint32_t index) { return syscall_raw(index, 0, 0, 0, 0, SYS_VCPU_POKE, NULL); }

static inline enum status sys_event_signal(handle_t event)
{
    return syscall_raw(event, 0, 0, 0, 0, SYS_EVENT_SIGNAL, NULL);
}

/* The bytes must already be in state.text. */
static inline enum status sys_console_write(uint32_t length)
{
    return syscall_raw(length, 0, 0, 0, 0, SYS_CONSOLE_WRITE, NULL);
}

/* *count bytes are in state.text. */
static inline must_use enum status sys_console_read(uint32_t max, uint32_t *count)
{
    return syscall_result(SYS_CONSOLE_READ, max, 0, count);
}

_Noreturn void sys_domain_exit(enum domain_end code, const char *reason);

static inline enum status sys_handle_close(handle_t handle)
{
    return syscall_raw(handle, 0, 0, 0, 0, SYS_HANDLE_CLOSE, NULL);
}

static inline must_use enum status sys_event_create(handle_t vcpu, uint32_t bit, handle_t *event)
{
    return syscall_result(SYS_EVENT_CREATE, vcpu, bit, event);
}

/* target: an enum event_target; vcpu: index, number: bit or vector (0 for EVENT_TARGET_NONE). */
static inline must_use enum status sys_event_bind(handle_t event, enum event_target target, uint32_t vcpu, uint32_t number)
{
    return syscall_raw(event, (uint64_t)target | (uint64_t)vcpu << 8, number, 0, 0, SYS_EVENT_BIND, NULL);
}

/* event = HANDLE_NONE: the port is no doorbell any more. */
static inline must_use enum status sys_doorbell(uint16_t port, handle_t event)
{
    return syscall_raw(port, event, 0, 0, 0, SYS_DOORBELL, NULL);
}

/* target: EVENT_TARGET_PV with the bit, or EVENT_TARGET_NONE. */
static inline must_use enum status sys_event_of(handle_t domain, enum event_target target, uint32_t number, handle_t *event)
{
    uint64_t value = 0;
    enum status status = syscall_raw(domain, target, number, 0, 0, SYS_EVENT_OF, &value);
    if (status == OK) {
        *event = (handle_t)value;
    }
    return status;
}

static inline must_use enum status sys_pv_enable(handle_t domain, uint64_t gpa)
{
    return syscall_raw(domain, gpa, 0, 0, 0, SYS_PV_ENABLE, NULL);
}

static inline must_use enum status sys_port_give(handle_t domain, uint16_t first, uint32_t count)
{
    return syscall_raw(domain, first, count, 0, 0, SYS_PORT_GIVE, NULL);
}

static inline must_use enum status sys_devices_give(handle_t domain)
{
    return syscall_raw(domain, 0, 0, 0, 0, SYS_DEVICES_GIVE, NULL);
}

/* kind: 0 message-signalled, 1 line. *data and *address are for the device, *irq for the guest's hypercalls. */
static inline must_use enum status sys_irq_create(handle_t event, uint32_t cpu, uint32_t kind, uint32_t gsi, uint32_t *irq, uint32_t *data, uint32_t *address)
{
    uint64_t value = 0;
    enum status status = syscall_raw(event, cpu | kind << 16, gsi, 0, 0, SYS_IRQ_CREATE, &value);
    if (status == OK) {
        *irq = value & 0xffff;
        *data = value >> 16 & 0xffff;
        *address = (uint32_t)(value >> 32);
    }
    return status;
}

static inline must_use enum status sys_handle_copy(handle_t domain, handle_t handle, uint32_t rights, handle_t *copy)
{
    uint64_t value = 0;
    enum status status = syscall_raw(domain, handle, rights, 0, 0, SYS_HANDLE_COPY, &value);
    if (status == OK) {
        *copy = (handle_t)value;
    }
    return status;
}

static inline must_use enum status sys_domain_create(const char *name, uint64_t quota_pages, uint32_t bit,
                                                     handle_t *domain)
{
    thread_text(name);
    return syscall_result(SYS_DOMAIN_CREATE, quota_pages, bit, domain);
}

static inline must_use enum status sys_domain_map(handle_t domain, uint32_t space_rights, uint64_t hpa,
                                                  uint64_t address, uint64_t size)
{
    return syscall_raw(domain, space_rights, hpa, address, size, SYS_DOMAIN_MAP, NULL);
}

static inline enum status sys_domain_unmap(handle_t domain, uint32_t space, uint64_t address, uint64_t size)
{
    return syscall_raw(domain, space, address, size, 0, SYS_DOMAIN_UNMAP, NULL);
}

/* placement: cpu | priority << 16 | dedicated << 24. */
static inline must_use enum status sys_vcpu_create(handle_t domain, uint32_t placement, uint64_t entry,
                                                   uint64_t argument, handle_t *vcpu)
{
    uint64_t value = 0;
    enum status status = syscall_raw(domain, placement, entry, argument, 0, SYS_VCPU_CREATE, &value);
    if (status == OK) {
        *vcpu = (handle_t)value;
    }
    return status;
}

static inline must_use enum status sys_vcpu_start(handle_t vcpu)
{
    return syscall_raw(vcpu, 0, 0, 0, 0, SYS_VCPU_START, NULL);
}

/* The reason's text, if it has ended, is in state.text. */
static inline must_use enum status sys_domain_status(handle_t domain, enum domain_state *state, enum domain_end *code)
{
    uint32_t value = 0;
    enum status status = syscall_result(SYS_DOMAIN_STATUS, domain, 0, &value);
    if (status == OK) {
        *state = (enum domain_state)(value & 0xff);
        *code = (enum domain_end)(value >> 8);
    }
    return status;
}

static inline enum status sys_domain_stop(handle_t domain, enum domain_end code, const char *reason)
{
    thread_text(reason);
    return syscall_raw(domain, code, 0, 0, 0, SYS_DOMAIN_STOP, NULL);
}

static inline enum status sys_domain_destroy(handle_t domain)
{
    return syscall_raw(domain, 0, 0, 0, 0, SYS_DOMAIN_DESTROY, NULL);
}

static inline must_use enum status sys_domain_count(handle_t domain, struct domain_counters *counters)
{
    enum status status = syscall_raw(domain, 0, 0, 0, 0, SYS_DOMAIN_COUNT, NULL);
    if (status == OK) {
        __builtin_memcpy(counters, thread_state()->text, sizeof(*counters));
    }
    return status;
}

static inline must_use enum status sys_domain_inherit(handle_t old_domain, handle_t new_domain) {
    return syscall_raw(old_domain, new_domain, 0, 0, 0, SYS_DOMAIN_INHERIT, NULL);
}

static inline enum status sys_domain_pause(handle_t domain, unsigned on)
{
    return syscall_raw(domain, on, 0, 0, 0, SYS_DOMAIN_PAUSE, NULL);
}

static inline must_use enum status sys_vcpu_place(handle_t vcpu, uint32_t placement)
{
    return syscall_raw(vcpu, placement, 0, 0, 0, SYS_VCPU_PLACE, NULL);
}

/* *count bytes are in state.text; *lost bytes before them are gone. */
static inline must_use enum status sys_log_read(uint64_t position, unsigned quiet, uint32_t *count, uint32_t *lost)
{
    uint64_t result = 0;
    enum status status = syscall_raw(position, quiet, 0, 0, 0, SYS_LOG_READ, &result);
    *count = (uint32_t)result;
    *lost = (uint32_t)(result >> 32);
    return status;
}

/* Returns only if the machine cannot be switched off. */
static inline enum status sys_machine_off(unsigned how) { return syscall_raw(how, 0, 0, 0, 0, SYS_MACHINE_OFF, NULL); }
