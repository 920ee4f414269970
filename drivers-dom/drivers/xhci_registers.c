/* SPDX-License-Identifier: MIT
 * The registers of an xHCI controller: 32 bits at a time, as every controller takes them (xHCI 1.2, 5). */
#include "xhci.h"

uint32_t xhci_get(const struct xhci *host, uint32_t offset) { return *(volatile uint32_t *)(host->base + offset); }
void xhci_set(const struct xhci *host, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(host->base + offset) = value;
}
