/* SPDX-License-Identifier: MIT
 * Whose devices see what: root and context tables, the domains' second-level tables, the interrupt remapping table (VT-d specification
 * chapters 3, 5 and 9). All 256 busses share one context table. */
#include "iommu.h"
#include "acpi.h"
#include "api.h"
#include "sync.h"
#include "vendor.h"
#include "x86.h"

#define ENTRIES 256u
#define PRESENT 1ull

#define WIDTH(levels) ((levels) - 2u)     /* in a context entry */
#define DOMAIN_ID(id) ((id) + 1u)         /* 0 is the hardware's in caching mode */
#define DOMAIN_SHIFT 8

#define INTERRUPT_SILENT (1ull << 1) /* no fault is recorded for an entry that is not present: devices may send messages for ever */
#define INTERRUPT_LEVEL (1ull << 4)
#define INTERRUPT_VECTOR 16
#define INTERRUPT_TO 32
#define INTERRUPT_TO_XAPIC 40
#define INTERRUPT_VERIFY (1ull << 18) /* all bits of the source */
#define TABLE_256 7u /* 2^(7+1) entries */
#define TABLE_EIM (1u << 11)

struct entry {
    uint64_t low, high;
};
_Static_assert(ENTRIES * sizeof(struct entry) == PAGE_SIZE, "each of these tables is one page");

static struct entry *root, *contexts, *interrupts;
static const struct domain *owner; /* of the devices */
static struct iommu_limits limits;
static bool wide; /* interrupts go to 32-bit APIC ids */

bool iommu_active(void) { return root != NULL; }
bool iommu_remaps(void) { return interrupts != NULL; }

/* The units do not see the caches of this CPU, on which everything that they are to see was written. */
static void settle(void)
{
    if (!limits.coherent)
        wbinvd();
}

static void flush(enum iommu_cache cache)
{
    settle();
    iommu_flush(cache);
}

static void flush_translations(void *context)
{
    (void)context;
    flush(IOMMU_TRANSLATIONS);
}

/* The hardware reads the two halves as it likes: the one with the present bit goes first and comes last. */
static void entry_set(struct entry *entry, uint64_t low, uint64_t high)
{
    __atomic_store_n(&entry->low, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&entry->high, high, __ATOMIC_RELEASE);
    __atomic_store_n(&entry->low, low, __ATOMIC_RELEASE);
}

/* --- start --- */

/* Why interrupts are not remapped; null if they can be. */
static const char *interrupts_problem(void)
{
    wide = rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD;
    if (!dmar.interrupts || !limits.interrupts)
        return "not offered";
    return wide && !limits.eim ? "not offered for 32-bit APIC ids" : NULL;
}

static const char *start(uint32_t apic_id, const char *problem)
{
    struct entry *tables[] = { pool_alloc(&kernel_quota), pool_alloc(&kernel_quota), pool_alloc(&kernel_quota), pool_alloc(&kernel_quota) };
    for (uint32_t i = 0; i < ARRAY_COUNT(tables); i++)
        if (!tables[i])
            return "there is no memory for its tables";
    root = tables[0];
    contexts = tables[1];
    for (uint32_t bus = 0; bus < ENTRIES; bus++) {
        entry_set(&root[bus], pool_hpa(contexts).v | PRESENT, 0);
        entry_set(&tables[2][bus], INTERRUPT_SILENT, 0);
    }
    interrupts = problem ? NULL : tables[2];
    settle();
    iommu_units_enable(pool_hpa(root).v, pool_hpa(tables[3]).v,
                       problem ? 0 : pool_hpa(interrupts).v | (wide ? TABLE_EIM : 0) | TABLE_256, apic_id);
    return NULL;
}

void iommu_init(uint32_t apic_id)
{
    if (!dmar.unit_count)
        return;
    const char *problem = iommu_units_check(&dmar, &limits), *no_interrupts = interrupts_problem();
    if (!problem && limits.domains <= DOMAIN_ID(MAX_DOMAINS - 1))
        problem = "the remapping units know too few domains";
    if (!problem)
        problem = start(apic_id, no_interrupts);
    if (problem)
        print("iommu: VT-d is not used: %s\n", problem);
    else
        print("iommu: VT-d, %u unit%s, %u-level tables; interrupt remapping %s%s\n", dmar.unit_count, dmar.unit_count > 1 ? "s" : "",
              limits.levels, no_interrupts ? "is off: " : "is on", no_interrupts ? no_interrupts : "");
}

/* --- devices --- */

static void contexts_set(uint64_t low, uint64_t high)
{
    for (uint32_t i = 0; i < ENTRIES; i++)
        entry_set(&contexts[i], low, high);
    flush(IOMMU_TRANSLATIONS);
}

enum status iommu_give(struct domain *domain)
{
    if (!root)
        return ERR_SUPPORT;
    if (domain->guest_pages)
        return ERR_BUSY;
    enum status status = domain->dma.root ? OK : pt_create(&domain->dma, limits.levels == 4 ? &pt_vtd4 : &pt_vtd3, &domain->quota, limits.max_leaf);
    if (status != OK)
        return status;
    domain->dma.new_tables = settle;
    owner = domain;
    contexts_set(pool_hpa(domain->dma.root).v | PRESENT, DOMAIN_ID(domain->id) << DOMAIN_SHIFT | WIDTH(limits.levels));
    iommu_faults_again();
    return OK;
}

const struct domain *iommu_owner(void) { return owner; }

void iommu_release(struct domain *domain)
{
    if (!domain->dma.root)
        return;
    if (owner == domain) {
        contexts_set(0, 0);
        owner = NULL;
    }
    pt_destroy(&domain->dma);
}

enum status iommu_map(struct domain *domain, uint64_t gpa, uint64_t hpa, uint64_t size, bool writable)
{
    if (!domain->dma.root)
        return OK;
    enum status status = pt_map(&domain->dma, gpa, hpa, size, PT_READ | (writable ? PT_WRITE : 0));
    if (status == OK && limits.flush_maps)
        flush(IOMMU_TRANSLATIONS);
    else
        settle();
    return status;
}

enum status iommu_unmap(struct domain *domain, uint64_t gpa, uint64_t size)
{
    return domain->dma.root ? pt_unmap(&domain->dma, gpa, size, flush_translations, NULL) : OK;
}

/* --- interrupts --- */

/* The lock: a storm is masked from the interrupt's own handler, while its owner may name another source. */
static void interrupt_set(uint8_t vector, uint64_t low, uint64_t high)
{
    static _Atomic uint32_t lock;
    spin_lock(&lock);
    entry_set(&interrupts[vector], low, high);
    spin_unlock(&lock);
    flush(IOMMU_INTERRUPTS);
}

void iommu_interrupt(uint8_t vector, uint32_t apic_id, bool level, uint32_t source)
{
    if (!interrupts)
        return;
    uint64_t low = (uint64_t)apic_id << (wide ? INTERRUPT_TO : INTERRUPT_TO_XAPIC) | (uint64_t)vector << INTERRUPT_VECTOR |
                   (level ? INTERRUPT_LEVEL : 0) | PRESENT;
    interrupt_set(vector, low, source < IOMMU_ANY ? INTERRUPT_VERIFY | source : 0);
}

void iommu_interrupt_end(uint8_t vector)
{
    if (interrupts)
        interrupt_set(vector, INTERRUPT_SILENT, 0);
}

uint32_t iommu_ioapic_source(uint8_t id)
{
    for (uint32_t i = 0; i < dmar.ioapic_count; i++)
        if (dmar.ioapics[i].id == id)
            return dmar.ioapics[i].source;
    return IOMMU_ANY;
}
