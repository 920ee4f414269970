/* SPDX-License-Identifier: MIT
 * Names of exit reasons. */
#include "exit_names.h"

#include <stddef.h>
#include "abi/state.h"

static const char *const names[EXIT_COUNT] = {
    [EXIT_NONE] = "none",
    [EXIT_EVENT] = "event",
    [EXIT_CPUID] = "cpuid",
    [EXIT_HLT] = "hlt",
    [EXIT_IO] = "io",
    [EXIT_MSR_READ] = "msr-read",
    [EXIT_MSR_WRITE] = "msr-write",
    [EXIT_PAGE] = "page",
    [EXIT_CR] = "cr",
    [EXIT_DR] = "dr",
    [EXIT_EXCEPTION] = "exception",
    [EXIT_IRQ_WINDOW] = "irq-window",
    [EXIT_NMI_WINDOW] = "nmi-window",
    [EXIT_TPR] = "tpr",
    [EXIT_EOI] = "eoi",
    [EXIT_APIC_WRITE] = "apic-write",
    [EXIT_RDTSC] = "rdtsc",
    [EXIT_RDTSCP] = "rdtscp",
    [EXIT_RDPMC] = "rdpmc",
    [EXIT_INVD] = "invd",
    [EXIT_WBINVD] = "wbinvd",
    [EXIT_INVLPG] = "invlpg",
    [EXIT_MONITOR] = "monitor",
    [EXIT_MWAIT] = "mwait",
    [EXIT_PAUSE] = "pause",
    [EXIT_XSETBV] = "xsetbv",
    [EXIT_HYPERCALL] = "hypercall",
    [EXIT_VIRT] = "virt",
    [EXIT_TASK_SWITCH] = "task-switch",
    [EXIT_SHUTDOWN] = "shutdown",
    [EXIT_DESCRIPTOR] = "descriptor",
    [EXIT_ENTRY_FAILED] = "entry-failed",
    [EXIT_UNKNOWN] = "unknown",
    [EXIT_STEP] = "step",
};

const char *exit_name(unsigned reason) { return reason < EXIT_COUNT ? names[reason] : NULL; }
