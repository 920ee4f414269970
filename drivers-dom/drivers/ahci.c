/* SPDX-License-Identifier: MIT
 * AHCI controllers: hand-off, reset, and the search for disks at their ports (AHCI 1.3.1, 10.1.2). */
#include <stdlib.h>
#include "ahci_port.h"
#include "cpu.h"

#define CLASS_AHCI 0x010601
#define BAR_REGISTERS 5
#define MS 1000000ull
#define HANDOFF_NS (2000 * MS)
#define RESET_NS (1000 * MS)
#define LINK_NS (20 * MS)       /* for a link to show that somebody is there */
#define PORT_NS (10000 * MS)    /* for a disk to become ready */

struct ahci {
    struct pci_device *pci;
    volatile struct ahci_registers *registers;
    struct ahci_port *ports[32]; /* with a disk */
};

static void interrupted(void *context)
{
    struct ahci *ahci = context;
    uint32_t is = ahci->registers->is;
    for (unsigned i = 0; i < 32; i++) {
        if ((is >> i & 1) != 0 && ahci->ports[i] != NULL) {
            ahci_port_interrupt(ahci->ports[i]);
        }
    }
    /* After the ports' own: a summary bit comes back while its port's are set. */
    if (is != 0 && is != 0xffffffff) {
        ahci->registers->is = is;
    }
}

/* --- start-up --- */

static bool wait_clear(volatile uint32_t *reg, uint32_t bits, uint64_t ns)
{
    for (uint64_t end = service_now() + ns; (*reg & bits) != 0;) {
        if (service_now() > end) {
            return false;
        }
        cpu_pause();
    }
    return true;
}

static enum status reset_controller(struct ahci *ahci)
{
    volatile struct ahci_registers *registers = ahci->registers;
    if ((registers->cap2 & AHCI_CAP2_HANDOFF) != 0) {
        registers->bohc = registers->bohc | AHCI_BOHC_OS;
        if (!wait_clear(&registers->bohc, AHCI_BOHC_BIOS, HANDOFF_NS)) {
            service_log("PCI %s: AHCI: the firmware does not let go of the controller; taken", ahci->pci->name);
        }
    }
    registers->ghc = registers->ghc | AHCI_GHC_ENABLE;
    registers->ghc = registers->ghc | AHCI_GHC_RESET;
    if (!wait_clear(&registers->ghc, AHCI_GHC_RESET, RESET_NS)) {
        service_log("PCI %s: AHCI: the controller does not come out of its reset", ahci->pci->name);
        return ERR_TIMEOUT;
    }
    registers->ghc = registers->ghc | AHCI_GHC_ENABLE;
    return OK;
}

static struct ahci_port *make_port(struct ahci *ahci, unsigned number)
{
    uint32_t slots = AHCI_CAP_SLOTS(ahci->registers->cap);
    struct ahci_port *port = calloc(1, sizeof(*port));
    if (port == NULL) {
        return NULL;
    }
    port->pci = ahci->pci;
    port->registers = &ahci->registers->ports[number];
    port->number = number;
    port->headers = dma_alloc(32 * sizeof(*port->headers), 1024);
    port->received = dma_alloc(256, 256);
    port->tables = dma_alloc(slots * sizeof(*port->tables), 128);
    port->trim = dma_alloc(512, 512);
    bool complete = port->headers != NULL && port->received != NULL && port->tables != NULL && port->trim != NULL;
    if (complete) {
        return port;
    }
    free(port); /* not what DMA was to use: the start has failed anyway if there is no memory now */
    return NULL;
}

static enum status bring_up(struct ahci_port *port)
{
    uint64_t end = service_now() + PORT_NS;
    enum status status;
    for (unsigned step = 0; (status = ahci_port_reset(port, step)) == ERR_BUSY; step++) {
        if (service_now() > end) {
            service_log("PCI %s: AHCI port %u: the device does not become ready", port->pci->name, port->number);
            return ERR_TIMEOUT;
        }
        service_delay(MS);
    }
    return status;
}

static void open_port(struct ahci *ahci, unsigned number)
{
    struct ahci_port *port = make_port(ahci, number);
    if (port == NULL) {
        service_log("PCI %s: AHCI port %u: no memory", ahci->pci->name, number);
        return;
    }
    enum status status = bring_up(port);
    uint32_t signature = port->registers->sig;
    if (status == OK && signature != AHCI_SIG_DISK) {
        service_log("PCI %s: AHCI port %u: signature 0x%08x is not that of a disk", ahci->pci->name, number, signature);
        status = ERR_SUPPORT;
    }
    ahci->ports[number] = port;
    status = status == OK ? ahci_port_open(port, ahci->registers->cap) : status;
    if (status != OK) {
        ahci->ports[number] = NULL;
        port->registers->ie = 0;
        port->registers->cmd = port->registers->cmd & ~AHCI_CMD_START;
    }
}

static void find_disks(struct ahci *ahci)
{
    volatile struct ahci_registers *registers = ahci->registers;
    uint32_t implemented = registers->pi;
    for (unsigned i = 0; i < 32; i++) {
        if ((implemented >> i & 1) != 0) {
            registers->ports[i].cmd = registers->ports[i].cmd | AHCI_CMD_POWER_ON | AHCI_CMD_SPIN_UP;
        }
    }
    service_delay(LINK_NS);
    for (unsigned i = 0; i < 32; i++) {
        if ((implemented >> i & 1) != 0 && AHCI_SSTS_DET(registers->ports[i].ssts) != 0) {
            open_port(ahci, i);
        }
    }
}

static enum status open_device(struct ahci *ahci, struct pci_device *pci)
{
    ahci->pci = pci;
    pci_enable(pci, false);
    ahci->registers = pci_map_bar(pci, BAR_REGISTERS, 0x180);
    if (ahci->registers == NULL) {
        return ERR_NONE;
    }
    /* Ports that the BAR does not reach are not there. */
    uint32_t implemented = ahci->registers->pi;
    uint64_t reach = (pci->bars[BAR_REGISTERS].size - 0x100) / 0x80;
    if (reach < 32 && implemented >> reach != 0) {
        service_log("PCI %s: AHCI: ports 0x%08x do not fit into BAR %u", pci->name, implemented, BAR_REGISTERS);
        return ERR_FORMAT;
    }
    enum status status = reset_controller(ahci);
    status = status == OK ? pci_interrupt(pci, 0, interrupted, ahci) : status;
    if (status != OK) {
        return status;
    }
    pci_enable(pci, true);
    find_disks(ahci);
    ahci->registers->is = 0xffffffff;
    ahci->registers->ghc = ahci->registers->ghc | AHCI_GHC_INTERRUPTS;
    return OK;
}

static bool match(const struct pci_device *device) { return device->class_code == CLASS_AHCI; }

static enum status probe(struct pci_device *device)
{
    struct ahci *ahci = calloc(1, sizeof(*ahci));
    if (ahci == NULL) {
        return ERR_MEMORY;
    }
    enum status status = open_device(ahci, device);
    if (status != OK) {
        service_log("PCI %s: AHCI could not be started (%u)", device->name, status);
        pci_enable(device, false);
        free(ahci);
    }
    return status;
}

const struct pci_driver ahci_driver = {.name = "ahci", .match = match, .probe = probe};
