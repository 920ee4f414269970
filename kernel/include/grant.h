/* SPDX-License-Identifier: MIT
 * Grants: a guest shares pages of its memory with a guest that it has a peer handle to (abi/hypercall.h). The owner can take a grant back at any
 * time, without the other's consent; the end of either domain takes it back too. Manage lock held for all of these. */
#pragma once

#include "domain.h"

#define GRANT_MAX_PAGES 256u
#define GRANTS_PER_DOMAIN 32u /* that it has given */

/* Shares `pages` pages from gpa on with `peer`; *index tells the grants of this pair apart. ERR_PARAM (not RAM of the owner, or read-only for it),
 * ERR_MEMORY (too many). */
must_use enum status grant_create(struct domain *owner, struct domain *peer, uint64_t gpa, uint32_t pages, bool writable, uint32_t *index);
/* Maps what `owner` has granted to `peer` at a free place of peer's memory; *pages of it. ERR_NONE, ERR_BUSY (it is mapped already), ERR_PARAM,
 * ERR_EXISTS, ERR_MEMORY (peer's quota). */
must_use enum status grant_map(struct domain *peer, const struct domain *owner, uint64_t index, uint64_t gpa, uint32_t *pages);
/* `domain` gives a grant back that it has mapped, or takes one back that it has given. When it returns, `peer` cannot reach it any more.
 * ERR_NONE; ERR_MEMORY: the peer's tables cannot be split, nothing has changed. */
must_use enum status grant_end(struct domain *domain, struct domain *other, uint64_t index);
/* The domain goes away: all grants from it and to it end. */
void grant_release(struct domain *domain);
