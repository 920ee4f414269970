/* SPDX-License-Identifier: MIT
 * A terminal that knows only what shell.h says a terminal must know, and the rest of the shell's world: channel, clock,
 * focus. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shell.h"

#define COLUMNS 140u
#define LINES   25u
#define SCROLL  2000u

struct world {
    struct shell *shell;
    char screen[SCROLL][COLUMNS + 1]; /* all lines that there ever were */
    unsigned top, row, column;        /* top: first line that is seen */
    unsigned bells, unknown;          /* unknown: bytes and sequences that the terminal does not have to know */
    unsigned escape;                  /* 0, 1 behind ESC, 2 behind ESC [ */
    unsigned parameter;
    size_t room;                          /* the terminal takes as much; SIZE_MAX: all */
    bool deaf;                            /* the channel takes nothing */
    char request[SHELL_REQUEST_SIZE + 1]; /* the last one */
    unsigned requests;
    unsigned cancels;
    uint64_t now, wake;
    char focused[64];
    bool left;
};

static void terminal_clear_from(struct world *world, unsigned row, unsigned column)
{
    memset(world->screen[row] + column, ' ', COLUMNS - column);
}

static void terminal_sequence(struct world *world, char c)
{
    unsigned n = world->parameter;
    switch (c) {
    case 'K':
        terminal_clear_from(world, world->row, world->column < COLUMNS ? world->column : COLUMNS);
        break;
    case 'C':
        world->column += n;
        world->unknown += world->column >= COLUMNS;
        break;
    case 'H':
        world->row = world->top;
        world->column = 0;
        break;
    case 'J':
        terminal_clear_from(world, world->row, world->column);
        for (unsigned row = world->row + 1; row < world->top + LINES; row++) {
            terminal_clear_from(world, row, 0);
        }
        break;
    default:
        world->unknown++;
        break;
    }
}

static void terminal_line_feed(struct world *world)
{
    world->row++;
    assert_true(world->row < SCROLL - LINES);
    world->top = world->row >= world->top + LINES ? world->row - LINES + 1 : world->top;
}

static void terminal_byte(struct world *world, char c)
{
    if (world->escape == 1) {
        world->unknown += c != '[';
        world->escape = 2;
        world->parameter = 0;
    } else if (world->escape == 2) {
        if (c >= '0' && c <= '9') {
            world->parameter = world->parameter * 10 + (unsigned)(c - '0');
            return;
        }
        world->escape = 0;
        terminal_sequence(world, c);
    } else if (c == 0x1b) {
        world->escape = 1;
    } else if (c == '\r') {
        world->column = 0;
    } else if (c == '\n') {
        terminal_line_feed(world);
    } else if (c == '\a') {
        world->bells++;
    } else if (c < ' ' || c > '~') {
        world->unknown++;
    } else {
        if (world->column == COLUMNS) { /* long lines of answers wrap */
            world->column = 0;
            terminal_line_feed(world);
        }
        world->screen[world->row][world->column++] = c;
    }
}

static size_t world_write(void *context, const char *text, size_t size)
{
    struct world *world = context;
    size_t taken = size < world->room ? size : world->room;
    for (size_t i = 0; i < taken; i++) {
        terminal_byte(world, text[i]);
    }
    world->room -= world->room == SIZE_MAX ? 0 : taken;
    return taken;
}

static bool world_send(void *context, const char *request, size_t size)
{
    struct world *world = context;
    if (size == 1 && request[0] == 0x18) { /* CAN: nobody waits for the last request any more */
        world->cancels++;
        return !world->deaf;
    }
    assert_true(size > 1 && size <= SHELL_REQUEST_SIZE && request[size - 1] == '\n');
    if (world->deaf) {
        return false;
    }
    memcpy(world->request, request, size - 1);
    world->request[size - 1] = 0;
    world->requests++;
    return true;
}

static enum status world_focus(void *context, const char *name)
{
    struct world *world = context;
    if (strcmp(name, "linux") != 0) {
        return ERR_NONE;
    }
    strcpy(world->focused, name);
    shell_shown(world->shell, false);
    return OK;
}

static void world_leave(void *context) { ((struct world *)context)->left = true; }
static uint64_t world_now(void *context) { return ((struct world *)context)->now; }
static void world_wake(void *context, uint64_t at) { ((struct world *)context)->wake = at; }

static const struct shell_host world_host = {
    world_write, world_send, world_focus, world_leave, world_now, world_wake
};
/* As on the machine's terminal: the shell does not end. */
static const struct shell_host world_host_stays
    __attribute__((unused)) = { world_write, world_send, world_focus, NULL, world_now, world_wake };

static struct world *world_new(const struct shell_host *host)
{
    struct world *world = calloc(1, sizeof(*world));
    for (unsigned i = 0; i < SCROLL; i++) {
        memset(world->screen[i], ' ', COLUMNS);
    }
    world->room = SIZE_MAX;
    world->now = 1000;
    world->shell = shell_init(aligned_alloc(16, (shell_size() + 15) & ~(size_t)15), host, world);
    shell_screen(world->shell, COLUMNS, LINES);
    shell_channel(world->shell, true);
    shell_shown(world->shell, true);
    return world;
}

static void world_free(struct world *world)
{
    assert_int_equal(world->unknown, 0);
    free(world->shell);
    free(world);
}

static void __attribute__((unused)) type(struct world *world, const char *text)
{
    shell_input(world->shell, text, strlen(text));
}

/* The line `back` lines above the cursor, without blanks at its end. */
static const char *__attribute__((unused)) line_at(struct world *world, unsigned back)
{
    static char text[4][COLUMNS + 1];
    static unsigned turn;
    char *out = text[turn++ % 4];
    memcpy(out, world->screen[world->row - back], COLUMNS + 1);
    for (size_t size = COLUMNS; size > 0 && out[size - 1] == ' '; size--) {
        out[size - 1] = 0;
    }
    return out;
}

/* The fake manager's answer to the last request; its JSON behind the tag, e.g. "\"ok\":true,\"result\":null". */
static void __attribute__((unused)) answer(struct world *world, const char *rest)
{
    size_t size = strlen(rest) + 64;
    char *text = malloc(size);
    int tag = (int)strcspn(world->request + 1, " ");
    assert_int_equal(world->request[0], '@');
    snprintf(text, size, "{\"tag\":\"%.*s\",%s}\n", tag, world->request + 1, rest);
    shell_answer(world->shell, text, strlen(text));
    free(text);
}

/* The last request without its tag. */
static const char *__attribute__((unused)) asked(struct world *world) { return strchr(world->request, ' ') + 1; }
