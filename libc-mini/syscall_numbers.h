/* SPDX-License-Identifier: MIT
 * What the assembly files need of the ABI's enums, structs and addresses; checked against them in thread.c. */
#pragma once

#define SYS_VCPU_RUN_NUMBER 0
#define SYS_EVENT_WAIT_NUMBER 1
#define SYS_YIELD_NUMBER 2
#define STATE_FEATURES_ADDRESS 0x00007e000000037c /* vcpu_state.features of vcpu 0 */
#define STATE_FEATURE_SYSENTER_BIT 1
