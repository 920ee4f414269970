/* SPDX-License-Identifier: MIT
 * Intel's gigabit cards: reset, address, interrupts, link, and what happens when one hangs or vanishes. */
#include <stdlib.h>
#include <string.h>
#include "cpu.h"
#include "e1000.h"

#define MS                1000000ull
#define STOP_NS           (10 * MS) /* what is on the bus comes to its end */
#define RESET_NS          (20 * MS) /* the EEPROM is read again (SDM 14.4) */
#define POLL_NS           (1 * MS)
#define PHASE_TIMEOUT_NS  (1000 * MS)
#define WATCHDOG_NS       (1000 * MS)
#define TX_TIMEOUT_NS     (5000 * MS)
#define EEPROM_TIMEOUT_NS (1 * MS)
#define MAX_HANGS         4u
#define MODERATION        195u /* units of 256 ns: at most 20,000 interrupts a second; a single one is not delayed */
#define EERD_START        1u
#define EERD_DATA_SHIFT   16

static const char *name_of(const struct e1000 *card) { return card->registered ? card->card.name : card->pci->name; }

/* --- the end --- */

static void retire(struct e1000 *card, const char *reason)
{
    if (card->phase == PHASE_GONE) {
        return;
    }
    service_log("%s: %s: out of service", name_of(card), reason);
    /* Whatever the card thinks: no DMA from here on. */
    e1000_set(card, E1000_IMC, ~0u);
    pci_enable(card->pci, false);
    card->phase = PHASE_GONE;
    card->link = false;
    service_timer_cancel(&card->timer);
    service_bottom_cancel(&card->more);
    if (card->registered) {
        net_unregister(&card->card);
    }
    e1000_ring_drop(card);
}

/* --- reset --- */

/* PHASE_QUIET begins. Nothing that was given to the hardware is returned before the reset. */
static void start_reset(struct e1000 *card)
{
    card->phase = PHASE_QUIET;
    card->phase_end = service_now() + PHASE_TIMEOUT_NS;
    service_bottom_cancel(&card->more);
    e1000_set(card, E1000_IMC, ~0u);
    e1000_set(card, E1000_RCTL, 0);
    e1000_set(card, E1000_TCTL, 0);
    if (card->family->quiesce != NULL) {
        card->family->quiesce(card);
    }
    service_timer_arm(&card->timer, service_now() + STOP_NS);
}

static void quiet(struct e1000 *card)
{
    bool idle = card->family->quiet == NULL || card->family->quiet(card);
    if (!idle && service_now() < card->phase_end) {
        service_timer_arm(&card->timer, service_now() + POLL_NS);
        return;
    }
    /* If the bus is not idle after all this time, the reset is the only hope left. No bus master until it is over. */
    pci_enable(card->pci, false);
    e1000_set(card, E1000_CTRL, e1000_get(card, E1000_CTRL) | E1000_CTRL_RST | E1000_CTRL_PHY_RST);
    card->phase = PHASE_RESET;
    card->phase_end = service_now() + PHASE_TIMEOUT_NS;
    service_timer_arm(&card->timer, service_now() + RESET_NS);
}

/* One word of the EEPROM; at the first start only, where the short wait harms nobody. */
static bool read_eeprom(struct e1000 *card, unsigned word, uint16_t *value)
{
    const struct e1000_family *family = card->family;
    e1000_set(card, E1000_EERD, word << family->eeprom_address_shift | EERD_START);
    uint64_t end = service_now() + EEPROM_TIMEOUT_NS;
    uint32_t read;
    while (!((read = e1000_get(card, E1000_EERD)) & family->eeprom_done)) {
        if (service_now() > end) {
            return false;
        }
        cpu_pause();
    }
    *value = (uint16_t)(read >> EERD_DATA_SHIFT);
    return read != E1000_GONE;
}

static bool usable_mac(const uint8_t *mac)
{
    static const uint8_t zero[6];
    return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero)) != 0;
}

/* The reset has loaded receive address 0 from the EEPROM (SDM 13.5.2: of the second port too); where it has not, words
 * 0 to 2 tell. */
static bool read_mac(struct e1000 *card)
{
    uint32_t low = e1000_get(card, E1000_RAL0), high = e1000_get(card, E1000_RAH0);
    uint8_t *mac = card->card.mac;
    memcpy(mac, &low, 4);
    memcpy(mac + 4, &high, 2);
    if ((high & E1000_RAH_VALID) && usable_mac(mac)) {
        return true;
    }
    for (unsigned i = 0; i < 3; i++) {
        uint16_t word;
        if (!read_eeprom(card, i, &word)) {
            return false;
        }
        memcpy(mac + 2 * i, &word, 2);
    }
    return usable_mac(mac);
}

static void check_link(struct e1000 *card, uint32_t status)
{
    static const unsigned speeds[] = {10, 100, 1000, 1000};
    bool up = (status & E1000_STATUS_LINK_UP) != 0;
    if (up == card->link) {
        return;
    }
    card->link = up;
    if (up) {
        service_log("%s: link up, %u Mb/s, %s duplex", name_of(card), speeds[status >> E1000_STATUS_SPEED_SHIFT & 3],
                    status & E1000_STATUS_FULL_DUPLEX ? "full" : "half");
    } else {
        service_log("%s: link down", name_of(card));
    }
}

static void start(struct e1000 *card)
{
    pci_enable(card->pci, true);
    e1000_set(card, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_ASDE);
    if (card->family->prepare != NULL) {
        card->family->prepare(card);
    }
    e1000_set(card, E1000_ITR, MODERATION);
    e1000_ring_start(card);
    card->phase = PHASE_RUNNING;
    (void)e1000_get(card, E1000_ICR);
    e1000_set(card, E1000_IMS, card->msix ? card->family->msix_interrupts : card->family->interrupts);
    if (!card->registered) {
        card->registered = net_register(&card->card) == OK;
    }
    check_link(card, e1000_get(card, E1000_STATUS));
    service_timer_arm(&card->timer, service_now() + WATCHDOG_NS);
}

static void reset_over(struct e1000 *card)
{
    if (e1000_get(card, E1000_CTRL) & E1000_CTRL_RST) {
        if (service_now() < card->phase_end) {
            service_timer_arm(&card->timer, service_now() + POLL_NS);
        } else {
            retire(card, "it does not come out of its reset");
        }
        return;
    }
    e1000_set(card, E1000_IMC, ~0u);
    e1000_ring_drop(card);
    if (!card->registered && !read_mac(card)) {
        retire(card, "its EEPROM has no address");
        return;
    }
    start(card);
}

/* --- running --- */

static void poll(void *context)
{
    struct e1000 *card = context;
    if (card->phase != PHASE_RUNNING) {
        return;
    }
    e1000_ring_reclaim(card);
    if (e1000_ring_receive(card)) {
        service_bottom_arm(&card->more);
    }
}

static void hang(struct e1000 *card, const char *reason)
{
    if (++card->hangs > MAX_HANGS) {
        retire(card, "several resets did not help");
        return;
    }
    service_log("%s: %s: resetting it", name_of(card), reason);
    start_reset(card);
}

static void watch(struct e1000 *card)
{
    poll(card);
    if (card->phase != PHASE_RUNNING) {
        return;
    }
    check_link(card, e1000_get(card, E1000_STATUS));
    bool busy = card->tx_head != card->tx_told;
    if (busy && !card->link) {
        /* Without a link nothing leaves the card; only a reset gives the frames back. */
        card->hangs = 0;
        hang(card, "frames are stuck behind the link");
    } else if (busy && service_now() - card->tx_progress > TX_TIMEOUT_NS) {
        hang(card, "nothing was sent for 5 s");
    } else {
        service_timer_arm(&card->timer, service_now() + WATCHDOG_NS);
    }
}

static void timer_fired(void *context)
{
    struct e1000 *card = context;
    if (e1000_get(card, E1000_STATUS) == E1000_GONE || !pci_present(card->pci)) {
        retire(card, "it has vanished");
    } else if (card->phase == PHASE_RUNNING) {
        watch(card);
    } else if (card->phase == PHASE_QUIET) {
        quiet(card);
    } else if (card->phase == PHASE_RESET) {
        reset_over(card);
    }
}

static void interrupted(void *context)
{
    struct e1000 *card = context;
    if (card->phase != PHASE_RUNNING) {
        return;
    }
    /* First the causes, then the rings: what happens in between interrupts again. */
    uint32_t causes = e1000_get(card, E1000_ICR);
    if (causes == E1000_GONE) {
        retire(card, "it has vanished");
        return;
    }
    if (causes == 0 && !card->msix) {
        return; /* the line's other user */
    }
    if (card->family->clear_causes && causes != 0) {
        e1000_set(card, E1000_ICR, causes);
    }
    if (causes & E1000_CAUSE_LSC) {
        check_link(card, e1000_get(card, E1000_STATUS));
    }
    poll(card);
}

bool e1000_link_up(struct net_card *net) { return ((const struct e1000 *)net->driver_data)->link; }

/* --- opening --- */

static enum status take(struct e1000 *card)
{
    /* Quiet until the reset: what a former driver had set up may be in the rings still. */
    pci_enable(card->pci, false);
    card->registers = pci_map_bar(card->pci, 0, E1000_REGISTERS_SIZE);
    if (card->registers == NULL) {
        return ERR_FORMAT;
    }
    e1000_set(card, E1000_IMC, ~0u);
    enum status status = e1000_ring_create(card);
    status = status == OK ? pci_interrupt(card->pci, 0, interrupted, card) : status;
    card->msix = status == OK && pci_msix_active(card->pci);
    return status;
}

enum status e1000_open(const struct e1000_family *family, struct pci_device *pci)
{
    struct e1000 *card = calloc(1, sizeof(*card));
    if (card == NULL) {
        return ERR_MEMORY;
    }
    card->family = family;
    card->pci = pci;
    card->phase = PHASE_GONE;
    card->card = (struct net_card){.ops = &family->net, .address = pci->name, .driver_data = card};
    card->timer = (struct service_timer){.fire = timer_fired, .context = card};
    card->more = (struct service_bottom){.run = poll, .context = card};
    enum status status = take(card);
    if (status != OK) {
        service_log("PCI %s: %s could not be started (%u)", pci->name, family->net.driver, status);
        return status;
    }
    start_reset(card);
    return OK;
}
