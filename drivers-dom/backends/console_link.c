/* SPDX-License-Identifier: MIT
 * The two ends of a console, by the rules of abi/console.h. */
#include "console_link.h"

/* What the other end has written, or read, so far. */
static uint64_t other_given(const struct console_link *link)
{
    const struct console *console = link->console;
    return __atomic_load_n(link->near ? &console->far.typed : &console->near.produced, __ATOMIC_ACQUIRE);
}

static uint64_t other_taken(const struct console_link *link)
{
    const struct console *console = link->console;
    return __atomic_load_n(link->near ? &console->far.printed : &console->near.consumed, __ATOMIC_ACQUIRE);
}

uint64_t *link_taken(const struct console_link *link)
{
    return link->near ? &link->console->near.consumed : &link->console->far.printed;
}

uint64_t *link_given(const struct console_link *link)
{
    return link->near ? &link->console->near.produced : &link->console->far.typed;
}

static const char *incoming(const struct console_link *link) { return link->near ? link->console->input : link->console->output; }

static uint32_t incoming_size(const struct console_link *link) { return link->near ? CONSOLE_INPUT : CONSOLE_OUTPUT; }

uint32_t link_pending(const struct console_link *link)
{
    uint64_t given = other_given(link), size = given - *link_taken(link);
    if (size > incoming_size(link)) {
        __atomic_store_n(link_taken(link), given, __ATOMIC_RELEASE);
        return 0;
    }
    return (uint32_t)size;
}

void link_copy(const struct console_link *link, uint32_t offset, void *to, uint32_t size)
{
    const char *ring = incoming(link);
    uint64_t at = *link_taken(link) + offset;
    for (uint32_t i = 0; i < size; i++) {
        ((char *)to)[i] = __atomic_load_n(&ring[(at + i) % incoming_size(link)], __ATOMIC_RELAXED);
    }
}

void link_take(const struct console_link *link, uint32_t size)
{
    __atomic_store_n(link_taken(link), *link_taken(link) + size, __ATOMIC_RELEASE);
}

uint32_t link_room(const struct console_link *link)
{
    if (link->near) {
        return CONSOLE_OUTPUT;
    }
    uint64_t waiting = *link_given(link) - other_taken(link);
    return waiting <= CONSOLE_INPUT ? (uint32_t)(CONSOLE_INPUT - waiting) : CONSOLE_INPUT;
}

void link_put(const struct console_link *link, const uint8_t *text, uint32_t size)
{
    char *ring = link->near ? link->console->output : link->console->input;
    uint32_t ring_size = link->near ? CONSOLE_OUTPUT : CONSOLE_INPUT;
    uint64_t at = *link_given(link);
    for (uint32_t i = 0; i < size; i++) {
        ring[(at + i) % ring_size] = (char)text[i];
    }
    __atomic_store_n(link_given(link), at + size, __ATOMIC_RELEASE);
}

void link_sleep(const struct console_link *link, bool sleeps)
{
    /* Before the last look at what the other end wrote, which is behind its own last look at this. */
    __atomic_store_n(&link->console->far.sleeping, sleeps, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool link_sleeps(const struct console_link *link)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&link->console->far.sleeping, __ATOMIC_SEQ_CST) != 0;
}

void link_restart(const struct console_link *link)
{
    __atomic_store_n(link_taken(link), other_given(link), __ATOMIC_RELEASE);
}

bool link_end_line(const struct console_link *link)
{
    uint64_t given = *link_given(link);
    if (given == 0 || link->console->input[(given - 1) % CONSOLE_INPUT] == '\n') {
        return true;
    }
    if (link_room(link) == 0) {
        return false;
    }
    link_put(link, (const uint8_t *)"\n", 1);
    return true;
}
