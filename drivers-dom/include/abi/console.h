/* SPDX-License-Identifier: MIT
 * A console: a domain's serial line as shared memory, and its log. Memory of the manager, so that it outlives domain and drivers-dom. The
 * near end (the domain's monitor; for its own messages the manager) writes output and reads input. The far end has the terminal:
 * drivers-dom, or the manager while there is no drivers-dom. A control channel is such an object too: its near end is the manager, which
 * reads commands as input and writes answers as output; its far end is the shell, or a guest's virtio-console port.
 *
 * Counts of bytes run free; byte n lies at n modulo the size. Nobody waits for the other: output that is not printed before the ring has gone
 * round is lost on the terminal, and the far end says how much; input that does not fit is dropped by the far end. Each side copies the
 * other's counts once, with acquire, and takes any value for possible: a count that is out of range means the other side is broken; then it
 * is taken as if everything had been read. */
#pragma once

#include <stdint.h>
#include "abi/layout.h"

#define CONSOLE_MAGIC 0x6e6f6343u
#define CONSOLE_OUTPUT 0x10000u /* bytes, power of two: what `log` can show */
#define CONSOLE_INPUT 0x1000u
#define CONSOLE_PAGES 18

struct console {
    uint32_t magic;
    uint32_t reserved;
    /* Written by the near end. */
    struct {
        uint64_t produced; /* of output: bytes written so far */
        uint64_t consumed; /* of input: bytes read so far */
    } near __attribute__((aligned(64)));
    /* Written by the far end. */
    struct {
        uint64_t printed;  /* of output: bytes taken, so that a new far end goes on where the old one stopped */
        uint64_t typed;    /* of input: bytes written so far */
        uint32_t sleeping; /* signal me when there is output: set before the last look at `produced`, cleared when awake */
    } far __attribute__((aligned(64)));
    char input[CONSOLE_INPUT] __attribute__((aligned(4096)));
    char output[CONSOLE_OUTPUT];
};
_Static_assert(sizeof(struct console) == CONSOLE_PAGES * PAGE_SIZE, "struct console");

/* What a monitor counts for the manager: behind its console, for as many vcpus as the domain may get. Written by the monitor only. */
struct account {
    uint64_t exits[MAX_VCPUS][64]; /* handed to the monitor, by vcpu and enum exit_reason */
};
_Static_assert(sizeof(struct account) % PAGE_SIZE == 0, "struct account");
