/* SPDX-License-Identifier: MIT
 * A domain as the manager sees it: built from its configuration, started, ended, taken apart. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/syscall.h"
#include "abi/control.h"
#include "config.h"
#include "memory.h"
#include "program.h"

#define DOMAIN_MAX_EXTENTS 48
#define DOMAIN_REASON_SIZE 600

enum domain_phase {
    PHASE_NONE,      /* not built, or taken apart again */
    PHASE_RUNNING,   /* or paused */
    PHASE_PRESERVED, /* ended; its memory and kernel objects are kept */
};

/* What a command has changed: it applies from the next start on. */
struct domain_size {
    uint64_t memory; /* bytes; 0: nothing has been changed */
    unsigned vcpus;
};

/* What a command asked for. It goes before what the configuration says about an end. */
enum domain_wish { WISH_NONE, WISH_OFF, WISH_REBOOT };

/* Guest-physical [gpa, gpa + size) is machine memory [base, base + size). */
struct guest_part {
    uint64_t gpa, base, size;
};

/* The domain's console and its counters (abi/console.h), kept over its lives. */
struct domain_console {
    unsigned entry;       /* in control.consoles[]; 0: there is none */
    uint64_t base, size;  /* machine memory */
    struct console *ring; /* mapped in the manager; behind it: */
    struct account *account;
    handle_t output_handle; /* in the monitor's table: tells drivers-dom that there is output; HANDLE_NONE: nobody */
    handle_t input_event, power_event; /* the manager's; of the running domain */
};

struct domain {
    struct config_domain *config; /* null: a free place */
    enum domain_phase phase;
    handle_t handle;
    struct extent extents[DOMAIN_MAX_EXTENTS]; /* all memory that it uses */
    unsigned extent_count;
    uint8_t cpus[MAX_VCPUS]; /* where its vcpus run */
    handle_t vcpus[MAX_VCPUS];
    uint8_t priority;
    struct domain_size next;
    struct guest_part
        guest_parts[DOMAIN_MAX_EXTENTS + 1]; /* guest RAM, ascending; one piece may lie on both sides of the hole */
    unsigned guest_part_count;
    bool identity;         /* drivers-dom: guest-physical addresses are machine addresses */
    bool paravirtual;      /* a guest for abi/hypercall.h */
    struct pv_peer *peers; /* a page of its memory, mapped in the manager; null: it has no peers */
    uint64_t control;      /* drivers-dom: machine address of its control area */
    struct start_channel channels[START_MAX_CHANNELS]; /* as the monitor gets them */
    unsigned channel_slots[START_MAX_CHANNELS];        /* their places in the control area */
    unsigned channel_count;
    bool granted;                       /* drivers-dom sees its memory */
    struct domain_console console, hvc; /* of hvc, a virtio console, only entry, base, size and ring are used */
    bool boot;                          /* the configuration started it: its end decides the machine's result */
    bool paused;
    bool was_started; /* code and reason tell of its last end, if it does not run */
    enum domain_wish wish;
    uint64_t force_at;       /* TSC at which it is stopped by force, 0: never */
    uint64_t restart_at;     /* TSC at which it is started again, 0: it is not */
    uint64_t started, ended; /* TSC */
    unsigned restarts;
    unsigned quick_ends;             /* how often in a row it ended right after its start */
    enum domain_end code;            /* of its last end */
    bool config_error;               /* it could not be built as configured */
    char reason[DOMAIN_REASON_SIZE]; /* of its last end, or why it could not be built */
};

struct service;
struct script;

/* What all domains are built from. */
struct manager {
    const struct boot_info *info;
    struct config config;
    const char *config_file; /* for messages */
    const char *config_text; /* the boot configuration */
    size_t config_size;
    struct program program;
    struct control *control; /* the control area (abi/control.h), mapped at LAYOUT_CHANNEL */
    struct extent control_memory;
    struct service *service;                   /* drivers-dom, or null if there is none */
    struct domain domains[CONFIG_MAX_DOMAINS]; /* those of config, in any order, with free places between them */
    uint32_t peer_generation;                  /* counts connections of peers */
    unsigned load[MAX_CPUS];                   /* vcpus that run on each CPU */
    struct script *script;                     /* the commands of the boot configuration, or null */
    bool off;                                  /* the machine is to be switched off when no domain runs */
    unsigned off_how;                          /* of SYS_MACHINE_OFF */
};
#define MANAGER_EVENT EVENT_FIRST /* this bit of the manager is set when any domain ends */

/* Guest-physical address of struct pv_page in a paravirtual domain: the last page that PV_DIRECT shows. */
#define DOMAIN_PV_PAGE 0x7ffffff000ull
#define DOMAIN_PEERS   0x7fffffe000ull /* of struct pv_peer[] */

/* Builds and starts it. On an error nothing is left of it, domain->reason says why and config_error is set. */
must_use enum status domain_start(struct manager *manager, struct domain *domain);
/* Takes an ended domain apart and reclaims its memory. ERR_BUSY if the kernel does not let go of it. */
must_use enum status domain_free(struct manager *manager, struct domain *domain);
