/* SPDX-License-Identifier: MIT
 * Interrupts of devices that are given to domains. A line that is level-triggered is masked when it fires, until its driver has
 * served the device. One that fires more than STORM times in a second is masked for good, and reported. */
#include "interrupt.h"
#include "api.h"
#include "apic.h"
#include "x86.h"

#define VECTOR_FIRST 0x30
#define VECTORS 0xb0
#define STORM 200000u

static struct irq {
    struct event *event; /* null: free */
    uint32_t gsi, count;
    uint8_t kind;        /* enum irq_kind */
    bool level, storm;
    uint64_t second;     /* TSC at which `count` began */
} irqs[VECTORS];

enum status interrupt_create(struct event *event, uint32_t cpu, enum irq_kind kind, uint32_t gsi, uint32_t *number, uint32_t *data)
{
    uint32_t n = VECTORS;
    if (cpu >= cpu_count || kind > IRQ_LINE)
        return ERR_PARAM;
    for (uint32_t i = 0; i < VECTORS; i++) {
        if (irqs[i].event && kind != IRQ_MESSAGE && irqs[i].kind == IRQ_LINE && irqs[i].gsi == gsi)
            return ERR_EXISTS;
        if (!irqs[i].event && n == VECTORS)
            n = i;
    }
    if (n == VECTORS)
        return ERR_MEMORY;
    irqs[n] = (struct irq){ .gsi = gsi, .kind = kind, .second = rdtsc() };
    __atomic_store_n(&irqs[n].event, event, __ATOMIC_RELEASE);
    if (kind == IRQ_LINE && !ioapic_route_gsi(gsi, (uint8_t)(VECTOR_FIRST + n), cpu_by_index(cpu)->apic_id, &irqs[n].level)) {
        irqs[n].event = NULL;
        return ERR_NONE;
    }
    event->references++;
    *number = n;
    *data = VECTOR_FIRST + n;
    return OK;
}

enum status interrupt_unmask(const struct domain *domain, uint64_t number)
{
    if (number >= VECTORS)
        return ERR_HANDLE;
    struct irq *irq = &irqs[number];
    struct event *event = __atomic_load_n(&irq->event, __ATOMIC_ACQUIRE);
    if (!event || event->domain != domain || irq->kind != IRQ_LINE)
        return ERR_HANDLE;
    if (irq->level && !irq->storm)
        ioapic_mask_gsi(irq->gsi, false);
    return OK;
}

void interrupt_release(const struct domain *domain)
{
    for (uint32_t i = 0; i < VECTORS; i++) {
        struct event *event = irqs[i].event;
        if (!event || event->domain != domain)
            continue;
        if (irqs[i].kind == IRQ_LINE)
            ioapic_mask_gsi(irqs[i].gsi, true);
        __atomic_store_n(&irqs[i].event, NULL, __ATOMIC_RELEASE);
        event_release(event);
    }
}

static bool storming(struct irq *irq)
{
    uint64_t now = rdtsc();
    if (now - irq->second > tsc_hz) {
        irq->second = now;
        irq->count = 0;
    }
    return ++irq->count > STORM;
}

bool interrupt_deliver(uint64_t vector)
{
    if (vector < VECTOR_FIRST || vector >= VECTOR_FIRST + VECTORS)
        return false;
    struct irq *irq = &irqs[vector - VECTOR_FIRST];
    struct event *event = __atomic_load_n(&irq->event, __ATOMIC_ACQUIRE);
    if (!event)
        return true; /* late, or made up by a device: nobody's */
    bool storm = storming(irq);
    if (irq->kind == IRQ_LINE && (irq->level || storm))
        ioapic_mask_gsi(irq->gsi, true);
    if (storm && !irq->storm) {
        irq->storm = true;
        print("kernel: interrupt storm of %s of domain %s: more than %u in a second%s\n", irq->kind == IRQ_MESSAGE ? "a message" : "a line",
              event->domain ? event->domain->name : "?", STORM, irq->kind == IRQ_MESSAGE ? "" : "; the line stays masked");
    }
    (void)!event_signal(event);
    return true;
}
