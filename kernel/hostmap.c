/* SPDX-License-Identifier: MIT
 * The kernel's own address space. */
#include "hostmap.h"
#include "api.h"
#include "boot.h"
#include "x86.h"

#define MAX_DEVICE_PAGES 32
#define LARGE_LEAF 2
#define LARGE_PAGE 0x200000ull

extern const char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[]; /* linker.ld */
extern const uint64_t boot_pml4[]; /* boot/multiboot2.S */

static struct page_table table;
static uint64_t device_pages[MAX_DEVICE_PAGES];
static uint32_t device_count;

static enum status map_image(const char *start, const char *end, unsigned rights)
{
    return pt_map(&table, (uint64_t)start, (uint64_t)start - KERNEL_BASE, (uint64_t)(end - start), PT_READ | rights);
}

const char *hostmap_init(void)
{
    if (pt_create(&table, &pt_host, &kernel_quota, LARGE_LEAF) != OK ||
        map_image(text_start, text_end, PT_EXEC) != OK ||
        map_image(rodata_start, rodata_end, 0) != OK ||
        map_image(data_start, data_end, PT_WRITE) != OK ||
        pt_map(&table, KERNEL_POOL, pool_hpa((void *)KERNEL_POOL).v, pool_size(), PT_READ | PT_WRITE) != OK)
        return "the kernel's page tables cannot be built";
    table.root[0] = boot_pml4[0];
    pt_kernel_root = table.root;
    return NULL;
}

uint64_t hostmap_cr3(void)
{
    return pool_hpa(table.root).v;
}

static enum status map_fresh(uint64_t va)
{
    void *page = pool_alloc(&kernel_quota);
    if (!page)
        return ERR_MEMORY;
    enum status status = pt_map(&table, va, pool_hpa(page).v, PAGE_SIZE, PT_READ | PT_WRITE);
    if (status != OK)
        pool_free(&kernel_quota, page);
    return status;
}

void *hostmap_cpu_slot(uint32_t index)
{
    static const uint8_t first[] = { CPU_MC_PAGE, CPU_DF_PAGE, CPU_NMI_PAGE };
    uint64_t slot = KERNEL_STACKS + (uint64_t)index * CPU_SLOT, cpu = slot + CPU_SLOT - PAGE_SIZE;
    for (uint32_t i = 0; i < ARRAY_COUNT(first); i++)
        if (map_fresh(slot + first[i] * PAGE_SIZE) != OK)
            return NULL;
    for (uint64_t i = 0; i <= CPU_STACK_PAGES; i++)
        if (map_fresh(cpu - i * PAGE_SIZE) != OK)
            return NULL;
    return (void *)cpu;
}

void hostmap_finish(void)
{
    table.root[0] = 0;
    write_cr3(read_cr3());
}

static volatile uint8_t *device_page(uint64_t hpa)
{
    uint32_t i = 0;
    while (i < device_count && device_pages[i] != hpa)
        i++;
    uint64_t va = KERNEL_DEVICES + i * PAGE_SIZE;
    if (i == device_count) {
        if (i == MAX_DEVICE_PAGES || pt_map(&table, va, hpa, PAGE_SIZE, PT_READ | PT_WRITE | PT_DEVICE) != OK)
            return NULL;
        device_pages[device_count++] = hpa;
    }
    return (volatile uint8_t *)va;
}

volatile void *device_map(uint64_t hpa, uint64_t size)
{
    uint64_t offset = hpa & PAGE_MASK;
    if (offset + size > PAGE_SIZE)
        return NULL;
    volatile uint8_t *page = device_page(hpa - offset);
    return page ? page + offset : NULL;
}

volatile void *hostmap_screen(uint64_t hpa, uint64_t size)
{
    uint64_t start = ALIGN_DOWN(hpa, LARGE_PAGE), end = ALIGN_UP(hpa + size, PAGE_SIZE);
    uint64_t first = ALIGN_DOWN(hpa, PAGE_SIZE), va = KERNEL_SCREEN + (first - start); /* large pages where they fit */
    if (pt_map(&table, va, first, end - first, PT_READ | PT_WRITE | PT_DEVICE) != OK)
        return NULL;
    return (volatile uint8_t *)KERNEL_SCREEN + (hpa - start);
}

bool device_mapped(uint64_t base, uint64_t size)
{
    for (uint32_t i = 0; i < device_count; i++)
        if (base < device_pages[i] + PAGE_SIZE && device_pages[i] < base + size)
            return true;
    return false;
}
