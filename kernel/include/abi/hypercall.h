/* SPDX-License-Identifier: MIT
 * The paravirtual interface: what a guest written for Bulkhead may ask by VMCALL (VT-x) or VMMCALL (AMD-V) in ring 0.
 * RAX = number, RDI, RSI = arguments, result (enum status) in RAX; all other registers are preserved. The instruction must be the plain
 * three-byte encoding, without prefixes. CPUID leaf 0x40000100 has the signature "Bulkhead" in EBX, ECX; EDX bit 0: VMMCALL, else VMCALL.
 *
 * Events arrive as bits of a page that the kernel and the guest share (struct pv_page). The guest takes them with an atomic
 * exchange; no exit, no interrupt. */
#pragma once

#include <stdint.h>
#include "abi/layout.h"

#define HYPERCALL_BASE 0x42480000u

enum hypercall {
    /* Handled in the kernel. */
    HYPERCALL_EVENT_WAIT = HYPERCALL_BASE, /* (deadline, event + 1): until a bit of pv_page.events is set or the TSC reaches deadline (guest
                                              TSC; 0 = none). May return early: look at the bits. Before it waits it signals the event, 0 = none:
                                              one exit for both; its result is that of the signal */
    HYPERCALL_EVENT_SIGNAL,                /* (event): a handle in this domain's table */
    HYPERCALL_IRQ_UNMASK,                  /* (irq): a level-triggered interrupt (control.h) has been served: let the next one in */
    HYPERCALL_IRQ_SOURCE,                  /* (irq, source): the device (bus << 8 | device << 3 | function) that sends a message-signalled
                                              interrupt. Where interrupts are remapped it does not arrive before, nor from another device.
                                              ERR_HANDLE: not a message of this domain; ERR_DENIED: the devices are not its. For set-up only */
    /* Grants: pages of this guest for a peer (struct pv_peer). The first argument is handle of the peer | index << 32. */
    HYPERCALL_GRANT_CREATE,                /* (peer, guest-physical address | pages << 1 | writable): at most 256 pages; RDI = its index among the
                                              grants of this guest to this peer */
    HYPERCALL_GRANT_MAP,                   /* (peer | index << 32, guest-physical address): the peer's grant appears there, where nothing may be;
                                              RDI = pages */
    HYPERCALL_GRANT_END,                   /* (peer | index << 32): takes this guest's grant back, or gives the peer's back if this guest has mapped one
                                              under that index and granted none. Done when it returns */
    HYPERCALL_KERNEL_END,
    /* Handled by the monitor. */
    HYPERCALL_CONSOLE_WRITE = HYPERCALL_BASE + 0x100, /* (guest-physical address, length <= 4096) */
    HYPERCALL_SHUTDOWN,                    /* (code): 0 success; ends the domain */
    HYPERCALL_TIME,                        /* RDI = wall-clock ns since 1970 */
    HYPERCALL_EXITS,                       /* (reason): RDI = how often this vcpu has left guest mode for the monitor with that reason (enum
                                              exit_reason of abi/state.h); 0: exits that the kernel served alone. ERR_PARAM: no such reason */
};

#define PV_EVENT_WORDS 8
#define PV_EVENTS (PV_EVENT_WORDS * 64)

struct pv_page {
    uint64_t events[PV_EVENT_WORDS]; /* atomic; the kernel sets, the guest clears */
};

/* What a paravirtual guest gets at its start: RDI = guest-physical address of this; long mode, paging on, interrupts off, RSP in
 * its own memory. Its page tables map: the image at its link addresses (W^X); all guest-physical memory below 512 GiB at
 * PV_DIRECT + address, writable, not executable. */
#define PV_DIRECT 0xffff800000000000ul
#define PV_START_MAGIC 0x76706b62u
#define PV_MAX_MODULES 16

/* Another guest that the configuration names as peer. One page of them, read-only, is written by the manager, which sets bit PV_PEER_EVENT
 * after each change. */
#define PV_PEER_EVENT 1
#define PV_MAX_PEERS 8
struct pv_peer {
    char name[NAME_SIZE];
    uint32_t present;      /* 1: it runs, and the following is valid. Another number: it was started anew; grants from and to it are gone */
    uint32_t domain;       /* handle for grants */
    uint32_t event;        /* handle for HYPERCALL_EVENT_SIGNAL: tells the peer */
    uint32_t event_bit;    /* of pv_page: the peer has told this guest */
    uint32_t reserved[4];
};

struct pv_module {
    uint64_t address, size; /* guest-physical */
    char name[96];
};

struct pv_start {
    uint32_t magic, module_count;
    uint64_t memory_base, memory_size; /* guest-physical; for a domain with `identity` memory these are machine addresses */
    uint64_t free_base, free_size;     /* the part of it that nobody uses yet: for the guest's heap */
    uint64_t pv_page;                  /* guest-physical address of struct pv_page */
    uint64_t control;                  /* of struct control (abi/control.h), 0 for others than drivers-dom */
    uint64_t peers;                    /* of struct pv_peer[PV_MAX_PEERS], 0: none configured */
    uint64_t tsc_hz;
    char cmdline[256];
    struct pv_module modules[PV_MAX_MODULES];
};
