/* SPDX-License-Identifier: MIT
 * The life of domains: what a command, their own end, or the time that has passed makes of them.
 *
 *            lifecycle_add    lifecycle_start        the guest, lifecycle_stop       on-crash, on-reboot, on-shutdown
 * (unknown) -------------> created -----------> running <-> paused ------------> ended, crashed | preserved |
 * restarting -> running ^                        |                     |                                   |
 *    '--- lifecycle_remove ---+---------------------+-----------------------------------'
 *
 * Only running, paused and preserved domains hold memory, channels and kernel objects. */
#pragma once

#include "domain.h"

#define LIFECYCLE_WHY 900 /* size of the sentences below */

/* A place for a domain of manager->config. */
struct domain *lifecycle_add(struct manager *manager, struct config_domain *config);
/* Null if there is no such domain. */
struct domain *lifecycle_find(struct manager *manager, const char *name);
/* "created", "running", ...: see above. */
const char *lifecycle_state(const struct domain *domain);
/* It runs, or is paused. */
bool lifecycle_alive(const struct domain *domain);

/* Each returns true, or false with a sentence in `why` if the domain's state does not allow it or something failed;
 * then the domain is as before. */
bool lifecycle_start(struct manager *manager, struct domain *domain, char *why);
bool lifecycle_pause(struct domain *domain, bool on, char *why);
/* Presses the power button; after `seconds` it is stopped by force (0: at once, ~0: never). With `again` it is then
 * started again. */
bool lifecycle_shutdown(struct manager *manager, struct domain *domain, uint64_t seconds, bool again, char *why);
/* Stopped by force and started again, whatever its state. */
bool lifecycle_reset(struct manager *manager, struct domain *domain, char *why);
/* Stopped by force if it runs, and forgotten, with its log. */
bool lifecycle_remove(struct manager *manager, struct domain *domain, char *why);
/* All domains shut down, and none starts again; the machine is switched off when no one runs. */
void lifecycle_power_off(struct manager *manager, unsigned how, uint64_t seconds);

/* Looks at every domain: ends, times that have passed. Returns how many are alive or will be started again; *wake is
 * lowered to the host TSC at which this is to be called again. */
unsigned lifecycle_look(struct manager *manager, uint64_t *wake);
/* The configuration has errors, a domain that it starts could not be built, or a command of the boot configuration
 * failed. */
bool lifecycle_config_error(const struct manager *manager);
/* Prints how each domain has ended, and the machine's result, which the launcher reads. */
void lifecycle_print_result(const struct manager *manager);

/* The earlier one of *wake and `time`, of which 0 is none. */
static inline void wake_sooner(uint64_t *wake, uint64_t time)
{
    if (time != 0 && (*wake == 0 || time < *wake)) {
        *wake = time;
    }
}
