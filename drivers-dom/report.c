/* SPDX-License-Identifier: MIT
 * The list of devices in the control area. */
#include "report.h"
#include <stdio.h>
#include <string.h>
#include "blk.h"
#include "net.h"
#include "switch.h"

#define MIB_SECTORS 2048u

static void add_user(struct control_device *out, const char *domain)
{
    size_t used = strlen(out->users);
    if (strstr(out->users, domain) == NULL) { /* possibly the part of a longer name: this is for people */
        snprintf(out->users + used, sizeof(out->users) - used, "%s%.31s", used > 0 ? ", " : "", domain);
    }
}

static void describe_disk(const struct control *control, const struct blk_device *device, struct control_device *out)
{
    snprintf(out->name, sizeof(out->name), "%.31s", device->name);
    snprintf(out->address, sizeof(out->address), "%.15s", device->address != NULL ? device->address : "-");
    snprintf(out->what, sizeof(out->what), "%s, %llu MiB%s%s%.40s", device->label != NULL ? "partition" : "disk",
             (unsigned long long)(device->sectors / MIB_SECTORS), device->read_only ? ", read-only" : "",
             device->label != NULL ? ", label " : device->serial[0] != 0 ? ", serial " : "",
             device->label != NULL ? device->label : device->serial);
    for (unsigned i = 0; i < CONTROL_MAX_CHANNELS; i++) {
        const struct control_channel *channel = &control->channels[i];
        const char *error;
        if (channel->used && channel->type == CHANNEL_BLOCK && blk_source(channel->source, &error) == device) {
            add_user(out, channel->domain);
        }
    }
}

/* The switch "uplink" has the first card. */
static void describe_card(const struct control *control, struct net_card *card, bool first, struct control_device *out)
{
    const uint8_t *mac = card->mac;
    snprintf(out->name, sizeof(out->name), "%.31s", card->name);
    snprintf(out->address, sizeof(out->address), "%.15s", card->address != NULL ? card->address : "-");
    snprintf(out->what, sizeof(out->what), "network card %02x:%02x:%02x:%02x:%02x:%02x, link %s", mac[0], mac[1], mac[2],
             mac[3], mac[4], mac[5], card->ops->link_up(card) ? "up" : "down");
    for (unsigned i = 0; i < CONTROL_MAX_CHANNELS && first; i++) {
        const struct control_channel *channel = &control->channels[i];
        if (channel->used && channel->type == CHANNEL_NET && strcmp(channel->source, SWITCH_UPLINK) == 0) {
            add_user(out, channel->domain);
        }
    }
}

void report_devices(struct control *control)
{
    unsigned count = 0;
    struct control_device now;
    for (struct blk_device *device = blk_next(NULL); device != NULL && count < CONTROL_MAX_DEVICES;
         device = blk_next(device)) {
        memset(&now, 0, sizeof(now));
        describe_disk(control, device, &now);
        control->devices[count++] = now;
    }
    bool first = true;
    for (struct net_card *card = net_next(NULL); card != NULL && count < CONTROL_MAX_DEVICES; card = net_next(card)) {
        memset(&now, 0, sizeof(now));
        describe_card(control, card, first, &now);
        control->devices[count++] = now;
        first = false;
    }
    if (count < CONTROL_MAX_DEVICES) {
        memset(&control->devices[count], 0, sizeof(control->devices[count]));
    }
}
