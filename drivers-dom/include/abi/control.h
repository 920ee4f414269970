/* SPDX-License-Identifier: MIT
 * What the manager tells drivers-dom: one shared area; drivers-dom may write its last pages only. Machine addresses, which
 * are drivers-dom's guest-physical addresses too. The manager raises `version` after each change and signals
 * CONTROL_EVENT; drivers-dom compares entries with what it knows. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "abi/channel.h"
#include "abi/console.h"
#include "abi/info.h"

#define CONTROL_MAGIC 0x6c747243u
#define CONTROL_PAGES 11
#define CONTROL_EVENT 0           /* bit of pv_page: look at the control area */
#define CONTROL_OUTPUT_EVENT 63   /* bit of pv_page: a console that sleeps has output */
#define CONTROL_MAX_CHANNELS 64
#define CONTROL_MAX_IRQS 32
#define CONTROL_MAX_CONSOLES 66   /* the manager's, the shell's control channel, and one for each domain */
#define CONTROL_MAX_DEVICES 32
#define CONTROL_MAX_EXTENTS 4

struct control_extent {
    uint64_t guest, machine, size; /* guest-physical [guest, guest + size) is machine [machine, machine + size) */
};

struct control_channel {
    uint32_t used;                /* 0: no such channel (any more) */
    uint32_t serial;              /* another number for each channel that ever used this entry */
    uint32_t type;                /* enum channel_type */
    uint32_t read_only;
    uint64_t channel;             /* machine address of struct channel */
    char domain[NAME_SIZE];
    char name[NAME_SIZE];         /* of the device, as configured */
    char source[128];             /* disk: "file:...", "dev:...", "part:...", "ram:..."; net: name of the switch */
    uint8_t mac[6];
    uint16_t vlan;                /* 0 = none */
    uint64_t rate;                /* bytes per second, 0 = unlimited */
    uint32_t extent_count;
    uint32_t queue_count;         /* doorbells and completion events that this channel has; 0 = what its type needs (block 1, net 2, rng 1) */
    uint32_t control_handle;      /* event handle (HYPERCALL_EVENT_SIGNAL) of the front: state changed */
    uint32_t control_bit;         /* pv event bit: the front's state changed */
    uint32_t kick_bit;            /* pv event bit of queue 0's doorbell; queue i: + i */
    uint32_t call_handle[CHANNEL_MAX_QUEUES]; /* event handles: completions of queue i */
    struct control_extent extents[CONTROL_MAX_EXTENTS];
    uint64_t console;             /* CHANNEL_CONSOLE: machine address of the struct console one of whose ends this device is; 0: none,
                                     output goes to the log */
    uint32_t console_handle;      /* event handle: tells the other end; HANDLE_NONE: nobody. Far end: input for the near end, whose output is
                                     announced by CONTROL_OUTPUT_EVENT. Near end: output for a far end that sleeps and is not drivers-dom */
    uint32_t console_near;        /* 0: the far end, a control channel: a port called `name` (VIRTIO_CONSOLE_F_MULTIPORT) if queue_count is at
                                     least 4. 1: the near end: the guest's terminal, an entry of consoles[] */
};

enum console_kind {
    CONSOLE_NONE,
    CONSOLE_DOMAIN,  /* a guest's COM1, or a paravirtual guest's console */
    CONSOLE_SYSTEM,  /* messages of manager and kernel, of drivers-dom: printed without a name before the line, no input */
    CONSOLE_CONTROL, /* the shell's control channel: not printed, its answers are the shell's */
};

/* A console that the terminal shows. */
struct control_console {
    uint32_t kind;                /* enum console_kind */
    uint32_t serial;              /* another number for each console that ever used this entry */
    char name[NAME_SIZE];
    uint64_t console;             /* machine address of struct console */
    uint32_t input_handle;        /* event handle: its near end has input; HANDLE_NONE: takes none */
    uint32_t running;             /* the domain runs: the focus may go to it */
};

/* A device that drivers-dom has found, for people. */
struct control_device {
    char name[NAME_SIZE];         /* "virtio-blk0", "e1000-0", empty: end of the list */
    char address[16];             /* PCI bus:device.function, or "-" */
    char what[64];                /* "disk, 64 MiB, serial ...", "network card 52:54:...", "link up" */
    char users[64];               /* domains that use it */
};

/* Work that drivers-dom has done for a channel, by slot; brought up to date every second. */
struct control_work {
    uint32_t serial, reserved;    /* of the channel that it is about */
    uint64_t requests, bytes_in, bytes_out; /* in: from the guest */
    uint64_t ticks;               /* of drivers-dom's CPU, where it can be told apart; else 0 */
};

/* An interrupt of a device. Message-signalled ones: write address and data into the device. Lines: by GSI, masked when they
 * fire if level-triggered, until HYPERCALL_IRQ_UNMASK(number). */
struct control_irq {
    uint32_t event_bit;           /* of pv_page */
    uint32_t line;                /* 0: message-signalled; 1: line `gsi` */
    uint32_t gsi;
    uint32_t data;                /* of the message */
    uint64_t address;
    uint32_t number;              /* for HYPERCALL_IRQ_UNMASK (line), HYPERCALL_IRQ_SOURCE (message) */
    uint32_t reserved;
};

struct control {
    uint32_t magic;
    uint32_t version;             /* atomic */
    uint64_t ecam_base;           /* 0: use ports 0xcf8/0xcfc */
    uint32_t ecam_first_bus, ecam_last_bus;
    uint32_t irq_count;
    uint32_t iommu;               /* DMA is confined */
    struct control_irq irqs[CONTROL_MAX_IRQS];
    struct control_channel channels[CONTROL_MAX_CHANNELS];
    struct control_console consoles[CONTROL_MAX_CONSOLES];
    uint32_t console_owner;       /* who prints: 0 the manager, 1 drivers-dom. Set to 1 some time after console_wanted, and then the manager does
                                     not touch COM1 until drivers-dom has ended */
    uint32_t control_handle;      /* event handle: the shell's control channel has input */
    struct boot_screen screen;    /* kind SCREEN_NONE: there is none, or its memory is not mapped in drivers-dom */
    /* Written by drivers-dom, which has everything before this only for reading. */
    uint32_t ready __attribute__((aligned(4096))); /* 1: devices found, channels served */
    uint32_t heartbeat;           /* counts up every second */
    uint32_t quiet;               /* 1: bus mastering is off everywhere; from now on devices may get this instance's memory */
    uint32_t console_wanted;      /* 1: it can drive COM1 and asks for it */
    uint32_t seen_version;        /* all entries have been looked at as of this version: memory of consoles that were gone then is not used
                                     any more */
    uint32_t console_pending;     /* bytes that it has taken from consoles, and that COM1 has not taken yet */
    /* The terminal's state, kept for whoever prints next. Nobody trusts it. */
    uint32_t focus;               /* entry of consoles[] that gets the input (kind CONTROL: the shell) */
    uint32_t line_owner;          /* entry of consoles[] in whose unfinished line the cursor stands, + 1; 0: at the begin of a line */
    struct control_device devices[CONTROL_MAX_DEVICES];
    struct control_work work[CONTROL_MAX_CHANNELS];
};
#define CONTROL_READ_ONLY offsetof(struct control, ready)
_Static_assert(sizeof(struct control) == CONTROL_PAGES * PAGE_SIZE, "struct control");
