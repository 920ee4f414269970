/* SPDX-License-Identifier: MIT
 * INT 1Ah, AH=B1h: PCI BIOS 2.1 (PCI BIOS Specification), in real mode. */
#include "bios_parts.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define PCI_ENABLE 0x80000000u
#define PCI_SIGNATURE 0x20494350u /* "PCI " */
#define FUNCTIONS 256u            /* of bus 0, the only one */

enum pci_bios_result { PCI_OK = 0x00, PCI_UNSUPPORTED = 0x81, PCI_NOT_FOUND = 0x86, PCI_BAD_REGISTER = 0x87 };
enum pci_bios_function {
    PCI_PRESENT = 0x01,
    PCI_FIND_DEVICE,
    PCI_FIND_CLASS,
    PCI_READ = 0x08,
    PCI_WRITE = 0x0b,
    PCI_LAST = 0x0d
};

static uint32_t read_config(struct bios_call *call, uint16_t function, unsigned at, unsigned size)
{
    bus_port_write(&call->machine->bus, PCI_ADDRESS, 4, PCI_ENABLE | (uint32_t)function << 8 | (at & 0xfc));
    return bus_port_read(&call->machine->bus, (uint16_t)(PCI_DATA + (at & 3)), size);
}

static void write_config(struct bios_call *call, uint16_t function, unsigned at, unsigned size, uint32_t value)
{
    bus_port_write(&call->machine->bus, PCI_ADDRESS, 4, PCI_ENABLE | (uint32_t)function << 8 | (at & 0xfc));
    bus_port_write(&call->machine->bus, (uint16_t)(PCI_DATA + (at & 3)), size, value);
}

static void finish(struct bios_call *call, enum pci_bios_result result)
{
    bios_set_high(call, RAX, (uint8_t)result);
    bios_flag(call, BIOS_CARRY, result != PCI_OK);
}

static void present(struct bios_call *call)
{
    bios_set32(call, RDX, PCI_SIGNATURE);
    bios_set32(call, RDI, 0); /* no protected-mode entry */
    bios_set(call, RBX, 0x0210);
    bios_set_low(call, RCX, 0); /* last bus */
    bios_set_low(call, RAX, 0x01); /* configuration mechanism 1 */
    finish(call, PCI_OK);
}

/* The SI-th function whose register, shifted, is `wanted`. */
static void find(struct bios_call *call, unsigned at, unsigned shift, uint32_t wanted)
{
    unsigned left = bios_get(call, RSI);
    for (uint16_t function = 0; function < FUNCTIONS; function++) {
        if ((uint16_t)read_config(call, function, 0, 4) == 0xffff ||
            read_config(call, function, at, 4) >> shift != wanted || left--)
            continue;
        bios_set(call, RBX, function);
        finish(call, PCI_OK);
        return;
    }
    finish(call, PCI_NOT_FOUND);
}

/* Reads and writes of 1, 2 or 4 bytes: BX function, DI register, CX value. */
static void transfer(struct bios_call *call, unsigned function)
{
    bool write = function >= PCI_WRITE;
    unsigned size = 1u << (function - (write ? PCI_WRITE : PCI_READ)), at = bios_get(call, RDI);
    if (at % size || at > 0xff) {
        finish(call, PCI_BAD_REGISTER);
        return;
    }
    if (write) {
        write_config(call, bios_get(call, RBX), at, size, (uint32_t)call->state->gpr[RCX]);
    } else {
        uint32_t value = read_config(call, bios_get(call, RBX), at, size);
        if (size == 1)
            bios_set_low(call, RCX, (uint8_t)value);
        else if (size == 2)
            bios_set(call, RCX, (uint16_t)value);
        else
            bios_set32(call, RCX, value);
    }
    finish(call, PCI_OK);
}

void bios_pci(struct bios_call *call)
{
    unsigned function = bios_low(call, RAX);
    if (function == PCI_PRESENT)
        present(call);
    else if (function == PCI_FIND_DEVICE)
        find(call, 0, 0, bios_get(call, RDX) | (uint32_t)bios_get(call, RCX) << 16);
    else if (function == PCI_FIND_CLASS)
        find(call, 8, 8, (uint32_t)call->state->gpr[RCX] & 0xffffff);
    else if (function >= PCI_READ && function <= PCI_LAST)
        transfer(call, function);
    else
        finish(call, PCI_UNSUPPORTED); /* special cycles, interrupt routing */
}
