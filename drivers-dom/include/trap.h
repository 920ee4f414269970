/* SPDX-License-Identifier: MIT
 * Exceptions: a fault of drivers-dom is told with its place, then the domain ends. */
#pragma once

/* Loads GDT, IDT and TSS of its own. */
void trap_init(void);
