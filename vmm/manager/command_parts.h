/* SPDX-License-Identifier: MIT
 * The commands, by file, and what they share. */
#pragma once

#include "command.h"
#include "domain.h"

/* command_life.c */
enum command_result command_create(struct command_call *call);
enum command_result command_start(struct command_call *call);
enum command_result command_pause(struct command_call *call);
enum command_result command_resume(struct command_call *call);
enum command_result command_shutdown(struct command_call *call);
enum command_result command_reboot(struct command_call *call);
enum command_result command_reset(struct command_call *call);
enum command_result command_destroy(struct command_call *call);
/* command_show.c */
enum command_result command_list(struct command_call *call);
enum command_result command_info(struct command_call *call);
enum command_result command_devices(struct command_call *call);
/* command_top.c */
enum command_result command_top(struct command_call *call);
enum command_result command_exits(struct command_call *call);
/* command_log.c */
enum command_result command_log(struct command_call *call);
enum command_result command_dmesg(struct command_call *call);
/* command_assign.c */
enum command_result command_memory(struct command_call *call);
enum command_result command_vcpus(struct command_call *call);
enum command_result command_pin(struct command_call *call);
enum command_result command_sched(struct command_call *call);
/* command_host.c */
enum command_result command_wait(struct command_call *call);
enum command_result command_sleep(struct command_call *call);
enum command_result command_poweroff(struct command_call *call);

/* The domain that argument `index` names; null: call->error says that there is none, and which was meant. */
struct domain *command_domain(struct command_call *call, unsigned index);
/* The same for commands that only look: drivers-dom is one, too. */
const struct domain *command_shown(struct command_call *call, unsigned index);
/* COMMAND_DONE, or COMMAND_FAILED with `why`. */
enum command_result command_done(struct command_call *call, bool done, const char *why);
/* Seconds in argument `index`; `otherwise` if it is not given. False: call->error is set. */
bool command_seconds(struct command_call *call, unsigned index, uint64_t otherwise, uint64_t *seconds);
