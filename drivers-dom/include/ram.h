/* SPDX-License-Identifier: MIT
 * RAM disks: boot modules of drivers-dom as block devices "ram:MODULE". */
#pragma once

#include "abi/hypercall.h"

/* One device for each module, "ram:" and the module's name; a module's size is rounded down to whole sectors. */
void ram_init(const struct pv_start *start);
