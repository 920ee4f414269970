/* SPDX-License-Identifier: MIT
 * The port of firmware's messages: gathers lines and prints them. */
#include "devices/debug_text.h"
#include <stdio.h>
#include "machine.h"
#include "pc.h"

#define PRESENT 0xe9u /* what tells firmware that somebody listens */

static uint32_t debug_text_read(void *device, uint16_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return PRESENT;
}

static void print_line(struct debug_text *text)
{
    if (text->used)
        printf("%s: firmware: %.*s\n", text->machine->start->name, (int)text->used, text->line);
    text->used = 0;
}

static void debug_text_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct debug_text *text = device;
    char c = (char)value;
    (void)offset, (void)size;
    if (c >= ' ' && c < 0x7f)
        text->line[text->used++] = c;
    if (c == '\n' || text->used == DEBUG_TEXT_LINE)
        print_line(text);
}

void debug_text_reset(struct debug_text *text)
{
    text->used = 0;
}

enum status debug_text_init(struct debug_text *text, struct machine *machine)
{
    *text = (struct debug_text){ .machine = machine };
    if (!machine_has_firmware(machine) || !machine->start->trace)
        return OK;
    return bus_add_port(&machine->bus, &(struct port_range){
        .base = PC_DEBUG_TEXT, .count = 1, .read = debug_text_read, .write = debug_text_write, .device = text,
        .name = "firmware messages" });
}
