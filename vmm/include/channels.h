/* SPDX-License-Identifier: MIT
 * The channels to drivers-dom, on the target. */
#pragma once

#include "machine.h"

/* Tells the machine where its channels are mapped and which system calls its devices make. Before platform_create. */
void channels_connect(struct machine *machine);
/* Waits until every device has been offered by its back end, but not for ever: a message names those that are missing. Thread 0, before
 * the guest runs. */
void channels_wait(struct machine *machine);
