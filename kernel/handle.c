/* SPDX-License-Identifier: MIT
 * Handle tables. */
#include "handle.h"
#include "event.h"

static void release(struct handle *handle)
{
    uint8_t kind = handle->kind;
    void *object = handle->object;
    __atomic_store_n(&handle->kind, OBJECT_NONE, __ATOMIC_RELEASE);
    handle->object = NULL;
    if (kind == OBJECT_EVENT)
        event_release(object);
}

enum status handle_add(struct domain *domain, enum object_kind kind, void *object, uint8_t rights, handle_t *out)
{
    for (uint32_t i = 0; i < MAX_HANDLES; i++) {
        struct handle *handle = &domain->handles[i];
        if (handle->kind != OBJECT_NONE)
            continue;
        handle->object = object;
        handle->rights = rights;
        __atomic_store_n(&handle->kind, kind, __ATOMIC_RELEASE);
        if (kind == OBJECT_EVENT)
            ((struct event *)object)->references++;
        *out = i;
        return OK;
    }
    return ERR_MEMORY;
}

void *handle_object(const struct domain *domain, uint64_t number, enum object_kind kind, uint8_t rights)
{
    if (number >= MAX_HANDLES)
        return NULL;
    const struct handle *handle = &domain->handles[number];
    if (__atomic_load_n(&handle->kind, __ATOMIC_ACQUIRE) != kind || (handle->rights & rights) != rights)
        return NULL;
    return handle->object;
}

enum status handle_close(struct domain *domain, uint64_t number)
{
    if (number >= MAX_HANDLES || domain->handles[number].kind == OBJECT_NONE)
        return ERR_HANDLE;
    release(&domain->handles[number]);
    return OK;
}

enum status handle_inherit(struct domain *from, struct domain *to)
{
    for (uint32_t i = 0; i < MAX_HANDLES; i++)
        if (to->handles[i].kind != OBJECT_NONE)
            return ERR_EXISTS;
    for (uint32_t i = 0; i < MAX_HANDLES; i++) {
        if (from->handles[i].kind != OBJECT_EVENT)
            continue;
        to->handles[i] = from->handles[i];
        from->handles[i] = (struct handle){ 0 };
    }
    return OK;
}

void handle_close_all(struct domain *domain)
{
    for (uint32_t i = 0; i < MAX_HANDLES; i++)
        if (domain->handles[i].kind != OBJECT_NONE)
            release(&domain->handles[i]);
}

void handle_purge(const void *object)
{
    for (uint32_t d = 0; d < MAX_DOMAINS; d++) {
        struct domain *domain = domain_by_index(d);
        for (uint32_t i = 0; domain && i < MAX_HANDLES; i++)
            if (domain->handles[i].kind != OBJECT_NONE && domain->handles[i].object == object)
                release(&domain->handles[i]);
    }
}

uint32_t handle_count(const struct domain *domain)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < MAX_HANDLES; i++)
        count += domain->handles[i].kind != OBJECT_NONE;
    return count;
}
