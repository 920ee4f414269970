/* SPDX-License-Identifier: MIT
 * All CPUs: their structs, and starting the application processors (SDM 3A 8.4.4: INIT, SIPI, SIPI). */
#include "acpi.h"
#include "api.h"
#include "boot.h"
#include "gdt.h"
#include "hardening.h"
#include "hostmap.h"
#include "idt.h"
#include "apic.h"
#include "vendor.h"
#include "x86.h"
#include <string.h>

#define INIT_MICROSECONDS 10000
#define FIRST_SIPI_MICROSECONDS 2000
#define SECOND_SIPI_MICROSECONDS 200000
#define START_MICROSECONDS 2000000 /* from the trampoline to ready: emulators are slow */

/* boot/ap.S */
struct ap_parameters {
    uint32_t long_mode;
    uint16_t selector, gdt_limit;
    uint32_t gdt, boot_cr3;
    uint64_t cr3, stack, entry; /* at a multiple of 8: ap.S aligns them */
} __attribute__((packed, aligned(8)));
extern const char ap_trampoline[], ap_trampoline_end[], ap_parameters[], ap_long_mode[], ap_gdt[];
extern const char boot_pml4[];

enum ap_state { AP_STARTING, AP_READY, AP_FAILED };

uint32_t cpu_count;
static struct cpu *cpus[MAX_CPUS];
static uint32_t slots;
static _Atomic uint32_t ap_state;
static const char *ap_problem;
static uint64_t ap_tsc;
static _Atomic bool released;

struct cpu *cpu_by_index(uint32_t i)
{
    assert(i < cpu_count);
    return cpus[i];
}

struct cpu *cpu_create(uint32_t apic_id)
{
    struct cpu *cpu = slots < MAX_CPUS ? hostmap_cpu_slot(slots) : NULL;
    void *page = cpu ? pool_alloc(&kernel_quota) : NULL;
    if (!page)
        return NULL;
    slots++; /* a slot is never used twice: a CPU that failed may still be on its stack */
    cpu->index = cpu_count;
    cpu->apic_id = apic_id;
    cpu->stack_top = (uint64_t)cpu;
    cpu->vendor_page = pool_hpa(page);
    gdt_fill(cpu);
    cpus[cpu_count] = cpu;
    return cpu;
}

const char *cpu_prepare(struct cpu *cpu)
{
    gdt_load(cpu);
    idt_load();
    return hardening_enable(cpu);
}

const char *cpu_virtualize(struct cpu *cpu)
{
    const char *problem = vendor->cpu_check();
    return problem ? problem : vendor->cpu_enable(cpu);
}

/* First C code of an application processor, on its own stack. */
static _Noreturn void ap_main(void)
{
    struct cpu *cpu = this_cpu();
    const char *problem = cpu_prepare(cpu);
    if (!problem) {
        lapic_enable();
        problem = cpu_virtualize(cpu);
    }
    ap_problem = problem;
    ap_tsc = rdtsc();
    __atomic_store_n((uint32_t *)&ap_state, problem ? AP_FAILED : AP_READY, __ATOMIC_RELEASE);
    while (problem)
        cpu_halt();
    while (!__atomic_load_n((bool *)&released, __ATOMIC_ACQUIRE))
        cpu_pause();
    write_cr3(hostmap_cr3()); /* the boot mappings are gone */
    scheduler_start();
}

static struct ap_parameters *trampoline_copy(uint64_t page)
{
    uint8_t *copy = boot_pointer(page);
    memcpy(copy, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    struct ap_parameters *p = (struct ap_parameters *)(copy + (ap_parameters - ap_trampoline));
    p->long_mode = (uint32_t)(page + (uint64_t)(ap_long_mode - ap_trampoline));
    p->gdt = (uint32_t)(page + (uint64_t)(ap_gdt - ap_trampoline));
    p->boot_cr3 = (uint32_t)(uint64_t)boot_pml4;
    p->cr3 = hostmap_cr3();
    p->entry = (uint64_t)ap_main;
    return p;
}

static bool stack_taken(struct ap_parameters *p, uint64_t microseconds)
{
    uint64_t until = rdtsc() + tsc_hz / 1000000 * microseconds;
    while (__atomic_load_n(&p->stack, __ATOMIC_ACQUIRE))
        if (rdtsc() > until)
            return false;
    return true;
}

/* Null when the CPU is ready, else why it is left out. */
static const char *start_one(struct ap_parameters *p, uint64_t page, const struct cpu *cpu)
{
    uint64_t start = rdtsc(), until;
    ap_state = AP_STARTING;
    __atomic_store_n(&p->stack, cpu->stack_top, __ATOMIC_RELEASE);
    lapic_command(cpu->apic_id, ICR_STARTUP | (uint32_t)(page >> PAGE_SHIFT));
    if (!stack_taken(p, FIRST_SIPI_MICROSECONDS)) {
        lapic_command(cpu->apic_id, ICR_STARTUP | (uint32_t)(page >> PAGE_SHIFT));
        /* Late is as good as never, but only one of us gets the stack. */
        if (!stack_taken(p, SECOND_SIPI_MICROSECONDS) && __atomic_exchange_n(&p->stack, 0, __ATOMIC_ACQ_REL))
            return "it does not answer";
    }
    for (until = rdtsc() + tsc_hz / 1000000 * START_MICROSECONDS; rdtsc() < until; cpu_pause()) {
        uint32_t state = __atomic_load_n((uint32_t *)&ap_state, __ATOMIC_ACQUIRE);
        if (state == AP_FAILED)
            return ap_problem;
        if (state == AP_READY && (ap_tsc < start || ap_tsc > rdtsc()))
            print("smp: the TSC of the CPU with APIC id %u differs: clocks may jump\n", cpu->apic_id);
        if (state == AP_READY)
            return NULL;
    }
    panic("CPU with APIC id %u stopped while it was started", cpu->apic_id);
}

void smp_start(void)
{
    uint32_t self = lapic_id();
    uint64_t page = memory_low_page;
    if (!page && acpi.cpu_count > 1)
        print("smp: no free page below 1 MiB: only the boot CPU is used\n");
    if (!page)
        return;
    struct ap_parameters *p = trampoline_copy(page);
    for (uint32_t i = 0; i < acpi.cpu_count; i++)
        if (acpi.cpus[i] != self && lapic_reaches(acpi.cpus[i]))
            lapic_command(acpi.cpus[i], ICR_INIT);
    tsc_delay(INIT_MICROSECONDS);
    for (uint32_t i = 0; i < acpi.cpu_count; i++) {
        if (acpi.cpus[i] == self)
            continue;
        struct cpu *cpu = lapic_reaches(acpi.cpus[i]) ? cpu_create(acpi.cpus[i]) : NULL;
        const char *problem = cpu ? start_one(p, page, cpu) : "there is no room for more CPUs";
        if (!lapic_reaches(acpi.cpus[i]))
            problem = "its APIC id needs x2APIC, which this machine does not offer";
        if (problem)
            print("smp: CPU with APIC id %u is left out: %s\n", acpi.cpus[i], problem);
        else
            cpu_count++;
    }
    /* The trampoline stays: a CPU that comes later than never halts there. */
}

void smp_release(void)
{
    __atomic_store_n((bool *)&released, true, __ATOMIC_RELEASE);
}
