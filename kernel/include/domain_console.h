/* SPDX-License-Identifier: MIT
 * The serial console shared by the domains, until a service VM owns the port. Output: whole lines, prefixed "[name] " once
 * there is more than one domain besides the manager; the focused domain's characters appear at once. Input goes to the focused
 * domain; Ctrl-] moves the focus to the next. */
#pragma once

#include "domain.h"

#define CONSOLE_FOCUS_KEY 0x1d /* Ctrl-] */

void domain_console_write(struct domain *domain, const char *text, uint32_t length);
/* Up to max bytes of input if the domain has the focus; the number of bytes. */
uint32_t domain_console_read(struct domain *domain, char *out, uint32_t max);
void domain_console_focus(struct domain *domain);
/* The domain goes away: its unfinished line is printed, the focus moves on. Manage lock held. */
void domain_console_forget(struct domain *domain);
/* Interrupt handler: takes what the serial port has. */
void serial_input(void);
