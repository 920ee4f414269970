/* SPDX-License-Identifier: MIT
 * Starting other CPUs, and calling code in real mode. */
#include "guest.h"

#define TRAMPOLINE 0x8000
#define REAL_CODE 0x7000
#define REAL_REGISTERS 0x6f00
#define AP_STACK 16384
#define AP_MAX 16

extern const uint8_t trampoline[], trampoline_end[];
extern uint64_t ap_stack;
extern volatile uint32_t ap_up;
void ap_main(void);
void real_call(void);

static void (*ap_function)(void *argument);
static void *ap_argument;
static uint8_t stacks[AP_MAX][AP_STACK] __attribute__((aligned(16)));

void ap_main(void)
{
    void (*function)(void *argument) = ap_function;
    void *argument = ap_argument;
    ap_up = 2;
    function(argument);
}

bool cpu_start(uint32_t apic_id, void (*function)(void *argument), void *argument)
{
    memcpy((void *)TRAMPOLINE, trampoline, trampoline_end - trampoline);
    ap_function = function;
    ap_argument = argument;
    ap_stack = (uint64_t)(stacks[apic_id % AP_MAX] + AP_STACK);
    ap_up = 0;
    lapic_icr(apic_id, 0x4500); /* INIT, assert */
    delay_us(10000);
    for (unsigned i = 0; i < 2 && !ap_up; i++) {
        lapic_icr(apic_id, 0x4600 | TRAMPOLINE >> 12); /* start-up */
        delay_us(200);
    }
    return wait_for(&ap_up, 2, 1000);
}

void real_mode_call(const void *start, const void *end, struct real_registers *registers)
{
    memcpy((void *)REAL_CODE, start, (const uint8_t *)end - (const uint8_t *)start);
    memcpy((void *)REAL_REGISTERS, registers, sizeof *registers);
    real_call();
    memcpy(registers, (const void *)REAL_REGISTERS, sizeof *registers);
}
