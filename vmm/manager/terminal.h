/* SPDX-License-Identifier: MIT
 * The consoles of all domains and of the manager itself (abi/console.h), and the terminal while drivers-dom does not
 * have it. The control area (abi/control.h) is made here, since it says who has the terminal. */
#pragma once

#include "domain.h"

#define TERMINAL_ENTRY_MANAGER 0u /* in control.consoles[] */
#define TERMINAL_ENTRY_SHELL   1u

/* The control area and the manager's own console; from here on the manager prints the kernel's messages too. Before it,
 * and if it fails, printf() goes to COM1 directly. */
must_use enum status terminal_init(struct manager *manager);

/* domain_start(): a console for a domain that has none yet, with the event that its monitor signals. */
must_use enum status terminal_open(struct manager *manager, struct domain *domain);
/* The same for its virtio console `device`, whose near end is in drivers-dom: a console called DOMAIN.DEVICE; filled in
 * in the channel's entry. */
must_use enum status terminal_open_hvc(struct manager *manager, struct domain *domain, const char *device,
                                       struct control_channel *entry);
/* domain_start(), when its vcpus exist: the events that its monitor gets. */
must_use enum status terminal_connect(struct manager *manager, struct domain *domain);
/* The domain has ended; its console stays, for its log. */
void terminal_ended(const struct manager *manager, struct domain *domain);
/* Forgets the console with all that is in it. The domain must not run. */
void terminal_close(struct manager *manager, struct domain *domain);

/* The shell's control channel: entry TERMINAL_ENTRY_SHELL. Null if there is no memory. */
struct console *terminal_open_shell(struct manager *manager);
/* The manager's own console: its messages and the kernel's. */
const struct console *terminal_messages(void);

/* Gives drivers-dom's second-level space the consoles that there are. */
must_use enum status terminal_share(const struct manager *manager, const struct domain *service);
/* drivers-dom is gone: the manager has the terminal again. */
void terminal_reclaim(const struct manager *manager);

/* Who gets what is typed: the domain that the configuration names, else the first with a console, else the shell. */
void terminal_set_focus(const struct manager *manager);
/* The event loop: new messages of the kernel; printing and input while drivers-dom does not have the terminal. */
void terminal_poll(struct manager *manager);
/* Host TSC at which terminal_poll() wants to be called again, 0: when there is an event. */
uint64_t terminal_deadline(const struct manager *manager);
/* The machine goes off: everything that is in the consoles is printed. Ends drivers-dom. */
void terminal_finish(struct manager *manager);
