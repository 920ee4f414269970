/* SPDX-License-Identifier: MIT
 * Runtime of the bare-metal test guests: 64-bit long mode, identity-mapped 4 GiB, one file per test, main() is the test.
 * The result goes to COM1 as TAP lines, and to port 0xf4: 0 = all passed, 1 = something failed. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE 4096ul
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void main(void);

/* --- how it was booted (entry_*.S) --- */
enum boot_kind { BOOT_MULTIBOOT1 = 1, BOOT_MULTIBOOT2, BOOT_PVH };
extern uint32_t boot_kind, boot_magic, boot_info; /* boot_magic: EAX at entry; boot_info: EBX */
const char *boot_cmdline(void);                   /* "" if there is none */
bool boot_option(const char *word);               /* the word is on the command line */
uint64_t boot_value(const char *name, uint64_t otherwise); /* N of the word "name=N" */

/* --- print.c --- */
void serial_reset(void); /* COM1 to 115200 8N1, no interrupts */
void print(const char *format, ...) __attribute__((format(printf, 1, 2))); /* %s %c %d %u %x %lx %lu %p, width, 0 */
/* One TAP line. Returns condition. */
bool ok(bool condition, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A TAP line "ok # SKIP reason"; with `strict` on the command line it counts as failed. */
void skip(const char *name, const char *reason);
_Noreturn void done(void);        /* prints the plan, ends by debug-exit */
_Noreturn void finish(int status); /* debug-exit at once */
int memcmp(const void *a, const void *b, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
size_t strlen(const char *s);

/* --- traps.c --- */
struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
typedef void (*irq_handler_t)(struct frame *frame);
void irq_set_handler(uint8_t vector, irq_handler_t handler); /* vectors 32 and up; null = unexpected, fails the test */
/* Calls function(argument). -1 if it returned, else the vector of the exception that stopped it (details in `caught`).
 * Boot CPU only. */
int try_call(void (*function)(void *argument), void *argument);
extern struct frame caught;
extern uint64_t caught_cr2;
void idt_load(void); /* on this CPU */
enum { DE = 0, DB = 1, NMI = 2, BP = 3, OF = 4, BR = 5, UD = 6, NM = 7, DF = 8, TS = 10, NP = 11, SS = 12, GP = 13, PF = 14, MF = 16, AC = 17, MC = 18, XM = 19 };

/* --- time.c: by the PIT, which every PC has --- */
void time_init(void);
extern uint64_t tsc_khz;
void delay_us(uint64_t us);
/* Waits until *flag >= value or ms milliseconds have passed. Returns whether it is. Interrupts stay as they are. */
bool wait_for(const volatile uint32_t *flag, uint32_t value, uint32_t ms);

/* wait_for as a TAP line. */
bool ok_wait(const volatile uint32_t *flag, uint32_t value, uint32_t ms, const char *name);

/* --- apic.c --- */
#define LAPIC_BASE 0xfee00000ul
#define IOAPIC_BASE 0xfec00000ul
enum { LAPIC_ID = 0x20, LAPIC_VERSION = 0x30, LAPIC_TPR = 0x80, LAPIC_PPR = 0xa0, LAPIC_EOI = 0xb0, LAPIC_LDR = 0xd0, LAPIC_DFR = 0xe0,
       LAPIC_SVR = 0xf0, LAPIC_ISR = 0x100, LAPIC_TMR = 0x180, LAPIC_IRR = 0x200, LAPIC_ESR = 0x280, LAPIC_ICR = 0x300, LAPIC_ICR_HIGH = 0x310,
       LAPIC_LVT_TIMER = 0x320, LAPIC_LVT_LINT0 = 0x350, LAPIC_LVT_LINT1 = 0x360, LAPIC_LVT_ERROR = 0x370, LAPIC_TIMER_INITIAL = 0x380,
       LAPIC_TIMER_CURRENT = 0x390, LAPIC_TIMER_DIVIDE = 0x3e0 };
extern bool x2apic; /* registers by MSR */
void lapic_init(void); /* software-enables it with spurious vector 0xff; masks the 8259 pair */
bool x2apic_enable(void); /* false: the CPU has none */
uint32_t lapic_read(unsigned reg);
void lapic_write(unsigned reg, uint32_t value);
void lapic_icr(uint32_t dest, uint32_t low); /* and waits until it is sent */
void lapic_eoi(void);
bool pv_eoi_enable(void); /* KVM's paravirtual EOI, boot CPU only: lapic_eoi() does without a register access where it may. False: not offered */
uint32_t lapic_id(void);
uint32_t ioapic_read(unsigned reg);
void ioapic_write(unsigned reg, uint32_t value);
void ioapic_route(unsigned pin, uint32_t low, uint8_t dest);
void pic_init(uint8_t base, uint8_t mask_master, uint8_t mask_slave);

/* --- acpi.c --- */
const uint8_t *acpi_rsdp(void);
const uint8_t *acpi_find(const char *signature); /* by the root table; null if not there or its checksum is wrong */

/* --- smp.c --- */
/* Starts the CPU by INIT-SIPI-SIPI; it runs function(argument) in long mode with a stack of its own. False: it did not come up. */
bool cpu_start(uint32_t apic_id, void (*function)(void *argument), void *argument);
/* Runs 16-bit code [start, end) copied to 0x7000 in real mode; `registers` are EAX EBX ECX EDX ESI EDI in and out. */
struct real_registers { uint32_t eax, ebx, ecx, edx, esi, edi; };
void real_mode_call(const void *start, const void *end, struct real_registers *registers);

/* --- instructions --- */
static inline void outb(uint16_t p, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(p)); }
static inline void outw(uint16_t p, uint16_t v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(p)); }
static inline void outl(uint16_t p, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(p)); }
static inline uint8_t inb(uint16_t p) { uint8_t v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline uint16_t inw(uint16_t p) { uint16_t v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline uint32_t inl(uint16_t p) { uint32_t v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline uint64_t rdmsr(uint32_t i) { uint32_t a, d; __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(i)); return a | (uint64_t)d << 32; }
static inline void wrmsr(uint32_t i, uint64_t v) { __asm__ volatile("wrmsr" : : "c"(i), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory"); }
static inline uint64_t rdtsc(void) { uint32_t a, d; __asm__ volatile("lfence; rdtsc" : "=a"(a), "=d"(d) : : "memory"); return a | (uint64_t)d << 32; }
struct cpuid { uint32_t eax, ebx, ecx, edx; };
static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}
#define READ_CR(n) ({ uint64_t v_; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_) : : "memory"); v_; })
#define WRITE_CR(n, v) __asm__ volatile("mov %0, %%cr" #n : : "r"((uint64_t)(v)) : "memory")
static inline void sti(void) { __asm__ volatile("sti" : : : "memory"); }
static inline void cli(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void sti_hlt(void) { __asm__ volatile("sti; hlt" : : : "memory"); }
static inline void pause(void) { __asm__ volatile("pause" : : : "memory"); }
static inline void write32(uint64_t a, uint32_t v) { __asm__ volatile("movl %1, %0" : "=m"(*(volatile uint32_t *)a) : "r"(v) : "memory"); }
static inline uint32_t read32(uint64_t a) { uint32_t v; __asm__ volatile("movl %1, %0" : "=r"(v) : "m"(*(volatile uint32_t *)a) : "memory"); return v; }

/* Page tables of the boot CPU: identity map, 2 MiB pages. pd[i] maps GiB i; the last GiB is uncached. */
extern uint64_t pml4[512], pdpt[512], pd[4][512];

#define CPUID1_ECX_X2APIC (1u << 21)
#define CPUID1_ECX_DEADLINE (1u << 24)
