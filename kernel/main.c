/* SPDX-License-Identifier: MIT
 * The boot sequence, from the assembly entry to the scheduler: one stage after the other, each says what it found. */
#include "acpi.h"
#include "api.h"
#include "hardening.h"
#include "hostmap.h"
#include "idt.h"
#include "iommu.h"
#include "apic.h"
#include "screen.h"
#include "vendor.h"
#include "x86.h"
#include <string.h>

#define CPUID_1_ECX_RDRAND (1u << 30)
#define READ_SECONDS 60 /* for whoever reads the reason on the screen */

extern uint64_t __stack_chk_guard;
extern const char image_start[], image_end[]; /* linker.ld */

_Noreturn void kernel_main(uint64_t information);
static struct boot_loader loader;

/* A machine on which Bulkhead cannot run: says why, in the words of whoever found out. */
static void stage(const char *name, const char *problem)
{
    if (!problem)
        return;
    print("bulkhead: cannot run here: %s: %s\n", name, problem);
    print("boot: the machine stops; it is switched off in %u seconds if it can be\n", READ_SECONDS);
    tsc_delay(READ_SECONDS * 1000000ull);
    machine_off(0);
    for (;;)
        cpu_halt();
}

/* Returns into no function that was entered before: the guard changes. */
static inline __attribute__((always_inline)) void seed_stack_guard(void)
{
    uint64_t value = rdtsc() * 0x9e3779b97f4a7c15ull, random;
    uint8_t ok = 0;
    if (cpuid(1, 0).ecx & CPUID_1_ECX_RDRAND)
        __asm__ volatile("rdrand %0; setc %1" : "=r"(random), "=qm"(ok) : : "cc");
    if (ok)
        value ^= random;
    __stack_chk_guard = value & ~0xffull; /* a zero byte stops string functions */
}

static uint64_t image_size(void)
{
    return (uint64_t)image_end - (uint64_t)image_start;
}

static void start_manager(void)
{
    const struct boot_module *manager = NULL;
    for (uint32_t i = 0; i < boot_info.module_count && !manager; i++)
        if (!strcmp(boot_info.modules[i].name, "manager"))
            manager = &boot_info.modules[i];
    stage("modules", manager ? NULL : "the boot loader loaded no module named \"manager\"");
    memory_export(&boot_info);
    boot_info.magic = BOOT_INFO_MAGIC;
    boot_info.version = BOOT_INFO_VERSION;
    boot_info.cpu_count = cpu_count;
    boot_info.features = (loader.uefi ? BOOT_FEATURE_UEFI : 0) | (iommu_active() ? BOOT_FEATURE_IOMMU : 0);
    boot_info.ecam_base = acpi.ecam;
    boot_info.ecam_first_bus = acpi.ecam_first_bus;
    boot_info.ecam_last_bus = acpi.ecam_last_bus;
    for (uint32_t i = 0; i < cpu_count; i++)
        boot_info.cpu_apic_ids[i] = cpu_by_index(i)->apic_id;
    boot_info.tsc_hz = tsc_hz;
    boot_info.kernel_image_size = image_size();
    boot_info.kernel_pool_size = pool_size();
    boot_info.epoch = rtc_epoch(acpi.century);
    boot_info.boot_tsc = rdtsc();
    strncpy(boot_info.virtualization, vendor->name, sizeof(boot_info.virtualization) - 1);
    boot_info.kernel_pool_used = pool_used();
    stage("manager", manager_create(boot_pointer(manager->base), manager->size, &boot_info));
}

/* On the boot CPU's own stack and the kernel's own page tables. */
static _Noreturn void main_on_stack(void)
{
    struct cpu *cpu = this_cpu();
    stage("CPU", cpu_prepare(cpu));
    tsc_calibrate();
    stage("local APIC", lapic_init());
    lapic_enable();
    lapic_timer_init();
    lapic_enable(); /* again: the timer's mode is known now */
    cpu->apic_id = lapic_id();
    stage("I/O APIC", ioapic_init());
    poweroff_init();
    stage("virtualization", vendor_choose());
    stage("virtualization", cpu_virtualize(cpu));
    cpu_count = 1;
    cpu_report();
    iommu_init(cpu->apic_id);
    smp_start();
    print("smp: %u of %u CPUs run; %s; %s%s\n", cpu_count, acpi.cpu_count, lapic_mode(), vendor->name, hardening_missing());
    start_manager();
    hostmap_finish();
    print("boot: image %lu KiB, pool %lu of %lu KiB, boot mappings gone\n", image_size() >> 10, pool_used() >> 10,
          pool_size() >> 10);
    smp_release();
    scheduler_start();
}

_Noreturn void kernel_main(uint64_t information)
{
    seed_stack_guard();
    console_init();
    print("Bulkhead\n");
    const char *problem = multiboot_parse(&loader, information);
    screen_found(&loader.screen);
    stage("boot loader", problem);
    stage("memory", memory_init(&loader));
    print("boot: %s by %s, %lu MiB free, %u modules\n", loader.uefi ? "UEFI" : "BIOS", loader.loader,
          memory_free() >> 20, boot_info.module_count);
    const struct boot_screen *s = &boot_info.screen;
    print("screen: %s, %u x %u\n", s->kind == SCREEN_RGB ? "frame buffer" : s->kind ? "VGA text" : "none", s->width, s->height);
    stage("ACPI", acpi_init(&loader));
    stage("memory", pool_init());
    idt_init();
    stage("memory", hostmap_init());
    write_cr3(hostmap_cr3());
    screen_map();
    struct cpu *cpu = cpu_create(0);
    stage("memory", cpu ? NULL : "the pool is too small for the boot CPU");
    __asm__ volatile("mov %0, %%rsp; xor %%ebp, %%ebp; call *%1" : : "r"(cpu->stack_top), "r"(main_on_stack) : "memory");
    __builtin_unreachable();
}
