/* SPDX-License-Identifier: MIT
 * Loads what the configuration names as kernel into guest memory and sets the boot processor's registers. */
#pragma once

#include <stdint.h>
#include "abi/status.h"

struct machine;

enum guest_format { GUEST_UNKNOWN, GUEST_LINUX, GUEST_MULTIBOOT1, GUEST_MULTIBOOT2, GUEST_PVH, GUEST_PARAVIRTUAL, GUEST_FIRMWARE };

#define LOAD_TEXT_SIZE 400

struct load_result {
    enum guest_format format;
    uint64_t entry;              /* guest-physical address of the first instruction */
    char note[LOAD_TEXT_SIZE];   /* something the user should know although the guest starts, or empty */
    char error[LOAD_TEXT_SIZE];  /* the file, the rule it breaks, what was found, what is allowed */
};

/* With start->firmware: puts the firmware below 1 MiB and leaves the vcpus as they came out of reset; the error is a sentence, too.
 * Else recognises the format of start->modules[0] from its contents, places it and the other modules in guest memory, and
 * sets all register groups of vcpus[0].state. The ACPI tables must be in guest memory already (their pointer is copied
 * for Multiboot 2). ERR_FORMAT: the file breaks a rule of its format or is of none; ERR_MEMORY: the guest has too little
 * memory; ERR_SUPPORT: it asks for what this machine does not have. result->error then is a sentence. */
must_use enum status load_guest(struct machine *machine, struct load_result *result);
