/* SPDX-License-Identifier: MIT
 * drivers-dom's end of the control area (abi/control.h): channels are handed to the back ends as they come and go. */
#pragma once

#include "abi/control.h"

/* Looks at the area for the first time, and whenever CONTROL_EVENT is signalled. */
void control_init(struct control *control);
/* Devices are found: says so in the area, and attaches the channels. */
void control_ready(void);
/* The control area; null if the manager gave none (a drivers-dom without anybody to serve). */
struct control *control_area(void);
