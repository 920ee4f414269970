/* SPDX-License-Identifier: MIT
 * One end of a struct console (abi/console.h), as a console device uses it: bytes for the guest, bytes from the guest. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/console.h"

struct console_link {
    struct console *console; /* null: no console */
    bool near;
};

/* Bytes that wait for the guest. Those that were overwritten, or a broken count, are skipped. */
uint32_t link_pending(const struct console_link *link);
/* Copies the next `size` (at most link_pending()) of them, from `offset` on; link_take() moves on. */
void link_copy(const struct console_link *link, uint32_t offset, void *to, uint32_t size);
void link_take(const struct console_link *link, uint32_t size);
/* Bytes that the console takes from the guest now. The near end takes any number: the ring goes round. */
uint32_t link_room(const struct console_link *link);
/* At most link_room(). */
void link_put(const struct console_link *link, const uint8_t *text, uint32_t size);
/* The counts of bytes taken and put so far. */
uint64_t *link_taken(const struct console_link *link);
uint64_t *link_given(const struct console_link *link);
/* Far end: tell me of output from now on. Look at link_pending() again afterwards. */
void link_sleep(const struct console_link *link, bool sleeps);
/* Near end: the far end sleeps. */
bool link_sleeps(const struct console_link *link);
/* Far end: another user begins. Nothing of what was written before, */
void link_restart(const struct console_link *link);
/* and no begun line of input. False: there is no room for its end. */
bool link_end_line(const struct console_link *link);
