/* SPDX-License-Identifier: MIT
 * assert(): a condition of the program itself. Never of what a guest or a file contains. */
#pragma once

_Noreturn void assert_failed(const char *condition, const char *file, unsigned line, const char *function);

#define static_assert _Static_assert
#define assert(condition) ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))
