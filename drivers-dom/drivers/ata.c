/* SPDX-License-Identifier: MIT
 * IDE controllers with the bus-master interface (PIIX and its like; ATA host adapters standard T13/1510D): two
 * channels, two drives each, one command at a time on a channel. This file finds them; ata_channel.c drives them. */
#include <stdlib.h>
#include <string.h>
#include "ata_channel.h"
#include "cpu.h"

#define CLASS_IDE 0x0101          /* and the programming interface, whose bits are: */
#define NATIVE(channel) (1u << (2 * (channel)))
#define BUS_MASTER 0x80u
#define BAR_BUS_MASTER 4
#define MS 1000000ull
#define RESET_NS (6000 * MS)      /* drives that are awake need much less; ATA allows 31 s for a spin-up */
#define IDENTIFY_NS (5000 * MS)
#define PRDT_SIZE (ATA_MAX_PIECES * 8)

static const struct {
    uint16_t command, control;
    uint32_t line;
} legacy[2] = {{0x1f0, 0x3f6, 14}, {0x170, 0x376, 15}};

/* --- ports and interrupts --- */

static enum status find_ports(struct ata_channel *channel, unsigned number)
{
    struct pci_device *pci = channel->pci;
    if ((pci->class_code & NATIVE(number)) == 0) {
        channel->command = legacy[number].command;
        channel->control = legacy[number].control;
    } else {
        channel->command = pci_port_bar(pci, number * 2, 8);
        uint16_t control = pci_port_bar(pci, number * 2 + 1, 4);
        if (channel->command == 0 || control == 0) {
            return ERR_NONE;
        }
        channel->control = (uint16_t)(control + 2);
    }
    if ((pci->class_code & BUS_MASTER) != 0 && pci->bars[BAR_BUS_MASTER].size != 0) {
        uint16_t base = pci_port_bar(pci, BAR_BUS_MASTER, 16);
        channel->bus_master = base != 0 ? (uint16_t)(base + number * 8) : 0;
    }
    return OK;
}

static enum status find_interrupt(struct ata_channel *channel, unsigned number)
{
    if ((channel->pci->class_code & NATIVE(number)) != 0) {
        return pci_interrupt(channel->pci, 0, ata_channel_interrupt, channel);
    }
    enum status status = service_line(legacy[number].line, ata_channel_interrupt, channel);
    if (status != OK) {
        service_log("PCI %s: IDE channel %u: interrupt line %u was not given", channel->pci->name, number,
                    legacy[number].line);
    }
    return status;
}

/* --- drives --- */

/* The signature that a reset leaves (ATA/ATAPI-7 9.12): 0 for a disk, 0xeb14 for a packet device. */
static bool disk_signature(struct ata_channel *channel, unsigned number)
{
    ata_select(channel, number, 0);
    uint16_t at = channel->command;
    uint8_t status = in8(at + ATA_STATUS);
    return in8(at + ATA_COUNT) == 1 && in8(at + ATA_LBA_LOW) == 1 && in8(at + ATA_LBA_MIDDLE) == 0 &&
           in8(at + ATA_LBA_HIGH) == 0 && status != 0 && status != 0xff;
}

static enum status identify(struct ata_channel *channel, unsigned number, uint16_t words[256])
{
    ata_select(channel, number, 0);
    out8(channel->command + ATA_STATUS, ATA_IDENTIFY);
    uint64_t end = service_now() + IDENTIFY_NS;
    for (;;) {
        service_delay(1000);
        uint8_t status = in8(channel->command + ATA_STATUS);
        if ((status & ATA_STATUS_BSY) == 0 && (status & (ATA_STATUS_ERR | ATA_STATUS_DF)) != 0) {
            return ERR_DEVICE;
        }
        if ((status & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) == ATA_STATUS_DRQ) {
            in16_string(channel->command, words, 256);
            return OK;
        }
        if (service_now() > end) {
            return ERR_TIMEOUT;
        }
    }
}

static void open_drive(struct ata_channel *channel, unsigned number)
{
    uint16_t words[256];
    if (!disk_signature(channel, number)) {
        return;
    }
    enum status status = identify(channel, number, words);
    struct ata_drive *drive = calloc(1, sizeof(*drive));
    if (status != OK || drive == NULL) {
        service_log("PCI %s: IDE at 0x%x, drive %u: does not identify itself (%u)", channel->pci->name,
                    channel->command, number, status);
        free(drive);
        return;
    }
    const char *error;
    status = ata_identify(words, &drive->identity, &error);
    if (status != OK) {
        service_log("PCI %s: IDE at 0x%x, drive %u: %s", channel->pci->name, channel->command, number, error);
        return;
    }
    drive->channel = channel;
    drive->number = number;
    channel->drives[number] = drive;
    if (ata_drive_open(drive) != OK) {
        channel->drives[number] = NULL;
    }
}

static enum status reset_channel(struct ata_channel *channel)
{
    uint64_t end = service_now() + RESET_NS;
    enum status status;
    for (unsigned step = 0; (status = ata_channel_reset(channel, step)) == ERR_BUSY && service_now() < end; step++) {
        service_delay(MS);
    }
    return status;
}

static void open_channel(struct pci_device *pci, unsigned number)
{
    struct ata_channel *channel = calloc(1, sizeof(*channel));
    if (channel == NULL) {
        return;
    }
    channel->pci = pci;
    if (find_ports(channel, number) != OK || in8(channel->command + ATA_STATUS) == 0xff) {
        free(channel); /* nobody drives the bus */
        return;
    }
    /* A table of descriptors does not cross 64 KiB and lies below 4 GiB. */
    channel->prdt = dma_alloc(PRDT_SIZE, PRDT_SIZE);
    if (channel->prdt == NULL || dma_of(channel->prdt) >> 32 != 0) {
        channel->bus_master = 0;
    }
    if (reset_channel(channel) != OK) {
        service_log("PCI %s: IDE at 0x%x does not come out of its reset", pci->name, channel->command);
        return;
    }
    if (find_interrupt(channel, number) != OK) {
        return;
    }
    pci_enable(pci, channel->bus_master != 0);
    for (unsigned i = 0; i < 2; i++) {
        open_drive(channel, i);
    }
    channel->open = true;
}

static bool match(const struct pci_device *device) { return device->class_code >> 8 == CLASS_IDE; }

static enum status probe(struct pci_device *device)
{
    pci_enable(device, false);
    for (unsigned i = 0; i < 2; i++) {
        open_channel(device, i);
    }
    return OK;
}

const struct pci_driver ata_driver = {.name = "ata", .match = match, .probe = probe};
