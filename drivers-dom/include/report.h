/* SPDX-License-Identifier: MIT
 * What drivers-dom tells people about the machine's devices. */
#pragma once

#include "abi/control.h"

/* Brings control->devices[] up to date: disks and partitions, network cards. */
void report_devices(struct control *control);
