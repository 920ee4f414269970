/* SPDX-License-Identifier: MIT
 * A drivers-dom that wants everything: memory that was not granted, by the CPU and by DMA of QEMU's `edu` device, interrupts in
 * the name of other devices, and the CPU for itself. On the frame of the real one, whose main.c it replaces. */
#include <linux/pci_regs.h>
#include <string.h>
#include "control.h"
#include "cpu.h"
#include "hypercall.h"
#include "pci.h"
#include "ram.h"
#include "service.h"
#include "trap.h"

#define STEP 0x100000ull      /* one word in each MiB */
#define SWEEP_END (1ull << 30)
#define KERNEL_IMAGE 0x100000ull
#define MULTIBOOT2 0xe85250d6u /* what the kernel's image begins with */
#define PATTERN 0x5aa5c33c0ff0a55aull
#define WORDS 64u             /* that a transfer has */
#define TARGETS 8u           /* of DMA, which takes the device 100 ms */
#define TIMEOUT_NS 5000000000ull
#define FLOOD 5000u

/* edu (QEMU, docs/specs/edu.txt) */
#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define EDU_BAR_SIZE 0x100000u
#define EDU_BUFFER 0x40000u
enum { EDU_RAISE = 0x60, EDU_ACKNOWLEDGE = 0x64, EDU_FROM = 0x80, EDU_TO = 0x88, EDU_COUNT = 0x90, EDU_COMMAND = 0x98 };
#define EDU_START 1u
#define EDU_TO_MEMORY 2u

_Noreturn void guest_main(uint64_t start_address);

static volatile uint8_t *edu;
static uint64_t targets[TARGETS];
static unsigned target_count, interrupts;

/* --- the CPU --- */

/* Nobody's memory reads as ones. */
static bool blocked(uint64_t address)
{
    const volatile uint64_t *words = machine(address);
    bool ones = true;
    for (unsigned i = 0; i < 8; i++) {
        ones = ones && words[i] == ~0ull;
    }
    return ones;
}

static bool ours(uint64_t address)
{
    const struct pv_start *start = service_start();
    return address - start->memory_base < start->memory_size;
}

static void try_cpu(void)
{
    unsigned refused = 0, granted = 0, wrong = 0;
    for (uint64_t at = KERNEL_IMAGE; at < SWEEP_END; at += STEP) {
        if (ours(at) || !blocked(at)) {
            granted++;
            continue;
        }
        *(volatile uint64_t *)machine(at) = PATTERN;
        wrong += !blocked(at);
        if (target_count < TARGETS && refused % 24 == 0) {
            targets[target_count++] = at;
        }
        refused++;
    }
    service_log("hostile: CPU: %u places refused, %u our own or granted, %u written that are not", refused, granted, wrong);
}

/* --- DMA --- */

static void edu_write(unsigned reg, uint64_t value) { *(volatile uint64_t *)(edu + reg) = value; }

static bool transfer(uint64_t from, uint64_t to, uint32_t command)
{
    edu_write(EDU_FROM, from);
    edu_write(EDU_TO, to);
    edu_write(EDU_COUNT, WORDS * sizeof(uint64_t));
    edu_write(EDU_COMMAND, command | EDU_START);
    uint64_t end = service_now() + TIMEOUT_NS;
    while (*(volatile uint64_t *)(edu + EDU_COMMAND) & EDU_START) {
        if (service_now() > end) {
            return false;
        }
        (void)hypercall(HYPERCALL_EVENT_WAIT, cpu_tsc() + 1000000, 0);
    }
    return true;
}

/* Reads memory through the device. */
static bool dma_read(uint64_t address, volatile uint64_t *into)
{
    return transfer(address, EDU_BUFFER, 0) && transfer(EDU_BUFFER, dma_of((void *)into), EDU_TO_MEMORY);
}

static void try_dma(volatile uint64_t *source, volatile uint64_t *target)
{
    for (unsigned i = 0; i < WORDS; i++) {
        source[i] = PATTERN + i;
        target[i] = 0;
    }
    bool works = dma_read(dma_of((void *)source), target) && memcmp((void *)source, (void *)target, WORDS * 8) == 0;
    service_log("hostile: DMA to our own memory %s", works ? "works" : "does not work");
    unsigned leaked = 0;
    for (unsigned i = 0; works && i < target_count; i++) {
        (void)dma_read(targets[i], target);
        bool seen = targets[i] == KERNEL_IMAGE && (uint32_t)target[0] == MULTIBOOT2;
        for (unsigned word = 1; word < WORDS; word++) {
            seen |= target[word] != target[0];
        }
        leaked += seen;
    }
    service_log("hostile: DMA: read %u of %u places that were not granted", leaked, target_count);
    if (leaked > 0) {
        return; /* nothing holds it: writing would be the end */
    }
    (void)transfer(dma_of((void *)source), EDU_BUFFER, 0);
    for (unsigned i = 0; works && i < target_count; i++) {
        (void)transfer(EDU_BUFFER, targets[i], EDU_TO_MEMORY);
    }
    service_log("hostile: DMA: wrote to %u places that were not granted", target_count);
}

/* --- interrupts --- */

static void interrupted(void *context)
{
    (void)context;
    *(volatile uint32_t *)(edu + EDU_ACKNOWLEDGE) = 1;
    interrupts++;
}

static unsigned raise_interrupt(void)
{
    interrupts = 0;
    *(volatile uint32_t *)(edu + EDU_RAISE) = 1;
    for (uint64_t end = service_now() + 50000000; service_now() < end && interrupts == 0;) {
        (void)service_round();
    }
    *(volatile uint32_t *)(edu + EDU_ACKNOWLEDGE) = 1;
    return interrupts;
}

static void try_interrupts(struct pci_device *device)
{
    const struct control *control = control_area();
    if (pci_interrupt(device, 0, interrupted, NULL) != OK) {
        service_log("hostile: no interrupt for edu");
        return;
    }
    unsigned own = raise_interrupt();
    /* The host bridge, 00:00.0, is who may send this message now. */
    enum status status = hypercall(HYPERCALL_IRQ_SOURCE, control->irqs[0].number, 0);
    unsigned stolen = raise_interrupt();
    service_log("hostile: interrupts: %u of our own arrived; as another device: status %u, %u arrived", own, status, stolen);
}

/* --- the CPU for itself --- */

static void flood(void)
{
    for (unsigned i = 0; i < FLOOD; i++) {
        (void)hypercall(HYPERCALL_EVENT_SIGNAL + i % 3, i * 0x9e3779b9u, i);
    }
}

_Noreturn void guest_main(uint64_t start_address)
{
    const struct pv_start *start = machine(start_address);
    trap_init();
    struct control *control = machine(start->control);
    pci_quiet(control);
    service_init(start);
    irq_init(control);
    control_init(control);
    ram_init(start);
    control_ready(); /* who is served starts, and its memory is granted */
    service_log("hostile: begins");
    try_cpu();
    for (struct pci_device *device = pci_enumerate(pci_first_bus(), pci_last_bus()); device != NULL; device = device->next) {
        if (device->vendor == EDU_VENDOR && device->device == EDU_DEVICE) {
            edu = pci_map_bar(device, 0, EDU_BAR_SIZE);
            pci_enable(device, true);
            try_dma(dma_alloc(WORDS * 8, 4096), dma_alloc(WORDS * 8, 4096));
            try_interrupts(device);
        }
    }
    flood();
    service_log("hostile: the CPU is ours now");
    for (;;) {
    }
}
