/* SPDX-License-Identifier: MIT
 * Handles: a process reaches kernel objects through its own table only; the handle is the capability. */
#pragma once

#include "domain.h"

enum object_kind { OBJECT_NONE, OBJECT_DOMAIN, OBJECT_VCPU, OBJECT_EVENT };

struct handle {
    void *object;
    uint8_t kind;   /* enum object_kind */
    uint8_t rights; /* RIGHT_* */
};
_Static_assert(MAX_HANDLES * sizeof(struct handle) <= 4096, "a table is one page");

/* A handle to object in the domain's table; takes a reference of an event. Manage lock held. ERR_MEMORY if the table is full. */
must_use enum status handle_add(struct domain *domain, enum object_kind kind, void *object, uint8_t rights, handle_t *out);
/* The object, or null if there is no such handle, it is of another kind or lacks a right. For events the manage lock
 * is not needed: an event's memory is never reused while a CPU may look at it (sync_cpus). */
void *handle_object(const struct domain *domain, uint64_t handle, enum object_kind kind, uint8_t rights);
/* Closes one. ERR_HANDLE. Manage lock held. */
must_use enum status handle_close(struct domain *domain, uint64_t handle);
/* Moves all handles to events from one table to another, which must be empty (ERR_EXISTS). Manage lock held. */
must_use enum status handle_inherit(struct domain *from, struct domain *to);
/* Closes every handle of the domain; every handle to the object in all tables. Manage lock held. */
void handle_close_all(struct domain *domain);
void handle_purge(const void *object);
/* How many handles the domain's table has. */
uint32_t handle_count(const struct domain *domain);
