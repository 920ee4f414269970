/* SPDX-License-Identifier: MIT
 * The control queues of a virtio-console device with one port (virtio 1.2, 5.3.6.2): the guest is told of the port, its name, and that
 * somebody listens; it says when a program has opened it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "channel.h"

#define PORT_CONTROL_RX 2u /* queues: messages to the guest, */
#define PORT_CONTROL_TX 3u /* from it */
#define PORT_QUEUES 4u

/* What of it must outlive a drivers-dom (channel_console_record.port). A message that is sent stays noted until the guest can see it, so
 * that it is possibly sent twice, which changes nothing. */
#define PORT_SEND_ADD 1u
#define PORT_SEND_NAME 2u
#define PORT_SEND_OPEN 4u
#define PORT_IS_OPEN 8u
#define PORT_END_LINE 16u /* a request that the last program had begun must be ended before the next one */

/* Takes the guest's messages and sends ours, as far as there are buffers. *opened: a program has opened the port. May fail the channel.
 * True: there is more to do at once. */
bool console_port_round(struct back *back, const char *name, uint32_t *state, bool *opened);
/* Before the loop sleeps: asks for doorbells of what is waited for. True: there is something already. */
bool console_port_idle(struct back *back, uint32_t state);
