/* SPDX-License-Identifier: MIT
 * The kernel's fixed pool of 4 KiB pages. Every page is charged to a quota. Pages come zeroed. Any CPU; takes the pool lock. */
#pragma once

#include "types.h"

struct quota {
    uint32_t limit, used; /* pages */
};
extern struct quota kernel_quota;

/* A zeroed page, or null if the quota or the pool is exhausted. */
must_use void *pool_alloc(struct quota *quota);
/* Zeroes and frees. page may be null. */
void pool_free(struct quota *quota, void *page);
/* Moves `pages` from the pool's unreserved rest into a new quota: what a quota promises is there. ERR_MEMORY. */
must_use enum status quota_reserve(struct quota *quota, uint32_t pages);
void quota_release(struct quota *quota); /* used must be 0 */

hpa_t pool_hpa(const void *page);
void *pool_at(hpa_t hpa); /* a page of the pool by its machine address */
uint64_t pool_size(void);  /* bytes */
uint64_t pool_used(void);  /* bytes, allocated */
