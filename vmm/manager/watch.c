/* SPDX-License-Identifier: MIT
 * The manager's event loop. */
#include "watch.h"

#include <stdio.h>
#include "bulkhead/syscall.h"
#include "control_link.h"
#include "lifecycle.h"
#include "script.h"
#include "service.h"
#include "terminal.h"

#define SCRIPT_BUDGET 8 /* lines between two looks at the domains */

/* Carries out commands; false if nothing more can be done for now. */
static bool serve(struct manager *manager, uint64_t *wake)
{
    bool more = control_link_serve(manager, wake), script = script_running(manager);
    more |= script_run(manager, SCRIPT_BUDGET, wake, control_link_answer());
    return more || script != script_running(manager); /* its end may be that of the machine */
}

/* Nothing runs, and somebody should read why before the screen goes dark: the shell stays, as with keep-running. */
static bool stays_on(struct manager *manager)
{
    if (manager->config.off_after_errors || !lifecycle_config_error(manager)) {
        return false;
    }
    lifecycle_print_result(manager);
    printf("bulkhead: the machine stays on so that this can be read; %s\n",
           service_handle(manager) != HANDLE_NONE ? "in the shell \"dmesg\" shows all, \"poweroff\" switches it off"
                                                  : "switch it off by its button");
    manager->config.keep_running = true;
    return true;
}

/* All there is to do. Returns false when the machine is to be switched off. */
static bool work(struct manager *manager, uint64_t *wake)
{
    for (bool more = true; more;) {
        *wake = 0;
        service_look(manager);
        unsigned alive = lifecycle_look(manager, wake);
        bool done = !script_running(manager) && !manager->config.keep_running;
        if (alive == 0 && (manager->off || (done && !stays_on(manager)))) {
            return false;
        }
        more = serve(manager, wake);
    }
    return true;
}

_Noreturn void watch_nothing(void)
{
    for (;;) {
        thread_state()->events = 0;
        (void)sys_event_wait();
    }
}

_Noreturn void watch(struct manager *manager)
{
    struct vcpu_state *state = thread_state();
    uint64_t wake;
    script_open(manager);
    for (;;) {
        /* Cleared before looking: what happens after that sets the bit again. */
        __atomic_store_n(&state->events, 0, __ATOMIC_SEQ_CST);
        if (!work(manager, &wake)) {
            break;
        }
        terminal_poll(manager);
        wake_sooner(&wake, service_deadline(manager));
        wake_sooner(&wake, terminal_deadline(manager));
        state->deadline = wake;
        (void)sys_event_wait();
        state->deadline = 0;
    }
    service_report(manager);
    lifecycle_print_result(manager);
    terminal_finish(manager);
    (void)sys_machine_off(manager->off_how);
    printf("bulkhead: this machine cannot be powered off by software; switch it off\n");
    watch_nothing();
}
