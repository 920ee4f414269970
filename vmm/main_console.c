/* SPDX-License-Identifier: MIT
 * The console between the virtual COM1 and the kernel's. */
#include <string.h>
#include "bulkhead/syscall.h"
#include "console.h"
#include "platform.h"

static void output(void *context, const char *text, uint32_t length)
{
    (void)context;
    struct vcpu_state *state = thread_state();
    while (length) {
        uint32_t part = length < STATE_TEXT_SIZE ? length : STATE_TEXT_SIZE;
        memcpy(state->text, text, part);
        (void)sys_console_write(part);
        text += part;
        length -= part;
    }
}

void console_connect(struct machine *machine)
{
    if (machine->start->console && !machine->start->paravirtual)
        machine->platform->uart.output = output;
}

void console_write(struct machine *machine, const char *text, uint32_t length)
{
    if (machine->start->console)
        output(machine, text, length);
}

void console_flush(struct machine *machine)
{
    if (machine->platform && !machine->start->paravirtual)
        uart_flush(&machine->platform->uart);
}

void console_input(struct machine *machine)
{
    if (machine->start->paravirtual)
        return;
    struct uart *uart = &machine->platform->uart;
    machine_lock(machine);
    for (uint32_t room; (room = uart_room(uart)) > 0;) {
        uint32_t count = 0;
        if (sys_console_read(room, &count) != OK || !count)
            break;
        (void)uart_receive(uart, thread_state()->text, count);
    }
    machine_unlock(machine);
}
