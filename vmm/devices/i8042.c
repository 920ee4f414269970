/* SPDX-License-Identifier: MIT
 * The 8042 keyboard controller (IBM PS/2 Hardware Interface Technical Reference, Keyboard and Auxiliary Device
 * Controller) and port 0x92. */
#include <string.h>
#include "abi/syscall.h"
#include "devices/i8042.h"
#include "machine.h"
#include "pc.h"

#define DATA_PORT 0x60
#define COMMAND_PORT 0x64
#define PORT_A 0x92
#define IRQ_AUX 12

#define STATUS_OUTPUT_FULL 0x01u
#define STATUS_SYSTEM 0x04u
#define STATUS_COMMAND 0x08u
#define STATUS_UNLOCKED 0x10u
#define STATUS_AUX 0x20u

#define BYTE_KEYBOARD_IRQ 0x01u
#define BYTE_AUX_IRQ 0x02u
#define BYTE_SYSTEM 0x04u
#define BYTE_KEYBOARD_OFF 0x10u
#define BYTE_AUX_OFF 0x20u
#define BYTE_TRANSLATE 0x40u
#define BYTE_DEFAULT (BYTE_KEYBOARD_IRQ | BYTE_SYSTEM | BYTE_AUX_OFF | BYTE_TRANSLATE) /* as firmware leaves it */

#define OUT_RUN 0x01u /* 0 resets the processor */
#define OUT_A20 0x02u
#define OUT_AUX_IRQ 0x20u
#define OUT_KEYBOARD_IRQ 0x10u
#define OUT_DEFAULT 0xcfu

#define PORT_A_RESET 0x01u
#define PORT_A_A20 0x02u

enum controller_command {
    CMD_READ_RAM = 0x20, CMD_WRITE_RAM = 0x60, CMD_PASSWORD = 0xa4, CMD_AUX_OFF = 0xa7, CMD_AUX_ON = 0xa8,
    CMD_AUX_TEST = 0xa9, CMD_SELF_TEST = 0xaa, CMD_KEYBOARD_TEST = 0xab, CMD_KEYBOARD_OFF = 0xad,
    CMD_KEYBOARD_ON = 0xae,
    CMD_READ_INPUT = 0xc0, CMD_READ_OUTPUT = 0xd0, CMD_WRITE_OUTPUT = 0xd1, CMD_KEYBOARD_LOOP = 0xd2,
    CMD_AUX_LOOP = 0xd3,
    CMD_AUX_WRITE = 0xd4, CMD_A20_OFF = 0xdd, CMD_A20_ON = 0xdf, CMD_PULSE = 0xf0,
};

#define NO_PASSWORD 0xf1
#define SELF_TEST_OK 0x55
#define TEST_OK 0x00
#define INPUT_PORT 0x80   /* keyboard not locked */

static void machine_reset(struct i8042 *controller)
{
    machine_end(controller->machine, END_REBOOT, "reset by the keyboard controller");
}

/* The next byte for the output buffer: the controller's own first, then those of the devices whose line is open. */
static bool next_output(struct i8042 *controller, struct i8042_reply *next)
{
    uint8_t byte = controller->ram[0];
    if (controller->reply_count) {
        *next = controller->replies[controller->reply_head];
        controller->reply_head = (controller->reply_head + 1) % I8042_REPLIES;
        controller->reply_count--;
        return true;
    }
    if (!(byte & BYTE_KEYBOARD_OFF) && ps2_keyboard_read(&controller->keyboard, &next->value)) {
        next->source = I8042_KEYBOARD;
        return true;
    }
    if (!(byte & BYTE_AUX_OFF) && ps2_mouse_read(&controller->mouse, &next->value)) {
        next->source = I8042_AUX;
        return true;
    }
    return false;
}

/* Fills the output buffer if it is empty, and drives the interrupt lines. */
static void update(struct i8042 *controller)
{
    uint8_t byte = controller->ram[0];
    if (!controller->output_full)
        controller->output_full = next_output(controller, &controller->output);
    bool aux = controller->output_full && controller->output.source == I8042_AUX;
    bool keyboard = controller->output_full && !aux;
    irq_set(controller->machine, PC_IRQ_KEYBOARD, keyboard && (byte & BYTE_KEYBOARD_IRQ));
    irq_set(controller->machine, IRQ_AUX, aux && (byte & BYTE_AUX_IRQ));
}

static void reply(struct i8042 *controller, uint8_t value, enum i8042_source source)
{
    if (controller->reply_count < I8042_REPLIES) /* a guest that never reads loses what it does not want */
        controller->replies[(controller->reply_head + controller->reply_count++) % I8042_REPLIES] =
            (struct i8042_reply){ value, (uint8_t)source };
}

static uint8_t read_output_port(const struct i8042 *controller)
{
    uint8_t value = controller->output_port & (uint8_t)~(OUT_KEYBOARD_IRQ | OUT_AUX_IRQ);
    if (controller->output_full)
        value |= controller->output.source == I8042_AUX ? OUT_AUX_IRQ : OUT_KEYBOARD_IRQ;
    return value;
}

static void write_output_port(struct i8042 *controller, uint8_t value)
{
    controller->output_port = value | OUT_RUN;
    if (!(value & OUT_RUN))
        machine_reset(controller);
}

/* Commands that answer with one byte, always the same. */
static bool fixed_reply(uint8_t command, uint8_t *value)
{
    static const struct { uint8_t command, value; } replies[] = {
        { CMD_PASSWORD, NO_PASSWORD }, { CMD_AUX_TEST, TEST_OK }, { CMD_SELF_TEST, SELF_TEST_OK },
        { CMD_KEYBOARD_TEST, TEST_OK }, { CMD_READ_INPUT, INPUT_PORT },
    };
    for (unsigned i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        if (replies[i].command == command) {
            *value = replies[i].value;
            return true;
        }
    }
    return false;
}

/* Commands that set or clear bits of the command byte. */
static bool change_command_byte(struct i8042 *controller, uint8_t command)
{
    uint8_t *byte = &controller->ram[0];
    switch (command) {
    case CMD_AUX_OFF: *byte |= BYTE_AUX_OFF; return true;
    case CMD_AUX_ON: *byte &= (uint8_t)~BYTE_AUX_OFF; return true;
    case CMD_KEYBOARD_OFF: *byte |= BYTE_KEYBOARD_OFF; return true;
    case CMD_KEYBOARD_ON: *byte &= (uint8_t)~BYTE_KEYBOARD_OFF; return true;
    default: return false;
    }
}

static void write_command(struct i8042 *controller, uint8_t command)
{
    uint8_t value;
    controller->last_was_command = true;
    controller->awaits = 0;
    if (fixed_reply(command, &value))
        reply(controller, value, I8042_CONTROLLER);
    else if (change_command_byte(controller, command))
        ;
    else if ((command & 0xe0) == CMD_READ_RAM)
        reply(controller, controller->ram[command & 0x1f], I8042_CONTROLLER);
    else if ((command & 0xe0) == CMD_WRITE_RAM || (command >= CMD_WRITE_OUTPUT && command <= CMD_AUX_WRITE))
        controller->awaits = command;
    else if (command == CMD_READ_OUTPUT)
        reply(controller, read_output_port(controller), I8042_CONTROLLER);
    else if (command == CMD_A20_OFF)
        controller->output_port &= (uint8_t)~OUT_A20;
    else if (command == CMD_A20_ON)
        controller->output_port |= OUT_A20;
    else if (command >= CMD_PULSE && !(command & OUT_RUN)) /* pulses the lines whose bit is 0 */
        machine_reset(controller);
    update(controller);
}

static void write_parameter(struct i8042 *controller, uint8_t command, uint8_t value)
{
    switch (command) {
    case CMD_WRITE_OUTPUT:
        write_output_port(controller, value);
        break;
    case CMD_KEYBOARD_LOOP:
        reply(controller, value, I8042_KEYBOARD);
        break;
    case CMD_AUX_LOOP:
        reply(controller, value, I8042_AUX);
        break;
    case CMD_AUX_WRITE:
        controller->ram[0] &= (uint8_t)~BYTE_AUX_OFF; /* as with the keyboard: the answer must get through */
        ps2_mouse_write(&controller->mouse, value);
        break;
    default:
        controller->ram[command & 0x1f] = value;
        break;
    }
}

static void write_data(struct i8042 *controller, uint8_t value)
{
    uint8_t command = controller->awaits;
    controller->last_was_command = false;
    controller->awaits = 0;
    if (command) {
        write_parameter(controller, command, value);
    } else {
        controller->ram[0] &= (uint8_t)~BYTE_KEYBOARD_OFF; /* a byte for the keyboard opens its line again */
        ps2_keyboard_write(&controller->keyboard, value, controller->ram[0] & BYTE_TRANSLATE);
    }
    update(controller);
}

static uint32_t read_data_port(void *device, uint16_t offset, unsigned size)
{
    struct i8042 *controller = device;
    (void)offset, (void)size;
    uint8_t value = controller->output.value; /* an empty buffer shows its last byte again */
    controller->output_full = false;
    /* Every byte is an edge of its own: the line falls before the next byte raises it. */
    irq_set(controller->machine, PC_IRQ_KEYBOARD, false);
    irq_set(controller->machine, IRQ_AUX, false);
    update(controller);
    return value | 0xffffff00u;
}

static uint32_t read_status(void *device, uint16_t offset, unsigned size)
{
    struct i8042 *controller = device;
    uint32_t value = STATUS_UNLOCKED | (controller->ram[0] & BYTE_SYSTEM ? STATUS_SYSTEM : 0);
    (void)offset, (void)size;
    if (controller->last_was_command)
        value |= STATUS_COMMAND;
    if (controller->output_full) {
        value |= STATUS_OUTPUT_FULL;
        value |= controller->output.source == I8042_AUX ? STATUS_AUX : 0;
    }
    return value | 0xffffff00u;
}

static void write_data_port(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    (void)offset, (void)size;
    write_data(device, (uint8_t)value);
}

static void write_command_port(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    (void)offset, (void)size;
    write_command(device, (uint8_t)value);
}

static uint32_t read_port_a(void *device, uint16_t offset, unsigned size)
{
    struct i8042 *controller = device;
    (void)offset, (void)size;
    return (controller->output_port & OUT_A20 ? PORT_A_A20 : 0) | 0xffffff00u;
}

static void write_port_a(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct i8042 *controller = device;
    (void)offset, (void)size;
    controller->output_port = (uint8_t)((controller->output_port & ~OUT_A20) | (value & PORT_A_A20 ? OUT_A20 : 0));
    if (value & PORT_A_RESET)
        machine_end(controller->machine, END_REBOOT, "reset by port 0x92");
}

void i8042_reset(struct i8042 *controller)
{
    struct machine *machine = controller->machine;
    memset(controller, 0, sizeof(*controller));
    controller->machine = machine;
    controller->ram[0] = BYTE_DEFAULT;
    controller->output_port = OUT_DEFAULT;
    ps2_keyboard_reset(&controller->keyboard);
    ps2_mouse_reset(&controller->mouse);
    update(controller);
}

enum status i8042_init(struct i8042 *controller, struct machine *machine)
{
    const struct port_range ranges[] = {
        { DATA_PORT, 1, read_data_port, write_data_port, controller, "keyboard data" },
        { COMMAND_PORT, 1, read_status, write_command_port, controller, "keyboard controller" },
        { PORT_A, 1, read_port_a, write_port_a, controller, "system control port A" },
    };
    controller->machine = machine;
    i8042_reset(controller);
    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        enum status status = bus_add_port(&machine->bus, &ranges[i]);
        if (status)
            return status;
    }
    return OK;
}
