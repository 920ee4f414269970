/* SPDX-License-Identifier: MIT
 * A domain: the unit of isolation. A ring-3 process (manager or monitor), a second-level address space, vcpus, a quota. */
#pragma once

#include "abi/syscall.h"
#include "abi/state.h"
#include "pagetable.h"

struct vcpu;

struct handle;

#define MAX_PORT_RANGES 32

struct doorbells;
struct pv_page;

struct domain {
    char name[NAME_SIZE];
    uint32_t id;
    bool used;
    bool manager;               /* may call what is marked [manager] */
    _Atomic uint32_t state;     /* enum domain_state */
    uint32_t end_code;          /* enum domain_end */
    char *reason;               /* STATE_TEXT_SIZE bytes of a pool page */
    struct quota quota;
    struct page_table process;  /* ring 3 */
    struct page_table guest;    /* second level */
    struct page_table dma;      /* what its devices see: guest memory; no root: it has none (iommu.h) */
    uint64_t process_pages, guest_pages;
    uint64_t guest_generation;  /* counts second-level unmappings: a vcpu flushes when it has seen another number */
    uint32_t vcpu_count;
    struct vcpu *vcpus[MAX_VCPUS];
    struct handle *handles;     /* one pool page: MAX_HANDLES entries */
    struct vcpu *watcher;       /* told when it ends... */
    uint64_t watcher_bits;      /* ...with these event bits */
    struct doorbells *doorbells; /* pool page, or null (paravirt.h) */
    struct pv_page *pv_page;    /* pool page shared with the guest, or null (abi/hypercall.h) */
    uint32_t port_count;        /* host ports that the guest may use */
    struct { uint16_t first; uint32_t count; } ports[MAX_PORT_RANGES];
};

/* All of these: manage lock held, unless said. */

/* A new domain with a quota of that many pool pages, reserved. Its tables and bitmaps are charged to it. ERR_MEMORY (the pool
 * cannot promise so much, or the quota is too small for the domain itself), ERR_BUSY (MAX_DOMAINS). */
must_use enum status domain_create(const char *name, uint32_t quota_pages, struct domain **out);
/* Ends it: its vcpus stop for ever, its watcher is told. The first call wins. Any CPU, with or without the manage lock. If the
 * caller is a vcpu of it, the caller must schedule() next. */
void domain_end(struct domain *domain, enum domain_end code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Frees everything of an ended domain. ERR_BUSY if it has not ended or a vcpu of it has not left its CPU yet. */
must_use enum status domain_destroy(struct domain *domain);

/* Maps machine memory into one of its address spaces; how = SPACE_* | MAP_*. ERR_DENIED if the range is the kernel's or, without
 * MAP_DEVICE, not RAM; ERR_PARAM, ERR_EXISTS, ERR_MEMORY as pt_map. */
must_use enum status domain_map(struct domain *domain, uint32_t how, uint64_t hpa, uint64_t address, uint64_t size);
/* Unmaps; when it returns no CPU has a translation of it any more. */
must_use enum status domain_unmap(struct domain *domain, uint32_t how, uint64_t address, uint64_t size);

/* The domain at place i < MAX_DOMAINS if it is in use, else null. */
struct domain *domain_by_index(uint32_t i);
