/* SPDX-License-Identifier: MIT
 * Interrupts of devices: a level-triggered line waits for its driver, and what storms is masked for good and told once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/interrupt.c"

enum { GSI_EDGE = 4, GSI_LEVEL = 16, GSI_NONE = 99, SOURCE = 0x18 };

static struct domain owner = { .name = "drivers-dom" }, stranger = { .name = "guest" };
static struct event event;
static struct cpu cpus[2] = { { .apic_id = 0 }, { .apic_id = 3 } };
static bool remaps, masked[GSI_NONE], open_entries[256];
static unsigned signals, messages;
static char told[256];

uint32_t cpu_count = 2;
uint64_t tsc_hz = UINT64_MAX; /* the second of these tests does not end */
struct cpu *cpu_by_index(uint32_t index) { return &cpus[index]; }
enum status event_signal(struct event *at) { signals += at == &event; return OK; }
void event_release(struct event *at) { at->references--; }
bool iommu_remaps(void) { return remaps; }
const struct domain *iommu_owner(void) { return &owner; }
void iommu_interrupt_end(uint8_t vector) { open_entries[vector] = false; }
void ioapic_mask_gsi(uint32_t gsi, bool mask) { masked[gsi] = mask; }

void iommu_interrupt(uint8_t vector, uint32_t apic_id, bool level, uint32_t source)
{
    assert_int_equal(apic_id, 3);
    assert_false(level);
    assert_int_equal(source, SOURCE);
    open_entries[vector] = true;
}

bool ioapic_route_gsi(uint32_t gsi, uint8_t vector, uint32_t apic_id, bool *level)
{
    (void)vector, (void)apic_id;
    *level = gsi == GSI_LEVEL;
    return gsi != GSI_NONE;
}

void print(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(told, sizeof told, format, list);
    va_end(list);
    messages++;
}

static int set_up(void **state)
{
    (void)state;
    memset(irqs, 0, sizeof irqs);
    memset(masked, 0, sizeof masked);
    memset(open_entries, 0, sizeof open_entries);
    event = (struct event){ .domain = &owner, .references = 1 };
    remaps = false;
    signals = messages = 0;
    told[0] = '\0';
    return 0;
}

static uint32_t create(enum irq_kind kind, uint32_t gsi, struct message *message)
{
    uint32_t number = UINT32_MAX;
    assert_int_equal(interrupt_create(&event, 1, kind, gsi, &number, message), OK);
    return number;
}

static void fire(uint32_t number, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        assert_true(interrupt_deliver(VECTOR_FIRST + number));
}

static void a_level_line_waits_for_its_driver(void **state)
{
    (void)state;
    struct message message;
    uint32_t number = create(IRQ_LINE, GSI_LEVEL, &message);
    fire(number, 1);
    assert_int_equal(signals, 1);
    assert_true(masked[GSI_LEVEL]);
    assert_int_equal(interrupt_unmask(&stranger, number), ERR_HANDLE);
    assert_true(masked[GSI_LEVEL]);
    assert_int_equal(interrupt_unmask(&owner, number), OK);
    assert_false(masked[GSI_LEVEL]);
    fire(create(IRQ_LINE, GSI_EDGE, &message), 1);
    assert_false(masked[GSI_EDGE]);
}

static void a_storm_of_a_line_is_masked_for_good(void **state)
{
    (void)state;
    struct message message;
    uint32_t number = create(IRQ_LINE, GSI_EDGE, &message);
    fire(number, STORM);
    assert_false(masked[GSI_EDGE]);
    assert_int_equal(messages, 0);
    fire(number, 5);
    assert_true(masked[GSI_EDGE]);
    assert_int_equal(messages, 1);
    assert_non_null(strstr(told, "interrupt storm of a line of domain drivers-dom"));
    assert_non_null(strstr(told, "it stays masked"));
    uint32_t level = create(IRQ_LINE, GSI_LEVEL, &message);
    for (unsigned i = 0; i <= STORM; i++) {
        fire(level, 1);
        assert_int_equal(interrupt_unmask(&owner, level), OK);
    }
    assert_true(masked[GSI_LEVEL]); /* its driver's unmasking helps no more */
}

static void a_storm_of_messages_is_masked_by_remapping(void **state)
{
    (void)state;
    struct message message;
    remaps = true;
    uint32_t number = create(IRQ_MESSAGE, 0, &message);
    assert_int_equal(interrupt_source(&stranger, number, SOURCE), ERR_HANDLE);
    assert_int_equal(interrupt_source(&owner, number, SOURCE), OK);
    assert_true(open_entries[VECTOR_FIRST + number]);
    fire(number, STORM + 1);
    assert_false(open_entries[VECTOR_FIRST + number]);
    assert_non_null(strstr(told, "interrupt storm of a message of domain drivers-dom"));
    assert_non_null(strstr(told, "it stays masked"));
    assert_int_equal(interrupt_source(&owner, number, SOURCE), ERR_DENIED);
    assert_false(open_entries[VECTOR_FIRST + number]);
}

static void without_remapping_a_storm_of_messages_is_only_told(void **state)
{
    (void)state;
    struct message message;
    uint32_t number = create(IRQ_MESSAGE, 0, &message);
    assert_int_equal(message.data, VECTOR_FIRST + number);
    fire(number, STORM + 3);
    assert_int_equal(messages, 1);
    assert_null(strstr(told, "masked"));
    assert_int_equal(signals, STORM + 3);
}

static void what_is_released_signals_nobody(void **state)
{
    (void)state;
    struct message message;
    uint32_t line = create(IRQ_LINE, GSI_LEVEL, &message), number;
    assert_int_equal(interrupt_create(&event, 1, IRQ_LINE, GSI_LEVEL, &number, &message), ERR_EXISTS);
    assert_int_equal(interrupt_create(&event, 1, IRQ_LINE, GSI_NONE, &number, &message), ERR_NONE);
    assert_int_equal(interrupt_create(&event, 2, IRQ_MESSAGE, 0, &number, &message), ERR_PARAM);
    assert_int_equal(event.references, 2);
    interrupt_release(&owner);
    assert_int_equal(event.references, 1);
    assert_true(masked[GSI_LEVEL]);
    fire(line, 1);
    assert_int_equal(signals, 0);
    assert_int_equal(interrupt_unmask(&owner, line), ERR_HANDLE);
    assert_false(interrupt_deliver(VECTOR_FIRST - 1));
    assert_false(interrupt_deliver(VECTOR_FIRST + VECTORS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_level_line_waits_for_its_driver, set_up),
        cmocka_unit_test_setup(a_storm_of_a_line_is_masked_for_good, set_up),
        cmocka_unit_test_setup(a_storm_of_messages_is_masked_by_remapping, set_up),
        cmocka_unit_test_setup(without_remapping_a_storm_of_messages_is_only_told, set_up),
        cmocka_unit_test_setup(what_is_released_signals_nobody, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
