/* SPDX-License-Identifier: MIT
 * The registers of DMA remapping units (VT-d specification chapters 6 and 11): capabilities, turning on, caches, faults. */
#include "iommu.h"
#include "api.h"
#include "apic.h"
#include "hostmap.h"
#include "sync.h"
#include "vendor.h"
#include "x86.h"

enum {
    REG_CAP = 0x08, REG_ECAP = 0x10, REG_COMMAND = 0x18, REG_STATUS = 0x1c, REG_ROOT = 0x20, REG_CONTEXT = 0x28,
    REG_FAULT_STATUS = 0x34, REG_FAULT_CONTROL = 0x38, REG_FAULT_DATA = 0x3c, REG_FAULT_ADDRESS = 0x40, REG_FAULT_UPPER = 0x44,
    REG_PROTECTED = 0x64, REG_QUEUE_TAIL = 0x88, REG_QUEUE = 0x90, REG_INTERRUPTS = 0xb8, REG_END = 0xc0,
};

#define CAP_DOMAINS(cap) (1u << (4 + 2 * ((cap) & 7)))
#define CAP_FLUSH_MAPS (1ull << 4 | 1ull << 7) /* required write-buffer flushing; caching mode */
#define CAP_PROTECTED (3ull << 5)
#define CAP_LEVELS_3 (1ull << 9)
#define CAP_LEVELS_4 (1ull << 10)
#define CAP_FAULT_OFFSET(cap) (((cap) >> 24 & 0x3ff) * 16)
#define CAP_LARGE_2M (1ull << 34)
#define CAP_LARGE_1G (1ull << 35)
#define CAP_FAULTS(cap) ((uint32_t)((cap) >> 40 & 0xff) + 1)
#define CAP_DRAIN(cap) ((cap) >> 54 & 3) /* bit 0: writes, bit 1: reads */
#define ECAP_COHERENT (1ull << 0)
#define ECAP_QUEUE (1ull << 1)
#define ECAP_INTERRUPTS (1ull << 3)
#define ECAP_EIM (1ull << 4)
#define ECAP_IOTLB_OFFSET(ecap) (((ecap) >> 8 & 0x3ff) * 16)

#define TRANSLATE (1u << 31)
#define SET_ROOT (1u << 30)
#define QUEUE (1u << 26)
#define REMAP_INTERRUPTS (1u << 25)
#define SET_INTERRUPTS (1u << 24)
#define STATUS_STICKY 0x96ffffffu /* what a write of the command register must repeat */

#define CONTEXT_GLOBAL (1ull << 63 | 1ull << 61)
#define IOTLB_REGISTER 8
#define IOTLB_GLOBAL (1ull << 63 | 1ull << 60)
#define IOTLB_DRAIN 48
#define BUSY (1ull << 63)

#define QUEUE_ENTRIES 256u
#define QUEUE_CONTEXT_GLOBAL 0x11u
#define QUEUE_IOTLB_GLOBAL 0x12u
#define QUEUE_IOTLB_DRAIN 6
#define QUEUE_INTERRUPTS_GLOBAL 0x04u
#define QUEUE_WAIT (5u | 1u << 5) /* write the upper half of the descriptor */

#define FAULT_STATUS_CLEAR 0x71u /* overflow, and errors of the queue, which come from nowhere */
#define FAULT_PENDING (1ull << 63)
#define FAULT_READ (1ull << 62)
#define FAULT_MASKED (1u << 31)
#define FAULT_REASON(high) ((uint32_t)((high) >> 32 & 0xff))
#define FAULT_REASON_INTERRUPTS 0x20u
#define FAULTS_TOLD 8u /* in a second */
#define FAULTS_MAX 256u

static struct unit {
    volatile uint8_t *registers, *iotlb, *faults;
    uint64_t address, cap, ecap;
    uint16_t segment;
    uint64_t (*queue)[2];  /* pool page; null: the unit is told by registers */
    uint32_t tail;
    volatile uint32_t done; /* written by the unit */
} units[IOMMU_MAX_UNITS];
static uint32_t unit_count;
static _Atomic uint32_t lock; /* of caches; waits for the hardware only */

static uint32_t read32(const struct unit *unit, uint32_t reg) { return *(volatile uint32_t *)(unit->registers + reg); }
static uint64_t read64(const struct unit *unit, uint32_t reg) { return *(volatile uint64_t *)(unit->registers + reg); }
static void write32(const struct unit *unit, uint32_t reg, uint32_t v) { *(volatile uint32_t *)(unit->registers + reg) = v; }
static void write64(const struct unit *unit, uint32_t reg, uint64_t v) { *(volatile uint64_t *)(unit->registers + reg) = v; }

/* --- what they can --- */

static bool unit_map(struct unit *unit)
{
    unit->registers = device_map(unit->address, REG_END);
    if (!unit->registers)
        return false;
    unit->cap = read64(unit, REG_CAP);
    unit->ecap = read64(unit, REG_ECAP);
    unit->iotlb = device_map(unit->address + ECAP_IOTLB_OFFSET(unit->ecap), 16);
    unit->faults = device_map(unit->address + CAP_FAULT_OFFSET(unit->cap), CAP_FAULTS(unit->cap) * 16);
    if (unit->ecap & ECAP_QUEUE)
        unit->queue = pool_alloc(&kernel_quota);
    return unit->iotlb && unit->faults && (unit->queue || !(unit->ecap & ECAP_QUEUE));
}

const char *iommu_units_check(const struct dmar *table, struct iommu_limits *limits)
{
    uint64_t cap = ~0ull, ecap = ~0ull;
    limits->domains = ~0u;
    for (uint32_t i = 0; i < table->unit_count; i++) {
        struct unit *unit = &units[i];
        *unit = (struct unit){ .address = table->units[i].address, .segment = table->units[i].segment };
        if (!unit_map(unit))
            return "the registers of a remapping unit cannot be mapped";
        if (unit->cap == ~0ull || !unit->cap)
            return "a remapping unit is named by the DMAR table and not there";
        cap &= unit->cap;
        ecap &= unit->ecap;
        limits->flush_maps |= (unit->cap & CAP_FLUSH_MAPS) != 0;
        limits->domains = CAP_DOMAINS(unit->cap) < limits->domains ? CAP_DOMAINS(unit->cap) : limits->domains;
    }
    unit_count = table->unit_count;
    limits->levels = cap & CAP_LEVELS_4 ? 4 : 3;
    limits->max_leaf = !(cap & CAP_LARGE_2M) ? 1 : cap & CAP_LARGE_1G ? 3 : 2;
    limits->coherent = ecap & ECAP_COHERENT;
    limits->interrupts = (ecap & ECAP_INTERRUPTS) && (ecap & ECAP_QUEUE);
    limits->eim = ecap & ECAP_EIM;
    return cap & (CAP_LEVELS_4 | CAP_LEVELS_3) ? NULL : "the remapping units have no page-table format in common";
}

/* --- commands and caches --- */

/* A unit that does not answer leaves nobody who could confine a device. */
static void unit_wait(const struct unit *unit, const volatile uint32_t *value, uint32_t mask, uint32_t wanted)
{
    uint64_t end = rdtsc() + tsc_hz;
    while ((*value & mask) != wanted) {
        if (rdtsc() > end)
            panic("the IOMMU at 0x%lx does not answer", unit->address);
        cpu_pause();
    }
}

static void command(const struct unit *unit, uint32_t bit, bool on)
{
    uint32_t status = read32(unit, REG_STATUS) & STATUS_STICKY;
    write32(unit, REG_COMMAND, on ? status | bit : status & ~bit);
    unit_wait(unit, (volatile uint32_t *)(unit->registers + REG_STATUS), bit, on ? bit : 0);
}

static void submit(struct unit *unit, uint64_t low, uint64_t high)
{
    unit->queue[unit->tail][0] = low;
    unit->queue[unit->tail][1] = high;
    unit->tail = (unit->tail + 1) % QUEUE_ENTRIES;
}

static void flush_by_queue(struct unit *unit, enum iommu_cache cache)
{
    if (cache == IOMMU_TRANSLATIONS) {
        submit(unit, QUEUE_CONTEXT_GLOBAL, 0);
        submit(unit, QUEUE_IOTLB_GLOBAL | CAP_DRAIN(unit->cap) << QUEUE_IOTLB_DRAIN, 0);
    } else {
        submit(unit, QUEUE_INTERRUPTS_GLOBAL, 0);
    }
    unit->done = 0;
    submit(unit, QUEUE_WAIT | 1ull << 32, image_hpa((const void *)&unit->done));
    write64(unit, REG_QUEUE_TAIL, unit->tail * sizeof(unit->queue[0]));
    unit_wait(unit, &unit->done, 1, 1);
}

static void flush_by_registers(const struct unit *unit)
{
    write64(unit, REG_CONTEXT, CONTEXT_GLOBAL);
    unit_wait(unit, (volatile uint32_t *)(unit->registers + REG_CONTEXT + 4), BUSY >> 32, 0);
    *(volatile uint64_t *)(unit->iotlb + IOTLB_REGISTER) = IOTLB_GLOBAL | CAP_DRAIN(unit->cap) << IOTLB_DRAIN;
    unit_wait(unit, (volatile uint32_t *)(unit->iotlb + IOTLB_REGISTER + 4), BUSY >> 32, 0);
}

void iommu_flush(enum iommu_cache cache)
{
    spin_lock(&lock);
    for (uint32_t i = 0; i < unit_count; i++)
        if (units[i].queue)
            flush_by_queue(&units[i], cache);
        else if (cache == IOMMU_TRANSLATIONS)
            flush_by_registers(&units[i]);
    spin_unlock(&lock);
}

/* --- turning on --- */

static void unit_enable(struct unit *unit, uint64_t root, uint64_t interrupts, uint32_t apic_id)
{
    static const uint32_t firmware[] = { TRANSLATE, REMAP_INTERRUPTS, QUEUE }; /* may have left them on */
    for (uint32_t i = 0; i < ARRAY_COUNT(firmware); i++)
        if (read32(unit, REG_STATUS) & firmware[i])
            command(unit, firmware[i], false);
    if (unit->queue) {
        write64(unit, REG_QUEUE_TAIL, 0);
        write64(unit, REG_QUEUE, pool_hpa(unit->queue).v);
        command(unit, QUEUE, true);
    }
    write64(unit, REG_ROOT, root);
    command(unit, SET_ROOT, true);
    if (interrupts) {
        write64(unit, REG_INTERRUPTS, interrupts);
        command(unit, SET_INTERRUPTS, true);
    }
    write32(unit, REG_FAULT_DATA, VECTOR_IOMMU);
    write32(unit, REG_FAULT_ADDRESS, 0xfee00000u | (apic_id & 0xff) << 12);
    write32(unit, REG_FAULT_UPPER, apic_id & ~0xffu);
    write32(unit, REG_FAULT_CONTROL, 0);
}

void iommu_units_enable(uint64_t root, uint64_t empty, uint64_t interrupts, uint32_t apic_id)
{
    for (uint32_t i = 0; i < unit_count; i++)
        unit_enable(&units[i], units[i].segment ? empty : root, interrupts, apic_id);
    iommu_flush(IOMMU_TRANSLATIONS);
    iommu_flush(IOMMU_INTERRUPTS);
    for (uint32_t i = 0; i < unit_count; i++) {
        if (interrupts)
            command(&units[i], REMAP_INTERRUPTS, true);
        command(&units[i], TRANSLATE, true);
        if (units[i].cap & CAP_PROTECTED) /* the firmware's way to protect itself */
            write32(&units[i], REG_PROTECTED, 0);
    }
}

/* --- faults --- */

static uint64_t second; /* TSC at which `faults` began */
static uint32_t faults;

/* Devices of a domain that does not run (any more, or yet) still do what they were told before: nobody wonders. */
static void tell(uint64_t address, uint64_t high)
{
    uint16_t source = (uint16_t)high;
    const struct domain *owner = iommu_owner();
    uint32_t reason = FAULT_REASON(high);
    if (++faults > FAULTS_TOLD || (owner && owner->state != DOMAIN_RUNNING))
        return;
    const char *name = owner ? owner->name : "nobody";
    if (reason < FAULT_REASON_INTERRUPTS)
        print("kernel: DMA of device %02x:%02x.%u of domain %s refused: %s 0x%lx\n", source >> 8, source >> 3 & 31, source & 7, name,
              high & FAULT_READ ? "read of" : "write to", address & ~(uint64_t)PAGE_MASK);
    else
        print("kernel: an interrupt of device %02x:%02x.%u of domain %s refused: reason 0x%x, entry %lu\n", source >> 8, source >> 3 & 31,
              source & 7, name, reason, address >> 48);
}

void iommu_faults(void)
{
    if (rdtsc() - second > tsc_hz) {
        second = rdtsc();
        faults = 0;
    }
    for (uint32_t i = 0; i < unit_count; i++) {
        const struct unit *unit = &units[i];
        for (uint32_t n = 0; n < CAP_FAULTS(unit->cap); n++) {
            volatile uint64_t *record = (volatile uint64_t *)(unit->faults + n * 16);
            if (record[1] & FAULT_PENDING)
                tell(record[0], record[1]);
            ((volatile uint32_t *)record)[3] = FAULT_PENDING >> 32;
        }
        write32(unit, REG_FAULT_STATUS, FAULT_STATUS_CLEAR);
        if (faults > FAULTS_MAX)
            write32(unit, REG_FAULT_CONTROL, FAULT_MASKED);
    }
    if (faults > FAULTS_MAX)
        print("kernel: more than %u accesses of devices refused within a second; the next ones are not told\n", FAULTS_MAX);
}

void iommu_faults_again(void)
{
    for (uint32_t i = 0; i < unit_count; i++)
        write32(&units[i], REG_FAULT_CONTROL, 0);
}
