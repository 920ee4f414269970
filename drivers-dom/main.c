/* SPDX-License-Identifier: MIT
 * drivers-dom: real devices, served to guests. The order of its start. */
#include "blk.h"
#include "control.h"
#include "gpt.h"
#include "pci.h"
#include "ram.h"
#include "service.h"
#include "trap.h"

_Noreturn void guest_main(uint64_t start_address);

_Noreturn void guest_main(uint64_t start_address)
{
    const struct pv_start *start = machine(start_address);
    trap_init();
    struct control *control = start->control != 0 ? machine(start->control) : NULL;
    bool good = control == NULL || control->magic == CONTROL_MAGIC;
    pci_quiet(good ? control : NULL);
    if (good && control != NULL) {
        __atomic_store_n(&control->quiet, 1, __ATOMIC_RELEASE);
    }
    service_init(start);
    if (!good) {
        service_end("the control area at 0x%lx is malformed", start->control);
    }
    service_log("%lu MiB of memory at 0x%lx", start->memory_size >> 20, start->memory_base);
    irq_init(control);
    control_init(control);
    pci_init();
    ram_init(start);
    gpt_init();
    service_log("ready, %lu KiB of memory are free", dma_available() >> 10);
    control_ready();
    service_run();
}
