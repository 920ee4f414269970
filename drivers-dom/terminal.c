/* SPDX-License-Identifier: MIT
 * The terminal: what is typed goes to the mux, what the mux shows goes to every output there is. */
#include "terminal.h"
#include <string.h>
#include "abi/syscall.h"
#include "console_device.h"
#include "console_mux.h"
#include "display.h"
#include "ps2.h"
#include "service.h"
#include "shell_host.h"
#include "uart.h"
#include "usb_keyboard.h"

#define ROUND_BYTES 4096u /* shown in one round; others want to be served, too */
#define HISTORY 2000u     /* bytes of messages: about a screen */
#define LONE_SHELL_NS 500000000ull /* from the end of the last domain until the shell shows itself */

static struct {
    struct control *control;
    bool owned;          /* the terminal is ours */
    bool again;          /* the mux had more to show than this round allowed */
    bool shell_seen;     /* the shell has had the focus */
    bool disturbed;      /* others have written since the shell's last line */
    uint32_t budget;     /* bytes that this round may still show */
    uint32_t serials[CONTROL_MAX_CONSOLES]; /* of entries that are attached */
    uint64_t addresses[CONTROL_MAX_CONSOLES];
    struct mux mux;
    struct service_bottom bottom;
    struct service_timer lone_shell;
} terminal;

/* --- for the mux --- */

static uint32_t room(void *context)
{
    (void)context;
    uint32_t hardware = uart_room();
    terminal.again |= terminal.budget < hardware;
    return terminal.budget < hardware ? terminal.budget : hardware;
}

static void write_all(void *context, const char *text, uint32_t size)
{
    (void)context;
    terminal.budget -= size < terminal.budget ? size : terminal.budget;
    terminal.disturbed |= !shell_host_writing() && size > 0;
    uart_write(text, size);
    display_write(text, size);
}

static void signal_input(void *context, unsigned index)
{
    (void)context;
    uint32_t handle = terminal.control->consoles[index].input_handle;
    if (handle != HANDLE_NONE) {
        service_signal(handle);
    }
    console_typed(terminal.addresses[index]);
}

static void shell_typed(void *context, const char *text, uint32_t size)
{
    (void)context;
    shell_host_input(text, size);
}

static void shell_focus(void *context, bool shown)
{
    (void)context;
    terminal.disturbed = false;
    shell_host_shown(shown);
}

static const struct mux_ops mux_calls = {
    .room = room, .write = write_all, .signal = signal_input, .shell_input = shell_typed, .shell_shown = shell_focus,
};

/* --- rounds --- */

static void set_pending(uint32_t bytes) { __atomic_store_n(&terminal.control->console_pending, bytes, __ATOMIC_RELEASE); }

static bool shell_has_focus(void)
{
    return terminal.mux.shell != MUX_NOBODY &&
           __atomic_load_n(&terminal.control->focus, __ATOMIC_RELAXED) == terminal.mux.shell;
}

static void work(void *context)
{
    (void)context;
    if (!terminal.owned) {
        return;
    }
    terminal.budget = ROUND_BYTES;
    terminal.again = false;
    set_pending(UINT32_MAX); /* until it is known what becomes of it */
    bool full = mux_output(&terminal.mux);
    if (terminal.disturbed && shell_has_focus() && terminal.control->line_owner == 0) {
        terminal.disturbed = false;
        shell_host_redraw();
    }
    /* After the mux has announced our sleep: what comes now wakes us. */
    bool more = shell_host_work();
    set_pending(uart_pending());
    if (((full || shell_host_waits()) && terminal.again) || more) {
        service_bottom_arm(&terminal.bottom);
    }
}

void terminal_wake(void)
{
    if (terminal.owned) {
        service_bottom_arm(&terminal.bottom);
    }
}

static void wake(void *context)
{
    (void)context;
    terminal_wake();
}

static void output_ready(void *context)
{
    (void)context;
    terminal_wake();
    console_answered();
}

static void typed(void *context, const char *text, uint32_t size)
{
    (void)context;
    terminal.budget = ROUND_BYTES;
    mux_input(&terminal.mux, text, size);
    terminal_wake(); /* the focus may have changed, and with it what may be shown */
}

/* --- consoles come and go --- */

static void look_at(unsigned index)
{
    const struct control_console *entry = &terminal.control->consoles[index];
    uint64_t address = entry->kind != CONSOLE_NONE ? entry->console : 0;
    if (address == terminal.addresses[index] && (address == 0 || entry->serial == terminal.serials[index])) {
        return;
    }
    if (terminal.addresses[index] != 0) {
        mux_attach(&terminal.mux, index, NULL);
        terminal.addresses[index] = 0;
    }
    struct console *console = address != 0 ? machine(address) : NULL;
    if (console == NULL) {
        return;
    }
    if (address % PAGE_SIZE != 0 || console->magic != CONSOLE_MAGIC) {
        service_log("console %.31s: there is none at 0x%llx", entry->name, (unsigned long long)address);
        return;
    }
    terminal.addresses[index] = address;
    terminal.serials[index] = entry->serial;
    mux_attach(&terminal.mux, index, console);
}

static void look_at_shell(void)
{
    uint32_t shell = terminal.mux.shell;
    struct console *console = shell != MUX_NOBODY ? terminal.mux.consoles[shell] : NULL;
    shell_host_channel(console, terminal.control->control_handle);
    if (!shell_has_focus()) {
        shell_host_shown(false);
        return;
    }
    if (!terminal.shell_seen && terminal.control->line_owner == shell + 1) { /* a former drivers-dom's prompt */
        write_all(NULL, "\r\n", 2);
        terminal.control->line_owner = 0;
    }
    terminal.shell_seen = true;
    shell_host_shown(true);
}

static const struct uart_user uart_user = {.input = typed, .room = wake};

/* A frame buffer cannot be read back: the messages of the boot are shown again, from the manager's console. */
static void show_messages(void)
{
    const struct console *console = terminal.mux.consoles[0];
    uint64_t end = console != NULL ? console->far.printed : 0;
    char text[HISTORY];
    uint32_t size = end < HISTORY ? (uint32_t)end : HISTORY;
    for (uint32_t i = 0; i < size; i++) {
        text[i] = console->output[(end - size + i) % CONSOLE_OUTPUT];
    }
    display_write(text, size);
}

static void take_hardware(void)
{
    const struct control *control = terminal.control;
    bool serial = uart_init(&machine_ports, &uart_user, NULL) == OK;
    bool screen = display_init(&control->screen);
    if (screen && control->screen.kind == SCREEN_RGB) {
        show_messages();
    }
    bool keyboard = ps2_init(&machine_ports, typed, NULL) == OK;
    bool usb = usb_keyboard_possible();
    usb_keyboard_init(typed, NULL);
    service_log("the terminal is %s%s%s%s%s%s", serial ? "COM1" : "", serial && screen ? ", " : "",
                screen ? "the screen" : "", keyboard ? ", a PS/2 keyboard" : "", usb ? ", USB keyboards" : "",
                serial || screen || keyboard || usb ? "" : "missing: no COM1, no screen, no keyboard");
}

/* No domain is left. If the machine does not go off, somebody needs the shell. */
static void show_lone_shell(void *context)
{
    (void)context;
    (void)mux_refocus(&terminal.mux, true);
    look_at_shell();
    terminal_wake();
}

void terminal_update(void)
{
    if (terminal.control == NULL || !terminal.control->console_wanted) {
        return;
    }
    bool given = __atomic_load_n(&terminal.control->console_owner, __ATOMIC_ACQUIRE) == 1, first = !terminal.owned;
    if (first && !given) {
        return;
    }
    terminal.owned = true;
    for (unsigned i = 0; i < CONTROL_MAX_CONSOLES; i++) {
        look_at(i);
    }
    if (first) {
        take_hardware();
    }
    terminal.budget = ROUND_BYTES;
    if (!mux_refocus(&terminal.mux, false)) {
        service_timer_arm(&terminal.lone_shell, service_now() + LONE_SHELL_NS);
    }
    look_at_shell();
    terminal_wake();
}

void terminal_init(struct control *control)
{
    if (control == NULL) {
        return;
    }
    terminal.control = control;
    terminal.bottom = (struct service_bottom){.run = work};
    terminal.lone_shell = (struct service_timer){.fire = show_lone_shell};
    mux_init(&terminal.mux, &mux_calls, NULL, control);
    if (!shell_host_init(&terminal.mux)) {
        service_log("there is no memory for the shell");
    }
    service_on_event(CONTROL_OUTPUT_EVENT, output_ready, NULL);
    set_pending(0);
    __atomic_store_n(&control->console_wanted, 1, __ATOMIC_RELEASE);
    terminal_update();
}
