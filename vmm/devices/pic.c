/* SPDX-License-Identifier: MIT
 * The 8259A pair: priorities, initialisation and operation command words, acknowledge. */
#include <string.h>
#include "devices/pic.h"
#include "machine.h"

#define MASTER 0
#define SLAVE 1
#define TIMER 0
#define KEYBOARD 1
#define CASCADE 2
#define SPURIOUS 7

#define ICW1_INIT 0x10
#define ICW1_SINGLE 0x02
#define ICW1_ICW4 0x01
#define ICW4_SPECIAL_NESTED 0x10
#define ICW4_AUTO_EOI 0x02
#define OCW3_SELECT 0x08
#define OCW3_POLL 0x04

/* Inputs that can be level-triggered: not the timer, keyboard, cascade, RTC and coprocessor. */
static const uint8_t elcr_mask[2] = { 0xf8, 0xde };

/* How far an input is from the highest priority: 0 to 7. -1 stands for none and is behind all. */
static inline unsigned rank(const struct pic_chip *chip, int input)
{
    return input < 0 ? 8 : (unsigned)(input - chip->lowest - 1) & 7;
}

/* The input of highest priority among bits, -1 if there is none. */
static int highest(const struct pic_chip *chip, uint8_t bits)
{
    if (bits == 0)
        return -1;
    for (unsigned i = 1; i <= 8; i++) {
        int input = (chip->lowest + i) & 7;

        if ((bits >> input & 1) != 0)
            return input;
    }
    return -1;
}

/* The request that this chip makes now, -1 if there is none (8259A data sheet, "Fully nested mode" to "Special mask mode"). */
static int requested(const struct pic *pic, unsigned which)
{
    const struct pic_chip *chip = &pic->s.chip[which];
    uint8_t in_service = chip->special_mask ? chip->isr & ~chip->imr : chip->isr;
    int input = highest(chip, chip->irr & ~chip->imr);

    /* In special fully nested mode a slave in service does not hold back its own further requests. */
    if (which == MASTER && chip->special_nested && input == CASCADE)
        in_service &= (uint8_t)~(1u << CASCADE);
    return rank(chip, input) < rank(chip, highest(chip, in_service)) ? input : -1;
}

/* The cascade input follows the second chip's output; the first one's output goes to the local APICs. */
static void update(struct pic *pic)
{
    struct pic_chip *master = &pic->s.chip[MASTER];
    bool intr;

    if (!master->single && requested(pic, SLAVE) >= 0)
        master->irr |= 1u << CASCADE;
    else
        master->irr &= (uint8_t)~(1u << CASCADE);
    intr = requested(pic, MASTER) >= 0;
    if (intr != pic->s.intr) {
        pic->s.intr = intr;
        irq_intr(pic->machine, intr);
    }
}

/* An edge stays latched until it is acknowledged, a level lasts as long as the line. */
void pic_set(struct pic *pic, unsigned input, bool level)
{
    struct pic_chip *chip = &pic->s.chip[input >> 3 & 1];
    uint8_t bit = (uint8_t)(1u << (input & 7));

    if (level && ((chip->elcr & bit) != 0 || (chip->lines & bit) == 0))
        chip->irr |= bit;
    else if (!level && (chip->elcr & bit) != 0)
        chip->irr &= (uint8_t)~bit;
    chip->lines = level ? chip->lines | bit : chip->lines & (uint8_t)~bit;
    update(pic);
}

static void acknowledge(struct pic *pic, unsigned which, int input, struct pic_taken *taken)
{
    struct pic_chip *chip = &pic->s.chip[which];
    uint8_t bit = (uint8_t)(1u << input);

    taken->input[which] = (int8_t)input;
    taken->lowest[which] = chip->lowest;
    if ((chip->elcr & bit) == 0)
        chip->irr &= (uint8_t)~bit;
    if (!chip->auto_eoi)
        chip->isr |= bit;
    else if (chip->rotate_auto)
        chip->lowest = (uint8_t)input;
}

uint8_t pic_acknowledge(struct pic *pic, struct pic_taken *taken)
{
    struct pic_chip *master = &pic->s.chip[MASTER], *slave = &pic->s.chip[SLAVE];
    int input = requested(pic, MASTER);
    uint8_t vector;

    *taken = (struct pic_taken){ .input = { -1, -1 } };
    if (input < 0)
        return master->vector + SPURIOUS;
    acknowledge(pic, MASTER, input, taken);
    vector = (uint8_t)(master->vector + input);
    if (input == CASCADE && !master->single) {
        int second = requested(pic, SLAVE);

        if (second >= 0)
            acknowledge(pic, SLAVE, second, taken);
        vector = (uint8_t)(slave->vector + (second < 0 ? SPURIOUS : second));
    }
    /* INTR falls with the acknowledge even if another request raises it again. */
    if (pic->s.intr) {
        pic->s.intr = false;
        irq_intr(pic->machine, false);
    }
    update(pic);
    return vector;
}

/* A level asks again by itself. What other processors wrote in the meantime stays. */
void pic_withdraw(struct pic *pic, const struct pic_taken *taken)
{
    for (unsigned which = MASTER; which <= SLAVE; which++) {
        struct pic_chip *chip = &pic->s.chip[which];
        uint8_t bit = (uint8_t)(1u << (taken->input[which] & 7));

        if (taken->input[which] < 0)
            continue;
        if ((chip->elcr & bit) == 0)
            chip->irr |= bit;
        if (!chip->auto_eoi)
            chip->isr &= (uint8_t)~bit;
        else if (chip->rotate_auto)
            chip->lowest = taken->lowest[which];
    }
    update(pic);
}

/* ICW1: everything but the vector, the level control and the levels of the lines starts anew; a line that is high must fall first. */
static void write_icw1(struct pic_chip *chip, uint8_t value)
{
    struct pic_chip fresh = { .lines = chip->lines, .elcr = chip->elcr, .vector = chip->vector, .lowest = 7, .init_step = 2 };

    fresh.irr = chip->lines & chip->elcr;
    fresh.icw4_needed = (value & ICW1_ICW4) != 0;
    fresh.single = (value & ICW1_SINGLE) != 0;
    *chip = fresh;
}

static void write_icw(struct pic_chip *chip, uint8_t value)
{
    switch (chip->init_step) {
    case 2:
        chip->vector = value & 0xf8;
        chip->init_step = !chip->single ? 3 : chip->icw4_needed ? 4 : 0;
        break;
    case 3: /* the cascade is wired: nothing to learn */
        chip->init_step = chip->icw4_needed ? 4 : 0;
        break;
    default:
        chip->auto_eoi = (value & ICW4_AUTO_EOI) != 0;
        chip->special_nested = (value & ICW4_SPECIAL_NESTED) != 0;
        chip->init_step = 0;
    }
}

/* OCW2: bits 7 to 5 are rotate, specific, end of interrupt. */
static void write_ocw2(struct pic_chip *chip, uint8_t value)
{
    bool rotate = (value & 0x80) != 0, specific = (value & 0x40) != 0, eoi = (value & 0x20) != 0;
    int input = value & 7;

    if (!eoi) {
        if (rotate && specific)
            chip->lowest = (uint8_t)input; /* set priority */
        else if (!specific)
            chip->rotate_auto = rotate; /* rotate in automatic EOI mode: set, clear */
        return;
    }
    if (!specific)
        input = highest(chip, chip->special_mask ? chip->isr & ~chip->imr : chip->isr);
    if (input < 0)
        return;
    chip->isr &= (uint8_t)~(1u << input);
    if (rotate)
        chip->lowest = (uint8_t)input;
}

static void write_ocw3(struct pic_chip *chip, uint8_t value)
{
    if ((value & 0x40) != 0)
        chip->special_mask = (value & 0x20) != 0;
    chip->poll = (value & OCW3_POLL) != 0;
    if ((value & 0x02) != 0)
        chip->read_isr = (value & 0x01) != 0;
}

static void write_byte(struct pic *pic, unsigned which, unsigned offset, uint8_t value)
{
    struct pic_chip *chip = &pic->s.chip[which];

    if (offset != 0 && chip->init_step != 0)
        write_icw(chip, value);
    else if (offset != 0)
        chip->imr = value;
    else if ((value & ICW1_INIT) != 0)
        write_icw1(chip, value);
    else if ((value & OCW3_SELECT) != 0)
        write_ocw3(chip, value);
    else
        write_ocw2(chip, value);
    update(pic);
}

/* The read after a poll command acknowledges the request and tells its number. */
static uint8_t read_poll(struct pic *pic, unsigned which)
{
    int input = requested(pic, which);
    struct pic_taken taken;

    pic->s.chip[which].poll = false;
    if (input < 0)
        return 0;
    acknowledge(pic, which, input, &taken);
    update(pic);
    return (uint8_t)(0x80 | input);
}

static uint8_t read_byte(struct pic *pic, unsigned which, unsigned offset)
{
    const struct pic_chip *chip = &pic->s.chip[which];

    if (chip->poll)
        return read_poll(pic, which);
    if (offset != 0)
        return chip->imr;
    return chip->read_isr ? chip->isr : chip->irr;
}

static uint32_t read_chip(struct pic *pic, unsigned which, uint16_t offset, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)(offset + i < 2 ? read_byte(pic, which, offset + i) : 0xff) << i * 8;
    return value;
}

static void write_chip(struct pic *pic, unsigned which, uint16_t offset, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size && offset + i < 2; i++)
        write_byte(pic, which, offset + i, (uint8_t)(value >> i * 8));
}

static uint32_t master_read(void *device, uint16_t offset, unsigned size) { return read_chip(device, MASTER, offset, size); }
static uint32_t slave_read(void *device, uint16_t offset, unsigned size) { return read_chip(device, SLAVE, offset, size); }
static void master_write(void *device, uint16_t offset, unsigned size, uint32_t value) { write_chip(device, MASTER, offset, size, value); }
static void slave_write(void *device, uint16_t offset, unsigned size, uint32_t value) { write_chip(device, SLAVE, offset, size, value); }

static uint32_t elcr_read(void *device, uint16_t offset, unsigned size)
{
    const struct pic *pic = device;
    uint32_t value = pic->s.chip[MASTER].elcr | (uint32_t)pic->s.chip[SLAVE].elcr << 8;

    (void)size;
    return value >> offset * 8;
}

static void elcr_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct pic *pic = device;

    for (unsigned i = 0; i < size && offset + i < 2; i++) {
        struct pic_chip *chip = &pic->s.chip[offset + i];

        chip->elcr = (uint8_t)(value >> i * 8) & elcr_mask[offset + i];
        chip->irr = (chip->irr & (uint8_t)~chip->elcr) | (chip->lines & chip->elcr);
    }
    update(pic);
}

void pic_reset(struct pic *pic)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t lines = pic->s.chip[i].lines;

        pic->s.chip[i] = (struct pic_chip){ .lines = lines, .lowest = 7, .imr = 0xff };
    }
    update(pic);
}

void pic_firmware_setup(struct pic *pic)
{
    static const uint8_t words[2][4] = { { 0x11, 0x08, 0x04, 0x01 }, { 0x11, 0x70, 0x02, 0x01 } };

    for (unsigned which = 0; which < 2; which++) {
        for (unsigned i = 0; i < 4; i++)
            write_byte(pic, which, i != 0, words[which][i]);
        write_byte(pic, which, 1, which == MASTER ? (uint8_t)~(1u << TIMER | 1u << KEYBOARD | 1u << CASCADE) : 0xff);
    }
}

enum status pic_init(struct pic *pic, struct machine *machine)
{
    const struct port_range ranges[] = {
        { .base = 0x20, .count = 2, .read = master_read, .write = master_write, .device = pic, .name = "8259 (first)" },
        { .base = 0xa0, .count = 2, .read = slave_read, .write = slave_write, .device = pic, .name = "8259 (second)" },
        { .base = 0x4d0, .count = 2, .read = elcr_read, .write = elcr_write, .device = pic, .name = "8259 edge/level" },
    };
    enum status status = OK;

    memset(pic, 0, sizeof *pic);
    pic->machine = machine;
    for (unsigned i = 0; i < sizeof ranges / sizeof ranges[0] && status == OK; i++)
        status = bus_add_port(&machine->bus, &ranges[i]);
    pic_reset(pic);
    return status;
}
