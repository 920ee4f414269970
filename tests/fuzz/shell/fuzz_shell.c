/* SPDX-License-Identifier: MIT
 * Arbitrary events: keys, answers that fit the request or do not, a terminal that takes little, time, a channel that
 * comes and goes. Only what shell.h promises reaches the terminal, nothing does while the shell is not shown, requests
 * are well-formed; and in the end the shell still works. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shell.h"

static struct {
    struct shell *shell;
    bool shown, deaf, typing;
    unsigned escape;
    size_t room;
    uint64_t now;
    unsigned requests;
    char tag[12];
    char last[32];
    size_t last_size;
} world;

static void check(bool good)
{
    if (!good) {
        abort();
    }
}

static void check_byte(char c)
{
    if (world.escape == 1) {
        check(c == '[');
        world.escape = 2;
    } else if (world.escape == 2) {
        check((c >= '0' && c <= '9') || strchr("KCHJ", c) != NULL);
        world.escape = c >= '0' && c <= '9' ? 2 : 0;
    } else if (c == 0x1b) {
        world.escape = 1;
    } else {
        check((c >= ' ' && c <= '~') || c == '\r' || c == '\n' || c == '\a');
    }
}

static size_t write_text(void *context, const char *text, size_t size)
{
    check(world.shown && size > 0);
    size_t taken = size < world.room ? size : world.room;
    for (size_t i = 0; i < taken; i++) {
        check_byte(text[i]);
        world.last[world.last_size++ % sizeof(world.last)] = text[i];
    }
    world.room -= taken;
    return taken;
}

static bool send_request(void *context, const char *request, size_t size)
{
    if (size == 1 && request[0] == 0x18) {
        return !world.deaf;
    }
    check(size > 3 && size <= SHELL_REQUEST_SIZE && request[0] == '@' && request[size - 1] == '\n');
    for (size_t i = 0; i < size - 1; i++) {
        check(request[i] >= ' ' && request[i] <= '~');
    }
    if (world.deaf) {
        return false;
    }
    snprintf(world.tag, sizeof(world.tag), "%.*s", (int)strcspn(request + 1, " "), request + 1);
    world.requests++;
    return true;
}

static enum status focus(void *context, const char *name)
{
    if (*name == 'n') {
        return ERR_NONE;
    }
    world.shown = false;
    shell_shown(world.shell, false);
    return OK;
}

static void leave(void *context) {}
static uint64_t now_ms(void *context) { return world.now; }
static void wake(void *context, uint64_t at) {}
static const struct shell_host host = { write_text, send_request, focus, leave, now_ms, wake };

static void show(bool shown)
{
    world.shown = shown;
    world.escape = 0; /* what the terminal had not taken is lost */
    shell_shown(world.shell, shown);
}

static void answer(const uint8_t *data, size_t size)
{
    static const char *const canned[] = {
        "{\"tag\":\"%s\",\"ok\":true,\"result\":null}\n",
        ("{\"tag\":\"%s\",\"ok\":true,\"result\":[{\"command\":\"log\",\"arguments\":\"NAME a|b "
         "[x]...\"},{\"name\":\"one\"},{\"name\":\"two\"}]}\n"),
        "{\"tag\":\"%s\",\"ok\":true,\"result\":{\"text\":\"a\\u001b[2J\\nb\",\"next\":99,\"more\":true}}\n",
        "{\"tag\":\"%s\",\"ok\":false,\"error\":\"no\"}\n",
        "{\"tag\":\"%s\",\"ok\":true,\"result\":",
    };
    char text[300];
    snprintf(text, sizeof(text), canned[size % 5], world.tag);
    shell_answer(world.shell, text, strlen(text));
    if (size % 5 == 4) {
        shell_answer(world.shell, data, size);
        shell_answer(world.shell, "}\n", 2);
    }
}

static void event(uint8_t kind, const uint8_t *data, size_t size)
{
    switch (kind % 10) {
    case 0:
    case 1:
    case 2:
        if (world.shown) {
            shell_input(world.shell, data, size);
        }
        break;
    case 3:
        shell_answer(world.shell, data, size);
        break;
    case 4:
        answer(data, size);
        break;
    case 5:
        world.now += size * size * 1000;
        shell_tick(world.shell);
        break;
    case 6:
        world.room = size % 7 == 0 ? 100000 : size;
        shell_room(world.shell);
        break;
    case 7:
        show(size % 2);
        break;
    case 8:
        shell_channel(world.shell, size % 4 != 0);
        world.deaf = size % 8 == 3;
        break;
    default:
        shell_screen(world.shell, (unsigned)size * 20, (unsigned)size * 5);
        shell_redraw(world.shell);
        break;
    }
}

/* Ctrl-C, a command, its answer, a prompt. */
static void still_works(void)
{
    world.room = SIZE_MAX;
    world.deaf = false;
    show(false);
    shell_channel(world.shell, false);
    shell_channel(world.shell, true);
    show(true);
    shell_answer(world.shell, "\n", 1);
    shell_input(world.shell, "\x03\x03\x03", 3);
    if (!world.shown) { /* what was typed before was "console NAME" */
        show(true);
        shell_input(world.shell, "\x03", 1);
    }
    unsigned before = world.requests;
    shell_input(world.shell, "info\r", 5);
    check(world.requests == before + 1);
    world.last_size = 0;
    char text[100];
    snprintf(text, sizeof(text), "{\"tag\":\"%s\",\"ok\":true,\"result\":\"fine\"}\n", world.tag);
    shell_answer(world.shell, text, strlen(text));
    check(memcmp(world.last, "fine\r\n\rbulkhead> ", 17) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *storage;
    storage = storage == NULL ? aligned_alloc(16, (shell_size() + 15) & ~(size_t)15) : storage;
    memset(&world, 0, sizeof(world));
    world.room = 100000;
    world.shell = shell_init(storage, &host, NULL);
    shell_channel(world.shell, true);
    show(true);
    while (size >= 2) {
        uint8_t kind = data[0];
        size_t length = data[1] < size - 2 ? data[1] : size - 2;
        event(kind, data + 2, length);
        data += 2 + length;
        size -= 2 + length;
    }
    still_works();
    return 0;
}
