/* SPDX-License-Identifier: MIT
 * The near end of a console. */
#include "console_ring.h"

void console_ring_put(struct console *console, const char *text, uint64_t length)
{
    uint64_t at = console->near.produced;
    for (uint64_t i = 0; i < length; i++, at++) {
        console->output[at % CONSOLE_OUTPUT] = text[i];
        if ((at + 1) % (CONSOLE_OUTPUT / 4) == 0) /* a long text: readers are never behind by more than they are told */
            __atomic_store_n(&console->near.produced, at + 1, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&console->near.produced, at, __ATOMIC_SEQ_CST);
}

uint32_t console_ring_take(struct console *console, char *out, uint32_t max)
{
    uint64_t at = console->near.consumed, typed = __atomic_load_n(&console->far.typed, __ATOMIC_ACQUIRE);
    uint32_t count = 0;
    if (typed - at > CONSOLE_INPUT)
        at = typed;
    while (count < max && at != typed)
        out[count++] = console->input[at++ % CONSOLE_INPUT];
    __atomic_store_n(&console->near.consumed, at, __ATOMIC_RELEASE);
    return count;
}

bool console_ring_sleeps(const struct console *console)
{
    return __atomic_load_n(&console->far.sleeping, __ATOMIC_SEQ_CST) != 0;
}

uint64_t console_ring_waiting(const struct console *console)
{
    uint64_t waiting = console->near.produced - __atomic_load_n(&console->far.printed, __ATOMIC_ACQUIRE);
    return waiting <= CONSOLE_OUTPUT ? waiting : 0;
}
