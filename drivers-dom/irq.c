/* SPDX-License-Identifier: MIT
 * Interrupts of devices: events that the manager has prepared, taken by drivers. */
#include <stdlib.h>
#include "hypercall.h"
#include "service.h"

struct user {
    void (*handler)(void *context);
    void *context;
    struct user *next;
};

static struct irq {
    struct control_irq entry; /* a copy */
    bool taken;
    struct user *users; /* of a line */
} irqs[CONTROL_MAX_IRQS];
static unsigned irq_count;

void irq_init(const struct control *control)
{
    irq_count = 0;
    for (unsigned i = 0; control != NULL && i < control->irq_count && i < CONTROL_MAX_IRQS; i++) {
        irqs[irq_count++] = (struct irq){.entry = control->irqs[i]};
    }
}

enum status service_msi(uint16_t source, void (*handler)(void *context), void *context, uint64_t *address, uint32_t *data)
{
    for (unsigned i = 0; i < irq_count; i++) {
        struct irq *irq = &irqs[i];
        if (irq->entry.line == 0 && !irq->taken) {
            enum status status = hypercall(HYPERCALL_IRQ_SOURCE, irq->entry.number, source);
            if (status != OK) {
                return status;
            }
            irq->taken = true;
            *address = irq->entry.address;
            *data = irq->entry.data;
            service_on_event(irq->entry.event_bit, handler, context);
            return OK;
        }
    }
    return ERR_NONE;
}

static void unmask(const struct irq *irq) { (void)hypercall(HYPERCALL_IRQ_UNMASK, irq->entry.number, 0); }

static void line_fired(void *context)
{
    struct irq *irq = context;
    for (struct user *user = irq->users; user != NULL; user = user->next) {
        user->handler(user->context);
    }
    unmask(irq);
}

enum status service_line(uint32_t gsi, void (*handler)(void *context), void *context)
{
    for (unsigned i = 0; i < irq_count; i++) {
        struct irq *irq = &irqs[i];
        if (irq->entry.line == 0 || irq->entry.gsi != gsi) {
            continue;
        }
        struct user *user = calloc(1, sizeof(*user));
        if (user == NULL) {
            return ERR_MEMORY;
        }
        *user = (struct user){handler, context, irq->users};
        irq->users = user;
        irq->taken = true;
        service_on_event(irq->entry.event_bit, line_fired, irq);
        unmask(irq); /* it may have fired before anybody listened */
        return OK;
    }
    return ERR_NONE;
}
