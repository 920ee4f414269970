/* SPDX-License-Identifier: MIT
 * Commands that are carried out at boot: a file of them, one a line, named by the key `commands` of [host]. Their
 * answers go to the manager's log. A comment begins with # at the start of a line; a line that begins with - may fail.
 */
#pragma once

#include "command.h"
#include "domain.h"

/* Reads the file if the configuration names one. On an error it prints a sentence and counts it. */
void script_open(struct manager *manager);
/* Carries out what can be now, at most `budget` lines; false if nothing more can be done before the host TSC *wake
 * (which is lowered; not changed if the script has ended). `answer`: scratch. */
bool script_run(struct manager *manager, unsigned budget, uint64_t *wake, struct command_answer *answer);
/* There are lines left. */
bool script_running(const struct manager *manager);
/* Commands that failed and were not allowed to. */
unsigned script_errors(const struct manager *manager);
