/* SPDX-License-Identifier: MIT
 * Ports behind a table, for drivers of devices that every PC has at fixed ports: tests put a model there. */
#pragma once

#include <stdint.h>

struct port_ops {
    uint8_t (*in8)(uint16_t port);
    void (*out8)(uint16_t port, uint8_t value);
};

/* The machine's own (ports.c). */
extern const struct port_ops machine_ports;
