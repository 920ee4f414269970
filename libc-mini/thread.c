/* SPDX-License-Identifier: MIT
 * What is common to all threads of a ring-3 process: state text, console output, and the ways in which a process ends
 * because of a fault of its own. Target only. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bulkhead/libc.h"
#include "bulkhead/syscall.h"
#include "syscall_numbers.h"

_Static_assert(SYS_VCPU_RUN_NUMBER == SYS_VCPU_RUN, "number");
_Static_assert(SYS_EVENT_WAIT_NUMBER == SYS_EVENT_WAIT, "number");
_Static_assert(SYS_YIELD_NUMBER == SYS_YIELD, "number");
_Static_assert(STATE_FEATURES_ADDRESS == LAYOUT_STATE + offsetof(struct vcpu_state, features), "address");
_Static_assert(STATE_FEATURE_SYSENTER_BIT == STATE_FEATURE_SYSENTER, "bit");

_Noreturn void thread_returned(void);
_Noreturn void __stack_chk_fail(void);

void thread_text(const char *text)
{
    char *out = thread_state()->text;
    size_t length = strnlen(text, STATE_TEXT_SIZE - 1);
    memmove(out, text, length);
    out[length] = 0;
}

__attribute__((weak)) void libc_write(const char *text, size_t length)
{
    struct vcpu_state *state = thread_state();
    while (length > 0) {
        uint32_t part = length < STATE_TEXT_SIZE ? (uint32_t)length : STATE_TEXT_SIZE;
        memcpy(state->text, text, part);
        (void)sys_console_write(part);
        text += part;
        length -= part;
    }
}

void libc_relax(void) { (void)sys_yield(); }

_Noreturn void sys_domain_exit(enum domain_end code, const char *reason)
{
    thread_text(reason);
    for (;;) {
        (void)syscall_raw(code, 0, 0, 0, 0, SYS_DOMAIN_EXIT, NULL);
    }
}

_Noreturn void abort(void) { sys_domain_exit(END_MONITOR, "abort() was called"); }

_Noreturn void thread_returned(void) { sys_domain_exit(END_MONITOR, "thread_main() returned"); }

_Noreturn void __stack_chk_fail(void) { sys_domain_exit(END_MONITOR, "a stack buffer overflowed in ring 3"); }

_Noreturn void assert_failed(const char *condition, const char *file, unsigned line, const char *function)
{
    char text[256];
    snprintf(text, sizeof(text), "%s:%u: %s: assertion failed: %s", file, line, function, condition);
    sys_domain_exit(END_MONITOR, text);
}
