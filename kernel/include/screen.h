/* SPDX-License-Identifier: MIT
 * The console on the machine's own screen: VGA text or the frame buffer that the boot loader has
 * set up. */
#pragma once

#include "abi/info.h"
#include "types.h"

/* Draws on this screen from now on, first of all what was printed before. Boot CPU, boot mappings: a screen above
 * 4 GiB shows nothing until screen_map. A kind of screen that the kernel cannot draw on is left alone and not written
 * into boot_info. */
void screen_found(const struct boot_screen *found);
/* The same in the kernel's own address space, once hostmap.c's tables are in use. */
void screen_map(void);
/* Text as it goes to the serial port, control characters included. The console's lock is held, or this is a panic,
 * which draws everything anew: a domain may have the screen by then. So does a length of 0. */
void screen_write(const char *text, uint32_t length);
