/* SPDX-License-Identifier: MIT
 * What the manager tells a monitor at its start, read-only at LAYOUT_START: the domain's configuration, checked. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/layout.h"
#include "abi/state.h"

#define START_MAGIC 0x74736d76u
#define START_MAX_MODULES 16
#define START_CMDLINE 2048
#define START_MAX_CHANNELS 8
#define LAYOUT_CHANNEL 0x0000600000000000ul /* struct channel i at + i * START_CHANNEL_STRIDE */
#define START_CHANNEL_STRIDE 0x10000ul
#define LAYOUT_CONSOLE 0x0000640000000000ul /* struct console (abi/console.h), behind it struct account */
#define START_EVENT_CONSOLE (EVENT_FIRST + START_MAX_CHANNELS) /* bit of vcpu 0's state page: the console has input */
#define START_EVENT_POWER (START_EVENT_CONSOLE + 1)            /* press the ACPI power button */

/* A virtual device whose back end is in drivers-dom (abi/channel.h). */
struct start_channel {
    uint32_t type;                /* enum channel_type */
    uint32_t queue_count;         /* events below */
    char name[NAME_SIZE];
    uint32_t control_handle;      /* event: tells the back end that front changed */
    uint32_t control_event;       /* event (RIGHT_BIND): back changed; SYS_EVENT_BIND it to a bit of vcpu 0's state page */
    uint32_t kick[16];            /* event handles: doorbells; SYS_DOORBELL binds them to ports */
    uint32_t call[16];            /* events (RIGHT_BIND): completions; SYS_EVENT_BIND to a guest vector or a bit */
};

struct start_module {
    uint64_t address;  /* in the monitor's address space, read-only */
    uint64_t size;
    char name[96];     /* as the configuration names it */
    char cmdline[160]; /* the rest of its line: arguments of a multiboot module */
};

struct start {
    uint32_t magic;
    uint32_t vcpu_count;
    char name[NAME_SIZE];
    uint64_t memory;          /* bytes of guest RAM, a multiple of 1 MiB */
    uint64_t low_memory;      /* guest RAM below 4 GiB: [0, low_memory); the rest begins at 4 GiB */
    uint64_t tsc_hz;
    uint64_t epoch, boot_tsc; /* wall-clock seconds at host TSC boot_tsc */
    uint64_t heap_size;       /* at LAYOUT_HEAP */
    uint32_t debug_exit;      /* port 0xf4 ends the domain */
    uint32_t firmware;        /* modules[0] is the machine's firmware, which also is mapped to the end of the first 4 GiB */
    uint32_t reserved;
    uint32_t trace;           /* print the exit counters when the domain ends */
    uint32_t module_count;    /* modules[0] is the kernel, or the firmware */
    uint32_t has_initrd;      /* modules[1] is a Linux initrd */
    uint32_t paravirtual;     /* modules[0] is a guest for abi/hypercall.h (an ELF64 with a note that says so) */
    uint32_t channel_count;
    uint64_t identity;        /* 0, or: guest-physical addresses of RAM are machine addresses; RAM is [identity, identity + memory) and
                                 mapped in the monitor at LAYOUT_GUEST + address */
    uint64_t pv_page;         /* guest-physical address of struct pv_page */
    uint64_t peers;           /* guest-physical address of struct pv_peer[], 0: none */
    uint64_t control;         /* drivers-dom: guest-physical address of struct control */
    struct start_channel channels[START_MAX_CHANNELS];
    uint32_t console;         /* COM1 is connected to the console; else its output is dropped */
    uint32_t console_handle;  /* event: the console has output and its far end sleeps; HANDLE_NONE: nobody to tell */
    struct start_module modules[START_MAX_MODULES];
    char cmdline[START_CMDLINE];
};
#define START_PAGES 4
_Static_assert(sizeof(struct start) <= START_PAGES * PAGE_SIZE, "struct start");
