/* SPDX-License-Identifier: MIT
 * Host bridge and ISA bridge. Facts: Intel 82441FX (290549) and 82371SB (290550) data sheets. The identities are those
 * of the PC that operating systems have met most often; no register beyond what is named here does anything. */
#include <string.h>
#include "devices/pci.h"
#include "devices/pci_bridges.h"
#include "machine.h"
#include "pc.h"

#define HOST_PAM_FIRST 0x59u  /* programmable attribute map: which of 0xc0000 to 0xfffff is RAM; all of it is, always, whatever these
                                 registers say. Firmware of the guest's own finds them as after a reset, and copies itself there. */
#define HOST_PAM_COUNT 7u
#define HOST_PAM_RAM 0x33u    /* reads and writes to both halves go to RAM */

#define ISA_PIRQ_FIRST 0x60u  /* PIRQRC[A:D] */
#define ISA_PIRQ_COUNT 4u
#define ISA_PIRQ_OFF 0x80u
#define ISA_PIRQ_WRITABLE 0x8fu
#define ISA_DETERMINISTIC 0x82u /* DLC: passive release and delayed transaction, set so that nobody needs to */

/* The router's inputs A to D at reset, as PC firmware sets them. The 8259 treats 10 and 11 as level-triggered. */
static const uint8_t default_routes[ISA_PIRQ_COUNT] = { 10, 10, 11, 11 };

static const struct pci_identity host_identity = {
    .vendor = 0x8086, .device = 0x1237, .class_code = 0x060000, .revision = 2, .name = "host bridge",
};

static const struct pci_identity isa_identity = {
    .vendor = 0x8086, .device = 0x7000, .class_code = 0x060100, .multifunction = true, .name = "ISA bridge",
};

int pci_route(const struct pci *pci, unsigned line)
{
    /* Edge-only inputs of the board (timer, keyboard, cascade, RTC, FPU) cannot be chosen: the chip reserves them. */
    const unsigned reserved = 1u << 0 | 1u << 1 | 1u << 2 | 1u << 8 | 1u << 13;
    uint8_t route = pci->isa.config[ISA_PIRQ_FIRST + (line - PC_GSI_PCI) % ISA_PIRQ_COUNT];
    if (route & ISA_PIRQ_OFF || reserved >> (route & 15) & 1)
        return -1;
    return route & 15;
}

static void update_routes(struct pci *pci)
{
    for (unsigned line = PC_GSI_PCI; line < PC_GSI_PCI + PC_GSI_PCI_COUNT; line++) {
        int route = pci_route(pci, line);
        irq_route_pci(pci->machine, line, route < 0 ? 0 : (unsigned)route);
    }
}

static void isa_written(struct pci_function *function, unsigned offset, unsigned size)
{
    if (offset < ISA_PIRQ_FIRST + ISA_PIRQ_COUNT && offset + size > ISA_PIRQ_FIRST)
        update_routes(function->pci);
}

void pci_bridges_reset(struct pci *pci)
{
    memset(pci->host.config + HOST_PAM_FIRST, machine_has_firmware(pci->machine) ? 0 : HOST_PAM_RAM, HOST_PAM_COUNT);
    memcpy(pci->isa.config + ISA_PIRQ_FIRST, default_routes, sizeof(default_routes));
    pci->isa.config[ISA_DETERMINISTIC] = 0x02;
    update_routes(pci);
}

enum status pci_bridges_init(struct pci *pci)
{
    pci_function_init(&pci->host, &host_identity);
    memset(pci->host.write_mask + HOST_PAM_FIRST, 0x77, HOST_PAM_COUNT);
    pci_function_init(&pci->isa, &isa_identity);
    memset(pci->isa.write_mask + ISA_PIRQ_FIRST, ISA_PIRQ_WRITABLE, ISA_PIRQ_COUNT);
    pci->isa.write_mask[ISA_DETERMINISTIC] = 0x0f;
    pci->isa.written = isa_written;
    pci_put16(&pci->host, 0x04, 0x0006); /* memory and bus mastering are always on */
    pci_put16(&pci->isa, 0x04, 0x0007);
    pci_bridges_reset(pci);
    enum status status = pci_add(pci, &pci->host, PCI_DEVFN(0, 0));
    return status ? status : pci_add(pci, &pci->isa, PCI_DEVFN(1, 0));
}
