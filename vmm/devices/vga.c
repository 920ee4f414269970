/* SPDX-License-Identifier: MIT
 * VGA registers that remember what is written. */
#include <string.h>
#include "devices/split.h"
#include "devices/vga.h"
#include "machine.h"

#define MONO_BASE 0x3b4
#define MONO_PORTS 8
#define COMMON_BASE 0x3c0
#define COMMON_PORTS 16
#define COLOUR_BASE 0x3d0
#define COLOUR_PORTS 16

/* Offsets from 0x3c0. 0x3b4 and the like are mapped to their colour twins at 0x3d4. */
enum vga_port {
    PORT_ATTRIBUTE = 0x00, PORT_ATTRIBUTE_READ = 0x01, PORT_MISC_STATUS0 = 0x02, PORT_SEQ_INDEX = 0x04,
    PORT_SEQ_DATA = 0x05,
    PORT_PEL_MASK = 0x06, PORT_DAC_READ = 0x07, PORT_DAC_WRITE = 0x08, PORT_DAC_DATA = 0x09, PORT_FEATURE_READ = 0x0a,
    PORT_MISC_READ = 0x0c, PORT_GFX_INDEX = 0x0e, PORT_GFX_DATA = 0x0f, PORT_CRTC_INDEX = 0x14, PORT_CRTC_DATA = 0x15,
    PORT_STATUS1 = 0x1a,
};

#define MISC_COLOUR 0x01u
#define STATUS0_SENSE 0x10u
#define STATUS1_BLANK 0x01u
#define STATUS1_RETRACE 0x08u
#define ATTRIBUTE_INDEX 0x1fu
#define CRTC_OVERFLOW 7
#define CRTC_PROTECT 0x11
#define CRTC_PROTECTED 0x80u
#define OVERFLOW_UNPROTECTED 0x10u
#define DAC_READING 3

static const uint8_t mode3_crtc[VGA_CRTC] = {
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00,
    0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
};
static const uint8_t mode3_sequencer[VGA_SEQUENCER] = { 0x03, 0x00, 0x03, 0x00, 0x02 };
static const uint8_t mode3_graphics[VGA_GRAPHICS] = { 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff };
static const uint8_t mode3_attribute[VGA_ATTRIBUTE] = {
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
    0x0c, 0x00, 0x0f, 0x08, 0x00,
};
#define MODE3_MISC 0x67

/* A bank of indexed registers. Indices beyond it read as 0. */
static uint8_t bank_read(const uint8_t *bank, unsigned count, unsigned index)
{
    return index < count ? bank[index] : 0;
}

static void bank_write(uint8_t *bank, unsigned count, unsigned index, uint8_t value)
{
    if (index < count)
        bank[index] = value;
}

static void write_crtc(struct vga *vga, uint8_t value)
{
    unsigned index = vga->crtc_index;
    if (index <= CRTC_OVERFLOW && vga->crtc[CRTC_PROTECT] & CRTC_PROTECTED) {
        if (index == CRTC_OVERFLOW) /* line compare bit 8 stays writable */
            vga->crtc[index] = (uint8_t)((vga->crtc[index] & ~OVERFLOW_UNPROTECTED) | (value & OVERFLOW_UNPROTECTED));
        return;
    }
    bank_write(vga->crtc, VGA_CRTC, index, value);
}

static void write_attribute(struct vga *vga, uint8_t value)
{
    if (vga->attribute_data)
        bank_write(vga->attribute, VGA_ATTRIBUTE, vga->attribute_index & ATTRIBUTE_INDEX, value);
    else
        vga->attribute_index = value & 0x3f;
    vga->attribute_data = !vga->attribute_data;
}

/* Every colour is three accesses, red first; then the next colour. */
static uint8_t *next_component(struct vga *vga)
{
    uint8_t *component = &vga->dac[vga->dac_index][vga->dac_part];
    if (++vga->dac_part == 3) {
        vga->dac_part = 0;
        vga->dac_index++;
    }
    return component;
}

static void set_dac_index(struct vga *vga, uint8_t index, uint8_t state)
{
    vga->dac_index = index;
    vga->dac_part = 0;
    vga->dac_state = state;
}

/* Whoever polls for the beginning or the end of a retrace sees it at the second read at the latest. */
static uint8_t read_status1(struct vga *vga)
{
    vga->attribute_data = false;
    vga->status1 ^= STATUS1_RETRACE | STATUS1_BLANK;
    return vga->status1;
}

static uint8_t vga_read_byte(void *device, uint16_t offset)
{
    struct vga *vga = device;
    switch (offset) {
    case PORT_ATTRIBUTE: return vga->attribute_index;
    case PORT_ATTRIBUTE_READ: return bank_read(vga->attribute, VGA_ATTRIBUTE, vga->attribute_index & ATTRIBUTE_INDEX);
    case PORT_MISC_STATUS0: return STATUS0_SENSE;
    case PORT_SEQ_INDEX: return vga->sequencer_index;
    case PORT_SEQ_DATA: return bank_read(vga->sequencer, VGA_SEQUENCER, vga->sequencer_index);
    case PORT_PEL_MASK: return vga->pel_mask;
    case PORT_DAC_READ: return vga->dac_state;
    case PORT_DAC_WRITE: return vga->dac_index;
    case PORT_DAC_DATA: return *next_component(vga);
    case PORT_FEATURE_READ: return vga->feature;
    case PORT_MISC_READ: return vga->misc;
    case PORT_GFX_INDEX: return vga->graphics_index;
    case PORT_GFX_DATA: return bank_read(vga->graphics, VGA_GRAPHICS, vga->graphics_index);
    case PORT_CRTC_INDEX: return vga->crtc_index;
    case PORT_CRTC_DATA: return bank_read(vga->crtc, VGA_CRTC, vga->crtc_index);
    case PORT_STATUS1: return read_status1(vga);
    default: return 0xff;
    }
}

static void vga_write_byte(void *device, uint16_t offset, uint8_t value)
{
    struct vga *vga = device;
    switch (offset) {
    case PORT_ATTRIBUTE: write_attribute(vga, value); break;
    case PORT_MISC_STATUS0: vga->misc = value; break;
    case PORT_SEQ_INDEX: vga->sequencer_index = value & 7; break;
    case PORT_SEQ_DATA: bank_write(vga->sequencer, VGA_SEQUENCER, vga->sequencer_index, value); break;
    case PORT_PEL_MASK: vga->pel_mask = value; break;
    case PORT_DAC_READ: set_dac_index(vga, value, DAC_READING); break;
    case PORT_DAC_WRITE: set_dac_index(vga, value, 0); break;
    case PORT_DAC_DATA: *next_component(vga) = value & 0x3f; break;
    case PORT_GFX_INDEX: vga->graphics_index = value & 15; break;
    case PORT_GFX_DATA: bank_write(vga->graphics, VGA_GRAPHICS, vga->graphics_index, value); break;
    case PORT_CRTC_INDEX: vga->crtc_index = value; break;
    case PORT_CRTC_DATA: write_crtc(vga, value); break;
    case PORT_STATUS1: vga->feature = value; break;
    default: break;
    }
}

static uint32_t common_read(void *device, uint16_t offset, unsigned size)
{
    return split_read(vga_read_byte, device, offset, size, COMMON_PORTS);
}

static void common_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    split_write(vga_write_byte, device, offset, size, value, COMMON_PORTS);
}

/* The CRTC and the second status register answer at 0x3dX or at 0x3bX, as the miscellaneous output register says. */
static bool selected(const struct vga *vga, bool colour)
{
    return (vga->misc & MISC_COLOUR) == (colour ? MISC_COLOUR : 0);
}

static uint32_t colour_read(void *device, uint16_t offset, unsigned size)
{
    return selected(device, true) ? split_read(vga_read_byte, device, offset + COLOUR_BASE - COMMON_BASE, size,
                                               COLOUR_BASE - COMMON_BASE + COLOUR_PORTS) : 0xffffffffu;
}

static void colour_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    if (selected(device, true))
        split_write(vga_write_byte, device, offset + COLOUR_BASE - COMMON_BASE, size, value,
                    COLOUR_BASE - COMMON_BASE + COLOUR_PORTS);
}

static uint32_t mono_read(void *device, uint16_t offset, unsigned size)
{
    return selected(device, false) ? split_read(vga_read_byte, device, offset + PORT_CRTC_INDEX, size,
                                                PORT_CRTC_INDEX + MONO_PORTS) : 0xffffffffu;
}

static void mono_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    if (selected(device, false))
        split_write(vga_write_byte, device, offset + PORT_CRTC_INDEX, size, value, PORT_CRTC_INDEX + MONO_PORTS);
}

/* The 64 colours of the EGA: a bit for a third and one for two thirds of each component. */
static void set_default_colours(struct vga *vga)
{
    for (unsigned i = 0; i < VGA_COLOURS; i++) {
        for (unsigned part = 0; part < 3; part++) {
            unsigned bit = 2 - part;
            vga->dac[i][part] = i < 64 ? (uint8_t)((i >> bit & 1) * 42 + (i >> (bit + 3) & 1) * 21) : 0;
        }
    }
}

void vga_reset(struct vga *vga)
{
    struct machine *machine = vga->machine;
    memset(vga, 0, sizeof(*vga));
    vga->machine = machine;
    memcpy(vga->crtc, mode3_crtc, sizeof(vga->crtc));
    memcpy(vga->sequencer, mode3_sequencer, sizeof(vga->sequencer));
    memcpy(vga->graphics, mode3_graphics, sizeof(vga->graphics));
    memcpy(vga->attribute, mode3_attribute, sizeof(vga->attribute));
    vga->misc = MODE3_MISC;
    vga->pel_mask = 0xff;
    vga->attribute_index = 0x20; /* the display is on */
    set_default_colours(vga);
}

enum status vga_init(struct vga *vga, struct machine *machine)
{
    const struct port_range ranges[] = {
        { MONO_BASE, MONO_PORTS, mono_read, mono_write, vga, "VGA (monochrome)" },
        { COMMON_BASE, COMMON_PORTS, common_read, common_write, vga, "VGA" },
        { COLOUR_BASE, COLOUR_PORTS, colour_read, colour_write, vga, "VGA (colour)" },
    };
    vga->machine = machine;
    vga_reset(vga);
    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        enum status status = bus_add_port(&machine->bus, &ranges[i]);
        if (status)
            return status;
    }
    return OK;
}
