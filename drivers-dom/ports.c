/* SPDX-License-Identifier: MIT
 * The machine's own ports. */
#include "ports.h"
#include "cpu.h"

static uint8_t read_port(uint16_t port) { return in8(port); }
static void write_port(uint16_t port, uint8_t value) { out8(port, value); }

const struct port_ops machine_ports = {.in8 = read_port, .out8 = write_port};
