/* SPDX-License-Identifier: MIT
 * The registers of a VGA adapter in text mode 3 (80x25, colour), for software that programs it blindly or polls for the
 * retrace (IBM VGA: "PS/2 Hardware Interface Technical Reference, Video Subsystem"). They store what is written; nothing
 * is displayed. Video memory, 0xa0000 to 0xbffff, is plain RAM and not this file's business. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"

struct machine;

#define VGA_CRTC 25
#define VGA_SEQUENCER 5
#define VGA_GRAPHICS 9
#define VGA_ATTRIBUTE 21
#define VGA_COLOURS 256

struct vga {
    struct machine *machine;
    uint8_t crtc_index, sequencer_index, graphics_index, attribute_index;
    uint8_t crtc[VGA_CRTC], sequencer[VGA_SEQUENCER], graphics[VGA_GRAPHICS], attribute[VGA_ATTRIBUTE];
    uint8_t misc, feature, pel_mask;
    uint8_t status1;             /* toggles at every read */
    bool attribute_data;         /* the next write to 0x3c0 is data */
    uint8_t dac[VGA_COLOURS][3];
    uint8_t dac_index, dac_part; /* colour and component that port 0x3c9 is at */
    uint8_t dac_state;           /* 3 after the read index was set, 0 after the write index */
};

must_use enum status vga_init(struct vga *vga, struct machine *machine);
void vga_reset(struct vga *vga);
