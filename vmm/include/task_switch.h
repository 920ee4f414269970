/* SPDX-License-Identifier: MIT
 * The hardware task switch, which VT-x leaves to software (SDM 3A 8.3, 3C 26.4.2): 16- and 32-bit TSS; CALL, JMP, IRET,
 * task gate. */
#pragma once

#include "fault.h"
#include "machine.h"

enum task_switch_result {
    TASK_SWITCHED, /* the guest goes on in the new task */
    TASK_FAULT,    /* *fault is to be delivered: in the old task if nothing was committed, else in the new one, as the
                      manual says */
    TASK_AGAIN,    /* page tables changed meanwhile: run the guest again */
};

/* Executes the task switch of state->exit.task. Needs GROUP_ALL. exit.length is the length of the instruction (0: it is
 * decoded). A pending error code is pushed on the new task's stack. */
enum task_switch_result task_switch(struct vcpu *vcpu, struct fault *fault);
