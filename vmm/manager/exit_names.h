/* SPDX-License-Identifier: MIT
 * Names of exit reasons (abi/state.h), as people read them. */
#pragma once

/* Null if the number is not one. */
const char *exit_name(unsigned reason);
