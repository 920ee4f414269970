/* SPDX-License-Identifier: MIT
 * The serial port COM1: a 16550 or an older one, 115200 baud, 8 data bits, no parity, 1 stop bit. */
#pragma once

#include <stdint.h>
#include "abi/status.h"
#include "ports.h"

#define UART_BUFFER 512u /* bytes that wait for the hardware: what is lost if drivers-dom dies now */

struct uart_user {
    /* Received bytes, from the loop. */
    void (*input)(void *context, const char *text, uint32_t size);
    /* All that was written is with the hardware, after some of it had to wait; from the loop. */
    void (*room)(void *context);
};

/* Sets the port up and takes its interrupt; without one it is looked at every few milliseconds. What was received before stays. ERR_NONE:
 * there is no such device. */
must_use enum status uart_init(const struct port_ops *ports, const struct uart_user *user, void *context);
/* Bytes that uart_write takes now. */
uint32_t uart_room(void);
/* Bytes that have been taken and are not in the hardware yet. */
uint32_t uart_pending(void);
/* At most uart_room() bytes. Never waits. */
void uart_write(const char *text, uint32_t size);
