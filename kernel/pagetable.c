/* SPDX-License-Identifier: MIT
 * The walker of all page tables. No table but the root is ever empty. Entries are written whole, since the hardware may be
 * walking, and no page that was ever linked is freed before a flush: a CPU may have cached the entry that pointed to it. */
#include "pagetable.h"
#include "pagetable_format.h"

#define INDEX(va, level) (((va) >> SHIFT(level)) & (PT_ENTRIES - 1))
#define SHIFT(level) (PAGE_SHIFT + 9 * ((level) - 1))
#define SPAN(level) (1ull << SHIFT(level))
#define HOST_HALF (1ull << 47)
#define TABLE_END (1ull << 48)
#define END_OF(table) (1ull << SHIFT((table)->levels + 1))

const uint64_t *pt_kernel_root;

/* A piece of work: [va, end) without sign extension. */
struct job {
    struct page_table *table;
    const struct pt_format *format;
    uint64_t va, end;
    uint64_t pa;      /* pt_map: of va */
    uint64_t bits;    /* pt_map: of a leaf at level 1 */
    uint64_t need;    /* pt_map: table pages to add */
    uint64_t chain;   /* machine address of the first of the table pages to link or to free; each has the next in entry 0 */
    bool changed;
};

static void entry_write(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static bool is_leaf(uint64_t entry, int level)
{
    return level == 1 || (entry & PT_LARGE);
}

static uint64_t *child_of(uint64_t entry)
{
    return pool_at(HPA(entry & PT_ADDRESS));
}

static bool is_empty(const struct pt_format *format, const uint64_t *node)
{
    for (int i = 0; i < PT_ENTRIES; i++)
        if (node[i] & format->present)
            return false;
    return true;
}

/* For each entry of a node that begins at `start`, as far as the job reaches: at = address of its part. */
#define FOR_ENTRIES(job, node, level, start, at, entry) \
    for (uint64_t at = ALIGN_DOWN((job)->va > (start) ? (job)->va : (start), SPAN(level)), \
                  *entry = &(node)[INDEX(at, level)]; \
         at < (job)->end && at < (start) + SPAN((level) + 1); at += SPAN(level), entry++)

static bool fits_leaf(const struct job *job, uint64_t at, int level)
{
    return level <= job->table->max_leaf && at >= job->va && at + SPAN(level) <= job->end &&
           !((job->pa + (at - job->va)) & (SPAN(level) - 1));
}

/* --- create, destroy ------------------------------------------------------------------------------------------- */

enum status pt_create(struct page_table *table, const struct pt_format *format, struct quota *quota, uint8_t max_leaf)
{
    assert(max_leaf >= 1 && max_leaf <= 3);
    uint64_t *root = pool_alloc(quota);
    if (!root)
        return ERR_MEMORY;
    if (format->host && pt_kernel_root)
        for (int i = PT_ENTRIES / 2; i < PT_ENTRIES; i++)
            root[i] = pt_kernel_root[i];
    *table = (struct page_table){ .format = format, .root = root, .quota = quota, .max_leaf = max_leaf, .levels = format->levels };
    return OK;
}

static void free_children(struct page_table *table, uint64_t *node, int level, int count)
{
    for (int i = 0; i < count; i++)
        if ((node[i] & table->format->present) && !is_leaf(node[i], level)) {
            uint64_t *child = child_of(node[i]);
            if (level > 2)
                free_children(table, child, level - 1, PT_ENTRIES);
            pool_free(table->quota, child);
        }
}

void pt_destroy(struct page_table *table)
{
    if (!table->root)
        return;
    free_children(table, table->root, table->levels, table->format->host ? PT_ENTRIES / 2 : PT_ENTRIES);
    pool_free(table->quota, table->root);
    table->root = NULL;
}

/* --- map --------------------------------------------------------------------------------------------------------- */

static uint64_t leaf_bits(const struct pt_format *format, unsigned rights)
{
    return format->leaf | (rights & PT_WRITE ? format->write : 0) | (rights & PT_EXEC ? format->exec : format->no_exec) |
           (rights & PT_USER ? format->user : format->kernel) | (rights & PT_DEVICE ? format->device : format->cached);
}

static bool check_range(const struct page_table *table, uint64_t va, uint64_t size)
{
    if (!size || ((va | size) & PAGE_MASK) || va + size - 1 < va)
        return false;
    if (!table->format->host)
        return va + size - 1 < END_OF(table);
    return va + size - 1 < HOST_HALF || va >= -HOST_HALF;
}

static bool check_rights(const struct page_table *table, uint64_t va, unsigned rights)
{
    if (!(rights & PT_READ))
        return false;
    if (!table->format->host)
        return true;
    if ((rights & PT_WRITE) && (rights & PT_EXEC))
        return false;
    return (va < HOST_HALF) == !!(rights & PT_USER);
}

/* Is nothing mapped there, and how many tables are missing? */
static enum status check_free(struct job *job, const uint64_t *node, int level, uint64_t start)
{
    static const uint64_t no_table[PT_ENTRIES];
    FOR_ENTRIES(job, (uint64_t *)node, level, start, at, entry) {
        bool present = *entry & job->format->present;
        if (present && is_leaf(*entry, level))
            return ERR_EXISTS;
        if (!present && fits_leaf(job, at, level))
            continue;
        job->need += !present;
        if (job->need > job->table->quota->limit)
            return ERR_MEMORY;
        if (!present && level == 2)
            continue;
        enum status status = check_free(job, present ? child_of(*entry) : no_table, level - 1, at);
        if (status != OK)
            return status;
    }
    return OK;
}

/* --- chains of table pages: the next one's address is in entry 0, bits 51:12, which is not present in any format ---- */

static void chain_put(struct job *job, uint64_t *page)
{
    entry_write(&page[0], job->chain);
    job->chain = pool_hpa(page).v;
}

static uint64_t *chain_take(struct job *job)
{
    uint64_t *page = pool_at(HPA(job->chain));
    job->chain = page[0];
    page[0] = 0;
    return page;
}

static void chain_free(struct job *job)
{
    while (job->chain)
        pool_free(job->table->quota, chain_take(job));
}

static enum status chain_fill(struct job *job, uint64_t count)
{
    while (count--) {
        uint64_t *page = pool_alloc(job->table->quota);
        if (!page) {
            chain_free(job);
            return ERR_MEMORY;
        }
        chain_put(job, page);
    }
    return OK;
}

static void commit(struct job *job, uint64_t *node, int level, uint64_t start)
{
    FOR_ENTRIES(job, node, level, start, at, entry) {
        if (fits_leaf(job, at, level)) {
            entry_write(entry, (job->pa + (at - job->va)) | job->bits | (level > 1 ? PT_LARGE : 0));
            continue;
        }
        if (!(*entry & job->format->present))
            entry_write(entry, pool_hpa(chain_take(job)).v | job->format->table);
        commit(job, child_of(*entry), level - 1, at);
    }
}

enum status pt_map(struct page_table *table, uint64_t va, uint64_t pa, uint64_t size, unsigned rights)
{
    if (!check_range(table, va, size) || !check_rights(table, va, rights))
        return ERR_PARAM;
    if ((pa & PAGE_MASK) || pa >= PT_ADDRESS_END || size > PT_ADDRESS_END - pa)
        return ERR_PARAM;
    uint64_t low = va & (TABLE_END - 1);
    struct job job = { .table = table, .format = table->format, .va = low, .end = low + size, .pa = pa,
                       .bits = leaf_bits(table->format, rights) };
    enum status status = check_free(&job, table->root, table->levels, 0);
    if (status == OK)
        status = chain_fill(&job, job.need);
    if (status != OK)
        return status;
    if (job.need && table->new_tables)
        table->new_tables();
    commit(&job, table->root, table->levels, 0);
    assert(!job.chain);
    return OK;
}

/* --- unmap ------------------------------------------------------------------------------------------------------- */

/* The level of the leaf that maps va, 0 if none. */
static int leaf_level(const struct page_table *table, uint64_t va, uint64_t **leaf)
{
    uint64_t *node = table->root;
    for (int level = table->levels; level >= 1; level--) {
        uint64_t *entry = &node[INDEX(va, level)];
        if (!(*entry & table->format->present))
            return 0;
        if (is_leaf(*entry, level)) {
            *leaf = entry;
            return level;
        }
        node = child_of(*entry);
    }
    return 0;
}

/* Splits of large leaves needed so that leaves begin at va and at end. */
static uint32_t count_splits(const struct page_table *table, uint64_t va, uint64_t end)
{
    uint64_t *leaf;
    int va_level = leaf_level(table, va, &leaf), end_level = end < TABLE_END ? leaf_level(table, end, &leaf) : 0;
    uint32_t count = 0;
    for (int level = 3; level > 1; level--) {
        bool at_va = level <= va_level && (va & (SPAN(level) - 1));
        bool at_end = level <= end_level && (end & (SPAN(level) - 1));
        bool same = va >> SHIFT(level) == end >> SHIFT(level);
        count += at_va + (at_end && !(at_va && same));
    }
    return count;
}

/* The large leaf becomes a table of leaves one level below that translate alike. */
static void split(struct job *job, uint64_t border)
{
    uint64_t *leaf;
    int level = leaf_level(job->table, border, &leaf);
    while (level > 1 && (border & (SPAN(level) - 1))) {
        uint64_t *child = chain_take(job);
        uint64_t piece = level == 2 ? *leaf & ~PT_LARGE : *leaf;
        for (int i = 0; i < PT_ENTRIES; i++)
            child[i] = piece + (uint64_t)i * SPAN(level - 1);
        entry_write(leaf, pool_hpa(child).v | job->format->table);
        level--;
        leaf = &child[INDEX(border, level)];
    }
}

/* Clears the leaves; tables that become empty are unlinked and chained. A CPU that still walks there finds nothing. */
static void clear(struct job *job, uint64_t *node, int level, uint64_t start)
{
    FOR_ENTRIES(job, node, level, start, at, entry) {
        if (!(*entry & job->format->present))
            continue;
        if (is_leaf(*entry, level)) {
            entry_write(entry, 0);
            job->changed = true;
            continue;
        }
        uint64_t *child = child_of(*entry);
        clear(job, child, level - 1, at);
        if (is_empty(job->format, child)) {
            entry_write(entry, 0);
            chain_put(job, child);
        }
    }
}

enum status pt_unmap(struct page_table *table, uint64_t va, uint64_t size, void (*flush)(void *context), void *context)
{
    if (!check_range(table, va, size))
        return ERR_PARAM;
    uint64_t low = va & (TABLE_END - 1);
    struct job job = { .table = table, .format = table->format, .va = low, .end = low + size };
    if (chain_fill(&job, count_splits(table, job.va, job.end)) != OK)
        return ERR_MEMORY;
    split(&job, job.va);
    if (job.end < TABLE_END)
        split(&job, job.end);
    assert(!job.chain);
    clear(&job, table->root, table->levels, 0);
    if (job.changed && flush)
        flush(context);
    chain_free(&job);
    return OK;
}

/* --- lookup ------------------------------------------------------------------------------------------------------ */

bool pt_lookup(const struct page_table *table, uint64_t va, uint64_t *pa, unsigned *rights)
{
    const struct pt_format *format = table->format;
    uint64_t *leaf;
    if (!check_range(table, va & ~PAGE_MASK, PAGE_SIZE))
        return false;
    int level = leaf_level(table, va, &leaf);
    if (!level)
        return false;
    *pa = (*leaf & PT_ADDRESS & ~(SPAN(level) - 1)) | (va & (SPAN(level) - 1));
    *rights = PT_READ | (*leaf & format->write ? PT_WRITE : 0) | (*leaf & format->user ? PT_USER : 0);
    if (format->exec ? *leaf & format->exec : !(*leaf & format->no_exec))
        *rights |= PT_EXEC;
    if ((*leaf & format->memory_type) == format->device)
        *rights |= PT_DEVICE;
    return true;
}
