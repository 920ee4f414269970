/* SPDX-License-Identifier: MIT
 * The keyboard controller of a PC (8042; IBM PS/2 hardware interface technical reference, "keyboard and auxiliary device controller"). It
 * translates to scan code set 1. Commands are given at the start only, with a limit of time; then only bytes are read. */
#include "ps2.h"
#include <string.h>
#include "service.h"

#define DATA 0x60u
#define STATUS 0x64u
#define COMMAND 0x64u
#define KEYBOARD_IRQ 1u

#define STATUS_OUTPUT 0x01u /* a byte is there for us */
#define STATUS_INPUT 0x02u  /* the controller has not taken the last one */
#define STATUS_AUX 0x20u    /* it is the mouse's */

#define COMMAND_READ_CONFIG 0x20u
#define COMMAND_WRITE_CONFIG 0x60u
#define COMMAND_AUX_OFF 0xa7u
#define COMMAND_KEYBOARD_OFF 0xadu
#define COMMAND_KEYBOARD_ON 0xaeu
#define CONFIG_IRQ 0x01u
#define CONFIG_AUX_IRQ 0x02u
#define CONFIG_KEYBOARD_OFF 0x10u
#define CONFIG_TRANSLATE 0x40u
#define KEYBOARD_ENABLE 0xf4u
#define ANSWERS 0xf9u /* keyboard's answers to commands are above; with the scan codes 0xfa and up nobody types */

#define RELEASED 0x80u
#define EXTENDED 0xe0u
#define PAUSE 0xe1u
#define PAUSE_REST 5u /* 1d 45 e1 9d c5 */

#define WAIT_STEPS 500u
#define WAIT_NS 20000u
#define DRAIN 32u
#define READ_ROUND 32u
#define POLL_NS 20000000u

static struct {
    const struct port_ops *ports;
    void (*typed)(void *context, const char *text, uint32_t size);
    void *context;
    struct ps2_keys keys;
    struct service_timer timer;
} ps2;

uint32_t ps2_decode(struct ps2_keys *state, uint8_t code, char *text)
{
    if (state->skip > 0) {
        state->skip--;
        return 0;
    }
    if (code == PAUSE) {
        state->skip = PAUSE_REST;
        return 0;
    }
    if (code == EXTENDED) {
        state->extended = true;
        return 0;
    }
    bool extended = state->extended;
    state->extended = false;
    return keyboard_key(&state->keys, code & (uint8_t)~RELEASED, extended, (code & RELEASED) == 0, text);
}

/* Until the bit has this value. */
static bool wait_for(uint8_t bit, bool value)
{
    for (unsigned i = 0; i < WAIT_STEPS; i++) {
        if (((ps2.ports->in8(STATUS) & bit) != 0) == value) {
            return true;
        }
        service_delay(WAIT_NS);
    }
    return false;
}

static bool send(uint16_t port, uint8_t value)
{
    if (!wait_for(STATUS_INPUT, false)) {
        return false;
    }
    ps2.ports->out8(port, value);
    return true;
}

static void drain(void)
{
    for (unsigned i = 0; i < DRAIN && (ps2.ports->in8(STATUS) & STATUS_OUTPUT) != 0; i++) {
        (void)ps2.ports->in8(DATA);
    }
}

/* One byte is taken per interrupt at least; the line is edge-triggered, so until there is none. */
static void read_keys(void *context)
{
    (void)context;
    char text[READ_ROUND * KEYBOARD_MAX_BYTES];
    uint32_t size = 0;
    for (unsigned i = 0; i < READ_ROUND; i++) {
        uint8_t status = ps2.ports->in8(STATUS);
        if ((status & STATUS_OUTPUT) == 0 || status == 0xff) {
            break;
        }
        uint8_t code = ps2.ports->in8(DATA);
        if ((status & STATUS_AUX) == 0 && code <= ANSWERS) {
            size += ps2_decode(&ps2.keys, code, text + size);
        }
    }
    if (size > 0) {
        ps2.typed(ps2.context, text, size);
    }
}

/* Where there is no interrupt. */
static void timer_fired(void *context)
{
    read_keys(context);
    service_timer_arm(&ps2.timer, service_now() + POLL_NS);
}

static enum status set_up(void)
{
    if (!send(COMMAND, COMMAND_KEYBOARD_OFF) || !send(COMMAND, COMMAND_AUX_OFF)) {
        return ERR_TIMEOUT;
    }
    drain();
    if (!send(COMMAND, COMMAND_READ_CONFIG) || !wait_for(STATUS_OUTPUT, true)) {
        return ERR_TIMEOUT;
    }
    uint8_t config = ps2.ports->in8(DATA);
    config |= CONFIG_IRQ | CONFIG_TRANSLATE;
    config &= (uint8_t)~(CONFIG_AUX_IRQ | CONFIG_KEYBOARD_OFF);
    if (!send(COMMAND, COMMAND_WRITE_CONFIG) || !send(DATA, config) || !send(COMMAND, COMMAND_KEYBOARD_ON) ||
        !send(DATA, KEYBOARD_ENABLE)) {
        return ERR_TIMEOUT;
    }
    return OK;
}

enum status ps2_init(const struct port_ops *ports, void (*typed)(void *context, const char *text, uint32_t size),
                     void *context)
{
    service_timer_cancel(&ps2.timer);
    memset(&ps2, 0, sizeof(ps2));
    ps2.ports = ports;
    ps2.typed = typed;
    ps2.context = context;
    if (ports->in8(STATUS) == 0xff) {
        return ERR_NONE;
    }
    enum status status = set_up();
    if (status != OK) {
        return status;
    }
    ps2.timer.fire = timer_fired;
    if (service_line(KEYBOARD_IRQ, read_keys, NULL) != OK) {
        timer_fired(NULL);
    }
    read_keys(NULL); /* what came before anybody listened would hold back all that follows */
    return OK;
}
