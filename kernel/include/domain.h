/* SPDX-License-Identifier: MIT
 * A domain: the unit of isolation. A ring-3 process (manager or monitor), a second-level address space, vcpus, a quota. */
#pragma once

#include "abi/syscall.h"
#include "pagetable.h"
#include "types.h"

struct vcpu;
struct event;

enum object_kind { OBJECT_NONE, OBJECT_DOMAIN, OBJECT_VCPU, OBJECT_EVENT };

struct handle {
    void *object;
    uint8_t kind;   /* enum object_kind */
    uint8_t rights; /* RIGHT_* */
};

struct domain {
    char name[NAME_SIZE];
    uint32_t id;
    bool used;
    bool manager;               /* may call what is marked [manager] */
    _Atomic uint32_t state;     /* enum domain_state */
    uint32_t end_code;          /* enum domain_end */
    char *reason;               /* STATE_TEXT_SIZE bytes inside a pool page */
    struct quota quota;
    struct page_table process;  /* ring 3 */
    struct page_table guest;    /* second level */
    uint64_t process_pages, guest_pages;
    uint64_t guest_generation;  /* counts second-level unmappings: a vcpu flushes when it has seen another number */
    uint32_t vcpu_count;
    struct vcpu *vcpus[MAX_VCPUS];
    struct handle *handles;     /* one pool page: MAX_HANDLES entries */
    struct vcpu *watcher;       /* told when it ends... */
    uint32_t watcher_bit;       /* ...with this event bit */
    void *vendor;               /* the vendor's per-domain page(s): I/O and MSR bitmaps */
    _Atomic uint32_t lock;
};
