/* SPDX-License-Identifier: MIT
 * The kernel's pool: a bitmap of pages, at the pool's own beginning. */
#include "pool.h"
#include "api.h"
#include "boot.h"
#include "sync.h"
#include "x86.h"
#include <string.h>

#define LARGE_PAGE 0x200000ull
#define POOL_MIN (4ull << 20)
#define POOL_MAX (KERNEL_STACKS - KERNEL_POOL)
#define POOL_SHARE 1024 /* of free memory, if that is more than POOL_MIN */
#define BOOT_LARGE 0x83 /* present, writable, 2 MiB */

extern uint64_t boot_pd_high[512]; /* boot/multiboot2.S: maps KERNEL_BASE and on */

struct quota kernel_quota;
static uint64_t base, size; /* machine address, bytes */
static uint64_t *map;       /* bit set: in use */
static uint64_t used, hint; /* pages; word of the bitmap to look at first */
static _Atomic uint32_t lock;

const char *pool_init(void)
{
    size = ALIGN_UP(memory_free() / POOL_SHARE, LARGE_PAGE);
    size = size < POOL_MIN ? POOL_MIN : size > POOL_MAX ? POOL_MAX : size;
    base = memory_take(size, LARGE_PAGE, ~0ull, RANGE_KERNEL);
    if (!base)
        return "there are no 4 MiB of free memory in one piece for the kernel's pool: too little memory, or too many and large modules";
    uint64_t index = (KERNEL_POOL - KERNEL_BASE) / LARGE_PAGE;
    for (uint64_t at = 0; at < size; at += LARGE_PAGE)
        boot_pd_high[index++] = (base + at) | BOOT_LARGE;
    write_cr3(read_cr3());
    map = (uint64_t *)KERNEL_POOL;
    memset(map, 0, size);
    used = ALIGN_UP(size / PAGE_SIZE / 8, PAGE_SIZE) / PAGE_SIZE;
    for (uint64_t i = 0; i < used; i++)
        map[i / 64] |= 1ull << (i % 64);
    kernel_quota = (struct quota){ .limit = size / PAGE_SIZE, .used = used };
    return NULL;
}

/* A page number, or 0 (the bitmap itself) if all are taken. */
static uint64_t find_page(void)
{
    uint64_t words = size / PAGE_SIZE / 64;
    for (uint64_t n = 0; n < words; n++) {
        uint64_t word = (hint + n) % words;
        if (~map[word]) {
            hint = word;
            return word * 64 + __builtin_ctzl(~map[word]);
        }
    }
    return 0;
}

void *pool_alloc(struct quota *quota)
{
    void *page = NULL;
    spin_lock(&lock);
    uint64_t i = quota->used < quota->limit ? find_page() : 0;
    if (i) {
        map[i / 64] |= 1ull << (i % 64);
        quota->used++;
        used++;
        page = (void *)(KERNEL_POOL + i * PAGE_SIZE);
    }
    spin_unlock(&lock);
    return page;
}

void pool_free(struct quota *quota, void *page)
{
    if (!page)
        return;
    uint64_t i = ((uint64_t)page - KERNEL_POOL) / PAGE_SIZE;
    assert((uint64_t)page >= KERNEL_POOL && i < size / PAGE_SIZE && !((uint64_t)page & PAGE_MASK));
    memset(page, 0, PAGE_SIZE);
    spin_lock(&lock);
    assert((map[i / 64] >> (i % 64)) & 1 && quota->used > 0);
    map[i / 64] &= ~(1ull << (i % 64));
    quota->used--;
    used--;
    spin_unlock(&lock);
}

enum status quota_reserve(struct quota *quota, uint32_t pages)
{
    enum status status = ERR_MEMORY;
    spin_lock(&lock);
    if (kernel_quota.limit - kernel_quota.used >= pages) {
        kernel_quota.limit -= pages;
        quota->limit += pages;
        status = OK;
    }
    spin_unlock(&lock);
    return status;
}

void quota_release(struct quota *quota)
{
    assert(quota->used == 0);
    spin_lock(&lock);
    kernel_quota.limit += quota->limit;
    quota->limit = 0;
    spin_unlock(&lock);
}

hpa_t pool_hpa(const void *page)
{
    return HPA((uint64_t)page - KERNEL_POOL + base);
}

void *pool_at(hpa_t hpa)
{
    return (void *)(hpa.v - base + KERNEL_POOL);
}

uint64_t pool_size(void)
{
    return size;
}

uint64_t pool_used(void)
{
    return used * PAGE_SIZE;
}
