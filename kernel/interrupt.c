/* SPDX-License-Identifier: MIT
 * Interrupts of devices that are given to domains. A line that is level-triggered is masked when it fires, until its driver has
 * served the device. What fires more than STORM times in a second is masked for good, and reported; a message only where
 * interrupts are remapped, since its mask is the device's own otherwise. */
#include "interrupt.h"
#include "api.h"
#include "apic.h"
#include "iommu.h"
#include "x86.h"

#define VECTOR_FIRST 0x30
#define VECTORS 0xb0
#define STORM 200000u
#define MESSAGE_ADDRESS 0xfee00000u
#define MESSAGE_TO 12
#define MESSAGE_REMAPPED (1u << 4)
#define MESSAGE_INDEX 5

static struct irq {
    struct event *event; /* null: free */
    uint32_t gsi, count;
    uint32_t apic_id;    /* where it goes */
    uint8_t kind;        /* enum irq_kind */
    bool level, storm;
    uint64_t second;     /* TSC at which `count` began */
} irqs[VECTORS];

enum status interrupt_create(struct event *event, uint32_t cpu, enum irq_kind kind, uint32_t gsi, uint32_t *number,
                             struct message *message)
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
    uint32_t apic_id = cpu_by_index(cpu)->apic_id, vector = VECTOR_FIRST + n;
    irqs[n] = (struct irq){ .gsi = gsi, .kind = kind, .second = rdtsc(), .apic_id = apic_id };
    __atomic_store_n(&irqs[n].event, event, __ATOMIC_RELEASE);
    if (kind == IRQ_LINE && !ioapic_route_gsi(gsi, (uint8_t)vector, apic_id, &irqs[n].level)) {
        irqs[n].event = NULL;
        return ERR_NONE;
    }
    event->references++;
    *number = n;
    if (iommu_remaps())
        *message = (struct message){ MESSAGE_ADDRESS | MESSAGE_REMAPPED | vector << MESSAGE_INDEX, 0 };
    else
        *message = (struct message){ MESSAGE_ADDRESS | apic_id << MESSAGE_TO, vector };
    return OK;
}

enum status interrupt_source(const struct domain *domain, uint64_t number, uint64_t source)
{
    if (number >= VECTORS || !irqs[number].event || irqs[number].event->domain != domain || irqs[number].kind != IRQ_MESSAGE)
        return ERR_HANDLE;
    if (!iommu_remaps())
        return OK;
    if (source >= IOMMU_ANY || iommu_owner() != domain || irqs[number].storm)
        return ERR_DENIED;
    iommu_interrupt((uint8_t)(VECTOR_FIRST + number), irqs[number].apic_id, false, (uint32_t)source);
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
        iommu_interrupt_end((uint8_t)(VECTOR_FIRST + i));
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
    bool storm = storming(irq), line = irq->kind == IRQ_LINE, first = storm && !irq->storm;
    irq->storm |= storm;
    if (line && (irq->level || storm))
        ioapic_mask_gsi(irq->gsi, true);
    else if (storm)
        iommu_interrupt_end((uint8_t)vector);
    if (first)
        print("kernel: interrupt storm of a %s of domain %s: more than %u in a second%s\n", line ? "line" : "message",
              event->domain ? event->domain->name : "?", STORM, line || iommu_remaps() ? "; it stays masked" : "");
    (void)!event_signal(event);
    return true;
}
