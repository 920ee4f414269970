/* SPDX-License-Identifier: MIT
 * The pair of 8259A interrupt controllers of a PC, the second cascaded into input 2 of the first (Intel 8259A data sheet;
 * edge/level control registers as in PIIX and ICH). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"

struct machine;

struct pic_chip {
    uint8_t irr, isr, imr;
    uint8_t lines;       /* levels of the inputs */
    uint8_t elcr;        /* inputs that are level-triggered */
    uint8_t vector;      /* ICW2: vector of input 0 */
    uint8_t lowest;      /* input of lowest priority; the next one has the highest */
    uint8_t init_step;   /* ICW expected next: 2, 3, 4; 0 = none */
    bool icw4_needed, single;
    bool auto_eoi, rotate_auto, special_mask, special_nested;
    bool read_isr, poll;
};

struct pic_state {
    struct pic_chip chip[2];
    bool intr;           /* output of the first */
};

/* What an acknowledge cycle took from both chips: the input, -1 if none; and what it changed if the end of interrupt is automatic. */
struct pic_taken {
    int8_t input[2];
    uint8_t lowest[2];
};

struct pic {
    struct pic_state s;
    struct machine *machine;
};

/* Ports 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1. */
must_use enum status pic_init(struct pic *pic, struct machine *machine);
void pic_reset(struct pic *pic);
/* As firmware hands it over: vectors 0x08 and 0x70, cascade, all inputs masked but the cascade. */
void pic_firmware_setup(struct pic *pic);

/* Device lock held. input 0 to 15. */
void pic_set(struct pic *pic, unsigned input, bool level);
static inline bool pic_pending(const struct pic *pic) { return pic->s.intr; }
/* The interrupt-acknowledge cycle: the vector to deliver. Without a request: input 7's (spurious). */
uint8_t pic_acknowledge(struct pic *pic, struct pic_taken *taken);
/* The processor did not take that interrupt after all: the requests are there again. */
void pic_withdraw(struct pic *pic, const struct pic_taken *taken);
