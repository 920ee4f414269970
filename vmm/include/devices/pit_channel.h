/* SPDX-License-Identifier: MIT
 * One channel of the 8254 as a function of time. Only pit.c includes this. All times are machine time in ns. */
#pragma once

#include "devices/pit.h"

void pit_channel_control(struct pit_channel *channel, uint8_t word);
void pit_channel_write(struct pit_channel *channel, uint64_t now, uint8_t value);
uint8_t pit_channel_read(struct pit_channel *channel, uint64_t now);
/* Latches the count, the status or both; what is latched already stays. */
void pit_channel_read_back(struct pit_channel *channel, uint64_t now, bool count, bool status);
void pit_channel_gate(struct pit_channel *channel, uint64_t now, bool level);
bool pit_channel_output(struct pit_channel *channel, uint64_t now);
/* When the output rises next, after now; periodic modes: and not before `earliest`. 0: never. */
uint64_t pit_channel_rise(struct pit_channel *channel, uint64_t now, uint64_t earliest);
