/* SPDX-License-Identifier: MIT
 * Preparation for machine_off (api.h). */
#pragma once

/* Boot CPU: maps the reset register if it is in memory. */
void poweroff_init(void);
