/* SPDX-License-Identifier: MIT
 * The registry of network cards. */
#include "net.h"
#include <stdio.h>
#include <string.h>
#include "service.h"

static struct net_card *cards;
static struct net_watch *watches;

void net_watch(struct net_watch *watch)
{
    watch->next = watches;
    watches = watch;
}

static struct net_card *find(const char *name)
{
    struct net_card *card = cards;
    while (card != NULL && strcmp(card->name, name) != 0) {
        card = card->next;
    }
    return card;
}

enum status net_register(struct net_card *card)
{
    if (card->name[0] == 0) {
        unsigned number = 0;
        do {
            snprintf(card->name, sizeof(card->name), "%s-%u", card->ops->driver, number++);
        } while (find(card->name) != NULL);
    } else if (find(card->name) != NULL) {
        service_log("%s: a second network card of this name is refused", card->name);
        return ERR_EXISTS;
    }
    struct net_card **link = &cards;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    card->next = NULL;
    *link = card;
    const uint8_t *mac = card->mac;
    service_log("%s: %02x:%02x:%02x:%02x:%02x:%02x", card->name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    for (struct net_watch *watch = watches; watch != NULL; watch = watch->next) {
        watch->arrived(watch->context, card);
    }
    return OK;
}

struct net_card *net_next(struct net_card *after) { return after != NULL ? after->next : cards; }

void net_unregister(struct net_card *card)
{
    for (struct net_card **link = &cards; *link != NULL; link = &(*link)->next) {
        if (*link == card) {
            *link = card->next;
            card->gone = true;
            service_log("%s: removed", card->name);
            return;
        }
    }
}

bool net_frame_fits(const struct net_segment *segments, uint32_t count)
{
    uint64_t size = 0;
    if (count > NET_MAX_SEGMENTS) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        size += segments[i].size;
    }
    return size >= NET_FRAME_MIN && size <= NET_FRAME_MAX;
}
