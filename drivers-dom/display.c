/* SPDX-License-Identifier: MIT
 * The screen: a terminal of cells, shown by VGA in text mode or on a frame buffer, at most so often that drawing stays cheap. */
#include "display.h"
#include "framebuffer.h"
#include "service.h"
#include "vga_text.h"

#define SHOW_NS 30000000u

static struct {
    const struct boot_screen *mode; /* null: no screen */
    struct screen screen;
    struct framebuffer frame;
    struct service_timer timer;
} display;

static void show(void *context)
{
    (void)context;
    if (display.mode->kind == SCREEN_TEXT) {
        vga_text_flush(&machine_ports, machine(VGA_TEXT_MEMORY), &display.screen);
    } else {
        framebuffer_flush(&display.frame, &display.screen);
    }
}

bool display_init(const struct boot_screen *mode)
{
    display.mode = NULL;
    if (mode->kind == SCREEN_TEXT && mode->base == VGA_TEXT_MEMORY && mode->width == SCREEN_COLUMNS &&
        mode->height >= SCREEN_ROWS && vga_text_active(&machine_ports)) {
        vga_text_adopt(&machine_ports, machine(VGA_TEXT_MEMORY), &display.screen);
    } else if (mode->kind == SCREEN_RGB && framebuffer_init(&display.frame, mode, machine(mode->base))) {
        screen_init(&display.screen);
    } else {
        return false;
    }
    display.mode = mode;
    display.timer.fire = show;
    show(NULL);
    return true;
}

void display_write(const char *text, uint32_t size)
{
    if (display.mode == NULL) {
        return;
    }
    screen_write(&display.screen, text, size);
    if (display.timer.deadline == 0) {
        service_timer_arm(&display.timer, service_now() + SHOW_NS);
    }
}
