/* SPDX-License-Identifier: MIT
 * System calls. Number in RAX; arguments in RDI, RSI, R8, R9, R10; result (enum status) in RAX, a second result in RDI.
 * The kernel preserves RSP only: the stub in libc-mini saves what the C calling convention wants saved, and
 * enters by SYSENTER (RCX = RSP, RDX = return address) or SYSCALL as state.features says.
 * Every call checks first and then commits: a call that fails has changed nothing.
 * Text goes through the calling vcpu's state page (vcpu_state.text); the kernel never reads other ring-3 memory.
 *
 * Rights: [manager] marks the calls that need the right RIGHT_MANAGE; only the first process has it. */
#pragma once

#include <stdint.h>

enum syscall {
    /* Any process. */
    SYS_VCPU_RUN,       /* (): run the guest of this vcpu until an exit for the monitor; state.exit tells */
    SYS_EVENT_WAIT,     /* (): block until state.events is not 0 or state.deadline has passed */
    SYS_YIELD,          /* (): to the next runnable vcpu of the same priority */
    SYS_VCPU_POKE,      /* (index): set EVENT_POKE of vcpu `index` of this domain, make it exit or wake it */
    SYS_EVENT_SIGNAL,   /* (event): set the event's bit in its target vcpu, make it exit or wake it */
    SYS_DOMAIN_EXIT,    /* (code): end this domain; state.text = reason, zero-terminated. Does not return */
    SYS_HANDLE_CLOSE,   /* (handle) */
    SYS_EVENT_CREATE,   /* (vcpu, bit): an event that sets `bit` (EVENT_FIRST to 63) of that vcpu; RDI = handle.
                           vcpu = handle, or HANDLE_SELF for the caller */
    SYS_EVENT_BIND,     /* (event, EVENT_TARGET_* | vcpu index << 8, number): where an event of this domain goes; needs RIGHT_BIND.
                           A signal that came before the change is not lost: it is delivered to the new target too if unseen */
    SYS_DOORBELL,       /* (port, event or HANDLE_NONE): OUT of any size to the port signals the event, in the kernel, without an exit to the
                           monitor. HANDLE_NONE: no more. At most MAX_DOORBELLS */
    SYS_HANDLE_COPY,    /* (domain, handle, rights): [manager] the same object in that domain's table: an event, or a domain with RIGHT_GRANT only;
                           RDI = its handle there */

    /* Manager. */
    SYS_DOMAIN_CREATE,  /* (quota pages, event bit): name in state.text. The bit of the caller is set when it ends. RDI = handle */
    SYS_DOMAIN_MAP,     /* (domain, space | rights, hpa, address, size): size and addresses page-aligned. domain = HANDLE_SELF: the caller */
    SYS_DOMAIN_UNMAP,   /* (domain, space, address, size) */
    SYS_VCPU_CREATE,    /* (domain, cpu | priority << 16 | dedicated << 24 | burst << 25, entry, argument): the next vcpu of the domain, stopped,
                           its thread starting at `entry` with RDI = argument, RSI = index and the stack of its index; RDI = handle.
                           burst: a vcpu that has run for a slice of the last two takes turns with vcpus of less priority */
    SYS_VCPU_START,     /* (vcpu) */
    SYS_DOMAIN_STATUS,  /* (domain): RDI = enum domain_state | code << 8; name's reason in state.text */
    SYS_DOMAIN_STOP,    /* (domain, code): end it from outside; reason in state.text */
    SYS_DOMAIN_DESTROY, /* (domain): free all that an ended domain held. The memory it used may be handed out again */
    SYS_DOMAIN_COUNT,   /* (domain): struct domain_counters to state.text */
    SYS_DOMAIN_INHERIT, /* (old, new): the new paravirtual domain takes over what an ended one had: event handles in its table under the same numbers
                           (the new table must be empty), and events that set bits of its pv page */
    SYS_EVENT_OF,       /* (domain, EVENT_TARGET_PV, number): an event whose target is that domain's pv_page bit; EVENT_TARGET_NONE: to be bound
                           by the domain. RDI = handle with all rights, in the caller's table */
    SYS_PV_ENABLE,      /* (domain, guest-physical address): gives the domain its struct pv_page there */
    SYS_PORT_GIVE,      /* (domain, first, count): the guest may use these host ports directly, by IN and OUT (not INS, OUTS) */
    SYS_IRQ_CREATE,     /* (event, cpu | kind << 16, gsi): a host interrupt that signals the event. kind 0: message-signalled (the device is to
                           write `data` to `address`, and to be named by HYPERCALL_IRQ_SOURCE), 1: I/O APIC line (below 16 an ISA interrupt, trigger
                           and polarity as the MADT says; else PCI INTx: level, active low). A level-triggered line is masked when it fires.
                           RDI = irq number | data << 16 | address << 32 */
    SYS_DEVICES_GIVE,   /* (domain): by DMA all devices see the domain's guest memory and nothing else, whoever had them before. Before the
                           domain gets any guest memory (ERR_BUSY). ERR_SUPPORT: no IOMMU (BOOT_FEATURE_IOMMU) */
    SYS_DOMAIN_PAUSE,   /* (domain, 1 or 0): its vcpus do not run, whatever happens, until it is 0 again. Events are kept */
    SYS_VCPU_PLACE,     /* (vcpu, cpu | priority << 16 | dedicated << 24): as in SYS_VCPU_CREATE, of a vcpu of a paused domain. ERR_AGAIN: it has
                           not left its old CPU yet */
    SYS_CONSOLE_WRITE,  /* (length): state.text[0, length) to COM1 and the screen, as it is: the early console. 0: the screen is drawn anew,
                           somebody else has had it */
    SYS_CONSOLE_READ,   /* (max): what COM1 has received to state.text; RDI = number of bytes, possibly 0 */
    SYS_LOG_READ,       /* (position, quiet): the kernel's messages from the count of bytes `position` on, to state.text; RDI = number of bytes |
                           lost bytes << 32. quiet = 1: from now on the kernel only keeps its messages, and sets EVENT_LOG of the
                           manager when there is one; 0: it also prints them itself. A panic is always printed */
    SYS_MACHINE_OFF,    /* (how): 0 power off, 1 reset; flushes the console first. Returns only if neither works */
    SYS_COUNT
};

typedef uint32_t handle_t;
#define HANDLE_SELF 0xffffffffu
#define HANDLE_NONE 0xfffffffeu

enum event_target {
    EVENT_TARGET_NONE,   /* remembered until it is bound */
    EVENT_TARGET_STATE,  /* bit of vcpu_state.events: the monitor */
    EVENT_TARGET_VECTOR, /* interrupt vector of a guest's vcpu: pir[], and EVENT_POSTED where the CPU does not deliver by itself */
    EVENT_TARGET_PV,     /* bit of the domain's pv_page */
};
#define MAX_DOORBELLS 64

/* Second argument of SYS_DOMAIN_MAP. */
#define MAP_READ (1u << 0)
#define MAP_WRITE (1u << 1)
#define MAP_EXEC (1u << 2)      /* never with MAP_WRITE in SPACE_PROCESS */
#define MAP_DEVICE (1u << 3)    /* uncached; range outside RAM */
#define SPACE_PROCESS (0u << 8) /* the ring-3 address space */
#define SPACE_GUEST (1u << 8)   /* the second-level address space (EPT/NPT) */

#define RIGHT_MANAGE (1u << 0)
#define RIGHT_SIGNAL (1u << 1)
#define RIGHT_BIND (1u << 2)
#define RIGHT_ALL 7u
#define RIGHT_GRANT (1u << 3) /* to a domain: share memory with it */

enum domain_state { DOMAIN_CREATED, DOMAIN_RUNNING, DOMAIN_ENDED };

/* Why a domain ended: the code of SYS_DOMAIN_EXIT and SYS_DOMAIN_STATUS. */
enum domain_end {
    END_POWEROFF,    /* the guest powered off */
    END_DEBUG_EXIT,  /* the guest wrote to the debug-exit port; the reason text has the value */
    END_REBOOT,      /* the guest asked for a reset */
    END_TRIPLE_FAULT,
    END_GUEST_ERROR, /* the guest did something that the virtual machine cannot go on after */
    END_CONFIG,      /* the domain could not be built or loaded */
    END_MONITOR,     /* the monitor broke a rule of ring 3 (a fault of its own) */
    END_STOPPED,     /* by the manager */
    END_DEBUG_EXIT_FAILED, /* debug-exit with a status other than 0 */
    END_WATCHDOG,    /* the guest did not reset its watchdog in time */
};

struct domain_counters {
    uint64_t kernel_pages;     /* of the kernel pool, charged to this domain */
    uint64_t kernel_quota;
    uint64_t process_pages;    /* mapped in the ring-3 space, 4 KiB units, guest memory not counted */
    uint64_t guest_pages;
    uint64_t vcpus;
    uint64_t exits_kernel, exits_monitor;
    uint64_t ticks_run;        /* host TSC ticks that its vcpus ran (guest and monitor) */
    uint64_t ticks_monitor;    /* of these, in the monitor */
    uint64_t handles, events;  /* in its table; events whose target it is */
    uint64_t pool_pages;       /* of all domains and the kernel: used pages of the kernel pool (same for every domain) */
};
