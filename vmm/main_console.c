/* SPDX-License-Identifier: MIT
 * The monitor's end of the domain's console: COM1, the hypercall of a paravirtual guest, and the monitor's own messages. */
#include "bulkhead/libc.h"
#include "bulkhead/syscall.h"
#include "console.h"
#include "console_ring.h"
#include "platform.h"

static struct console *const console = (struct console *)LAYOUT_CONSOLE;
static const struct start *const start = (const struct start *)LAYOUT_START;

/* Any thread of the monitor writes. */
void libc_write(const char *text, size_t length)
{
    static _Atomic uint32_t lock;
    while (atomic_exchange_explicit(&lock, 1, memory_order_acquire))
        (void)sys_yield();
    console_ring_put(console, text, length);
    atomic_store_explicit(&lock, 0, memory_order_release);
    if (start->console_handle != HANDLE_NONE && console_ring_sleeps(console))
        (void)sys_event_signal(start->console_handle);
}

static void output(void *context, const char *text, uint32_t length)
{
    (void)context;
    libc_write(text, length);
}

/* Device lock held. */
static void input(void *context)
{
    struct uart *uart = context;
    char text[64];
    for (uint32_t room, count = 1; count && (room = uart_room(uart)) > 0;) {
        count = console_ring_take(console, text, room < sizeof(text) ? room : sizeof(text));
        (void)uart_receive(uart, text, count);
    }
}

void console_connect(struct machine *machine)
{
    if (!machine->start->console || machine->start->paravirtual)
        return;
    machine->platform->uart.output = output;
    machine->platform->uart.drained = input;
}

void console_write(struct machine *machine, const char *text, uint32_t length)
{
    if (machine->start->console)
        libc_write(text, length);
}

void console_flush(struct machine *machine)
{
    if (machine->platform && !machine->start->paravirtual)
        uart_flush(&machine->platform->uart);
}

void console_input(struct machine *machine)
{
    if (machine->start->paravirtual || !machine->start->console)
        return;
    machine_lock(machine);
    input(&machine->platform->uart);
    machine_unlock(machine);
}

void console_power(struct machine *machine)
{
    if (machine->start->paravirtual)
        return;
    machine_lock(machine);
    acpi_pm_power_button(&machine->platform->acpi_pm);
    machine_unlock(machine);
}
