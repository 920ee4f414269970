/* SPDX-License-Identifier: MIT
 * Doorbells, hypercalls and given ports. Each knows from the exit record alone what the guest wants: nothing is decoded. */
#include "paravirt.h"
#include "abi/hypercall.h"
#include "acpi.h"
#include "grant.h"
#include "handle.h"
#include "interrupt.h"
#include "scheduler.h"
#include "sync.h"
#include "vendor.h"
#include "x86.h"

#define HYPERCALL_LENGTH 3 /* VMCALL and VMMCALL; the ABI forbids prefixes */

/* Open addressing by port; a place once used keeps its port, so that lookups need no lock. */
#define DOORBELL_SLOTS (2 * MAX_DOORBELLS)
struct doorbells {
    struct doorbell {
        _Atomic uint32_t port; /* + 1; 0: never used */
        struct event *event;
    } slots[DOORBELL_SLOTS];
};
_Static_assert(sizeof(struct doorbells) <= PAGE_SIZE, "doorbells are one page");

/* The port's place, or the free one where it would be; null: neither. */
static inline struct doorbell *doorbell_slot(struct doorbells *doorbells, uint32_t port)
{
    for (uint32_t i = port >> 1, n = 0; n < DOORBELL_SLOTS; i++, n++) {
        struct doorbell *slot = &doorbells->slots[i % DOORBELL_SLOTS];
        uint32_t at = slot->port;
        if (!at || at == port + 1)
            return slot;
    }
    return NULL;
}

static inline struct event *doorbell_find(struct doorbells *doorbells, uint32_t port)
{
    const struct doorbell *slot = doorbell_slot(doorbells, port);
    return slot && slot->port ? __atomic_load_n(&slot->event, __ATOMIC_ACQUIRE) : NULL;
}

enum status doorbell_set(struct domain *domain, uint64_t port, struct event *event)
{
    if (port > 0xffff)
        return ERR_PARAM;
    if (!domain->doorbells && !(domain->doorbells = pool_alloc(&domain->quota)))
        return ERR_MEMORY;
    uint32_t used = 0;
    for (uint32_t i = 0; i < DOORBELL_SLOTS; i++)
        used += domain->doorbells->slots[i].event != NULL;
    struct doorbell *slot = doorbell_slot(domain->doorbells, (uint32_t)port);
    if (!slot || (event && used >= MAX_DOORBELLS && !slot->event))
        return ERR_MEMORY;
    if (!event && !slot->port)
        return ERR_NONE;
    struct event *old = slot->event;
    if (event)
        event->references++;
    __atomic_store_n(&slot->event, event, __ATOMIC_RELEASE);
    slot->port = (uint32_t)port + 1;
    if (old)
        event_release(old);
    return OK;
}

/* --- ports of devices --- */

/* The interrupt controllers, the 8254, and CMOS: nobody else's, whatever was given. */
static const struct { uint16_t first, last; } kernel_ports[] = {
    { 0x20, 0x21 }, { 0xa0, 0xa1 }, { 0x40, 0x43 }, { 0x61, 0x61 }, { 0x70, 0x71 },
};

static bool overlaps(uint32_t port, uint32_t size, uint32_t first, uint32_t last)
{
    return first && port <= last && port + size > first;
}

static bool kernel_port(uint32_t port, uint32_t size)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(kernel_ports); i++)
        if (overlaps(port, size, kernel_ports[i].first, kernel_ports[i].last))
            return true;
    return overlaps(port, size, acpi.pm1a_control, acpi.pm1a_control + 1u) || overlaps(port, size, acpi.pm1b_control, acpi.pm1b_control + 1u) ||
           overlaps(port, size, acpi.smi_command, acpi.smi_command);
}

enum status ports_give(struct domain *domain, uint64_t first, uint64_t count)
{
    if (!count || first > 0xffff || count > 0x10000 - first)
        return ERR_PARAM;
    if (domain->port_count == MAX_PORT_RANGES)
        return ERR_MEMORY;
    domain->ports[domain->port_count].first = (uint16_t)first;
    domain->ports[domain->port_count].count = (uint32_t)count;
    domain->port_count++;
    return OK;
}

static bool port_given(const struct domain *domain, uint32_t port, uint32_t size)
{
    for (uint32_t i = 0; i < domain->port_count && !kernel_port(port, size); i++)
        if (port >= domain->ports[i].first && port + size <= domain->ports[i].first + domain->ports[i].count)
            return true;
    return false;
}

static void port_access(struct vcpu_state *state, struct exit_io io)
{
    uint64_t rax = state->gpr[RAX];
    if (io.in && io.size == 1)
        state->gpr[RAX] = (rax & ~0xfful) | inb(io.port);
    else if (io.in && io.size == 2)
        state->gpr[RAX] = (rax & ~0xfffful) | inw(io.port);
    else if (io.in)
        state->gpr[RAX] = inl(io.port);
    else if (io.size == 1)
        outb(io.port, (uint8_t)rax);
    else if (io.size == 2)
        outw(io.port, (uint16_t)rax);
    else
        outl(io.port, (uint32_t)rax);
}

/* --- the guest goes on behind its instruction --- */

static inline void step_over(struct vcpu_state *state, uint32_t length)
{
    state->rip += length;
    state->rflags &= ~RFLAGS_RF;
    state->dirty |= GROUP_RIP;
    if (state->blocking & BLOCKING_SHADOW) {
        state->blocking &= ~BLOCKING_SHADOW;
        state->dirty |= GROUP_BLOCKING;
    }
}

static inline bool exit_io(struct vcpu *vcpu, struct vcpu_state *state)
{
    struct domain *domain = vcpu->domain;
    struct exit_io io = state->exit.io;
    if (io.string || !state->exit.length || (state->rflags & RFLAGS_TF))
        return false;
    if (!io.in && domain->doorbells) {
        struct event *event = doorbell_find(domain->doorbells, io.port);
        if (event) {
            step_over(state, state->exit.length);
            (void)!event_signal(event);
            return true;
        }
    }
    if (!domain->port_count || !port_given(domain, io.port, io.size))
        return false;
    port_access(state, io);
    step_over(state, state->exit.length);
    return true;
}

/* --- hypercalls --- */

static bool pv_pending(const struct domain *domain)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < PV_EVENT_WORDS; i++)
        any |= __atomic_load_n(&domain->pv_page->events[i], __ATOMIC_RELAXED);
    return any != 0;
}

bool paravirt_waits(const struct vcpu *vcpu)
{
    return vcpu->pv_waiting && !pv_pending(vcpu->domain);
}

static void hypercall_wait(struct vcpu *vcpu, uint64_t guest_deadline)
{
    struct vcpu_state *state = vcpu->state;
    if (!vcpu->domain->pv_page || vcpu->index != 0 || pv_pending(vcpu->domain))
        return;
    vcpu_wait_paravirt(vcpu, guest_deadline ? guest_deadline - state->tsc_offset : 0);
}

/* RDI: handle of the peer | index << 32. */
static enum status hypercall_grant(struct domain *domain, uint64_t number, struct vcpu_state *state)
{
    struct domain *peer = handle_object(domain, (uint32_t)state->gpr[RDI], OBJECT_DOMAIN, RIGHT_GRANT);
    uint64_t index = state->gpr[RDI] >> 32, what = state->gpr[RSI];
    uint32_t result = 0;
    if (!peer)
        return ERR_HANDLE;
    if (number == HYPERCALL_GRANT_END)
        return grant_end(domain, peer, index);
    enum status status = number == HYPERCALL_GRANT_MAP ? grant_map(domain, peer, index, what, &result)
                                                       : grant_create(domain, peer, what & ~PAGE_MASK, (what & PAGE_MASK) >> 1, what & 1, &result);
    if (status == OK)
        state->gpr[RDI] = result;
    return status;
}

static bool exit_hypercall(struct vcpu *vcpu, struct vcpu_state *state)
{
    uint64_t number = state->gpr[RAX];
    if (number < HYPERCALL_BASE || number >= HYPERCALL_KERNEL_END || (state->rflags & RFLAGS_TF) || vendor->guest_cpl(vcpu))
        return false;
    step_over(state, state->exit.length ? state->exit.length : HYPERCALL_LENGTH);
    enum status status = OK;
    if (number == HYPERCALL_EVENT_SIGNAL || (number == HYPERCALL_EVENT_WAIT && state->gpr[RSI])) {
        uint64_t handle = number == HYPERCALL_EVENT_SIGNAL ? state->gpr[RDI] : state->gpr[RSI] - 1;
        struct event *event = handle_object(vcpu->domain, handle, OBJECT_EVENT, RIGHT_SIGNAL);
        status = event ? event_signal(event) : ERR_HANDLE;
    } else if (number == HYPERCALL_IRQ_UNMASK) {
        status = interrupt_unmask(vcpu->domain, state->gpr[RDI]);
    } else if (number == HYPERCALL_IRQ_SOURCE) {
        manage_lock();
        status = interrupt_source(vcpu->domain, state->gpr[RDI], state->gpr[RSI]);
        manage_unlock();
    } else if (number >= HYPERCALL_GRANT_CREATE && number <= HYPERCALL_GRANT_END) {
        manage_lock();
        status = hypercall_grant(vcpu->domain, number, state);
        manage_unlock();
    }
    state->gpr[RAX] = status;
    if (number == HYPERCALL_EVENT_WAIT)
        hypercall_wait(vcpu, state->gpr[RDI]);
    return true;
}

bool paravirt_exit(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    uint32_t reason = state->exit.reason;
    if (reason == EXIT_IO)
        return exit_io(vcpu, state);
    return reason == EXIT_HYPERCALL && exit_hypercall(vcpu, state);
}

void paravirt_set(struct domain *domain, uint32_t number)
{
    uint64_t bit = 1ull << (number % 64);
    if (__atomic_fetch_or(&domain->pv_page->events[number / 64], bit, __ATOMIC_SEQ_CST) & bit)
        return;
    /* A domain that inherited events may not have its vcpu yet; the vcpu will look at the bits before it waits. */
    struct vcpu *vcpu = __atomic_load_n(&domain->vcpus[0], __ATOMIC_ACQUIRE);
    if (vcpu)
        vcpu_wake_paravirt(vcpu);
}

enum status paravirt_enable(struct domain *domain, uint64_t gpa)
{
    if (domain->pv_page || (gpa & PAGE_MASK))
        return ERR_PARAM;
    struct pv_page *page = pool_alloc(&domain->quota);
    if (!page)
        return ERR_MEMORY;
    enum status status = pt_map(&domain->guest, gpa, pool_hpa(page).v, PAGE_SIZE, PT_READ | PT_WRITE);
    if (status != OK)
        pool_free(&domain->quota, page);
    else
        domain->pv_page = page;
    return status;
}

void paravirt_release(struct domain *domain)
{
    for (uint32_t i = 0; domain->doorbells && i < DOORBELL_SLOTS; i++)
        if (domain->doorbells->slots[i].event)
            event_release(domain->doorbells->slots[i].event);
    pool_free(&domain->quota, domain->doorbells);
    pool_free(&domain->quota, domain->pv_page);
    domain->doorbells = NULL;
    domain->pv_page = NULL;
}
