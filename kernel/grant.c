/* SPDX-License-Identifier: MIT
 * Grants. */
#include "grant.h"

#define MAX_GRANTS 256u

static struct grant {
    struct domain *owner; /* null: free */
    struct domain *peer;
    uint64_t gpa, mapped; /* in the owner; in the peer, 0: not */
    uint32_t pages, index;
    bool writable;
} grants[MAX_GRANTS];

static struct grant *find(const struct domain *owner, const struct domain *peer, uint64_t index)
{
    for (uint32_t i = 0; i < MAX_GRANTS; i++)
        if (grants[i].owner == owner && grants[i].peer == peer && grants[i].index == index)
            return &grants[i];
    return NULL;
}

/* The machine page behind a page of the owner's RAM, 0: it is none that may be shared so. */
static uint64_t page_of(const struct domain *owner, uint64_t gpa, bool writable)
{
    uint64_t hpa;
    unsigned rights;
    if (!pt_lookup(&owner->guest, gpa, &hpa, &rights) || (rights & PT_DEVICE) || (writable && !(rights & PT_WRITE)))
        return 0;
    return hpa;
}

/* A page that somebody has granted to the owner is not the owner's to grant. */
static bool foreign(const struct domain *owner, uint64_t gpa, uint32_t pages)
{
    for (uint32_t i = 0; i < MAX_GRANTS; i++) {
        const struct grant *grant = &grants[i];
        if (grant->owner && grant->peer == owner && grant->mapped && gpa < grant->mapped + grant->pages * PAGE_SIZE &&
            grant->mapped < gpa + pages * PAGE_SIZE)
            return true;
    }
    return false;
}

enum status grant_create(struct domain *owner, struct domain *peer, uint64_t gpa, uint32_t pages, bool writable, uint32_t *index)
{
    struct grant *free = NULL;
    uint32_t given = 0;
    if (owner == peer || !pages || pages > GRANT_MAX_PAGES || (gpa & PAGE_MASK) || foreign(owner, gpa, pages))
        return ERR_PARAM;
    for (uint32_t i = 0; i < pages; i++)
        if (!page_of(owner, gpa + i * PAGE_SIZE, writable))
            return ERR_PARAM;
    for (uint32_t i = 0; i < MAX_GRANTS; i++) {
        given += grants[i].owner == owner;
        if (!grants[i].owner)
            free = &grants[i];
    }
    if (!free || given == GRANTS_PER_DOMAIN)
        return ERR_MEMORY;
    *free = (struct grant){ .peer = peer, .gpa = gpa, .pages = pages, .writable = writable };
    while (find(owner, peer, free->index))
        free->index++;
    free->owner = owner;
    *index = free->index;
    return OK;
}

enum status grant_map(struct domain *peer, const struct domain *owner, uint64_t index, uint64_t gpa, uint32_t *pages)
{
    struct grant *grant = find(owner, peer, index);
    if (!grant || grant->mapped)
        return grant ? ERR_BUSY : ERR_NONE;
    if (!gpa)
        return ERR_PARAM;
    uint32_t how = SPACE_GUEST | MAP_READ | (grant->writable ? MAP_WRITE : 0);
    enum status status = OK;
    uint32_t done = 0;
    while (done < grant->pages && status == OK) {
        uint64_t offset = done * PAGE_SIZE, hpa = page_of(owner, grant->gpa + offset, grant->writable);
        status = hpa ? domain_map(peer, how, hpa, gpa + offset, PAGE_SIZE) : ERR_NONE;
        done += status == OK;
    }
    if (status != OK && done && domain_unmap(peer, SPACE_GUEST, gpa, done * PAGE_SIZE) == OK)
        return status;
    grant->mapped = done ? gpa : 0; /* single pages need no split: what could not be unmapped is there for grant_end() */
    *pages = grant->pages;
    return status;
}

enum status grant_end(struct domain *domain, struct domain *other, uint64_t index)
{
    struct grant *given = find(domain, other, index), *grant = given ? given : find(other, domain, index);
    if (!grant || (!given && !grant->mapped))
        return ERR_NONE;
    enum status status = grant->mapped ? domain_unmap(grant->peer, SPACE_GUEST, grant->mapped, grant->pages * PAGE_SIZE) : OK;
    if (status == OK)
        grant->mapped = 0;
    if (status == OK && given)
        grant->owner = NULL;
    return status;
}

void grant_release(struct domain *domain)
{
    for (uint32_t i = 0; i < MAX_GRANTS; i++) {
        struct grant *grant = &grants[i];
        if (grant->owner == domain && grant->mapped)
            (void)!domain_unmap(grant->peer, SPACE_GUEST, grant->mapped, grant->pages * PAGE_SIZE);
        if (grant->owner == domain || grant->peer == domain)
            grant->owner = NULL;
    }
}
