/* SPDX-License-Identifier: MIT
 * Non-maskable interrupts by IPI: one in service and one behind it, none between STI and the next instruction, many
 * from two CPUs at once. */
#include "lib/guest.h"

#define NMI_ICR 0x4400u
#define V_FLUSH 0x44
#define OTHER 1u

static volatile uint32_t received, nested, flushed, behind_sti, stop, go, done_rounds;
static volatile bool inside, storm;
extern const uint8_t after_sti[];

static void on_nmi(struct frame *f)
{
    received++;
    nested += inside;
    inside = true;
    behind_sti += f->rip == (uint64_t)after_sti;
    if (storm && received == 1)
        for (unsigned i = 0; i < 10; i++)
            lapic_icr(lapic_id(), NMI_ICR);
    inside = false;
}

static void on_flush(struct frame *f)
{
    (void)f;
    flushed++;
    lapic_eoi();
}

static void check_pending(void)
{
    unsigned right = 0;
    storm = true;
    for (unsigned i = 0; i < 500; i++) {
        received = 0;
        lapic_icr(lapic_id(), NMI_ICR);
        for (unsigned spin = 0; spin < 100000 && received < 2; spin++)
            pause();
        right += received == 2;
    }
    storm = false;
    ok(right == 500 && !nested, "ten NMIs during one are one more: %u of 500, nested %u", right, nested);
}

/* The other CPU: in each round an NMI to the boot CPU, and an interrupt behind it. */
static void send_rounds(void *argument)
{
    (void)argument;
    lapic_init();
    for (uint32_t round = 1; !stop; round++) {
        while (go < round && !stop)
            pause();
        if (stop)
            break;
        lapic_icr(0, NMI_ICR);
        lapic_icr(0, 0x4000 | V_FLUSH);
        done_rounds = round;
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void check_two_senders(void)
{
    enum { ROUNDS = 300 };
    unsigned right = 0;
    irq_set_handler(V_FLUSH, on_flush);
    if (!cpu_start(OTHER, send_rounds, NULL)) {
        skip("NMIs from two CPUs", "one CPU only");
        return;
    }
    sti();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        received = 0;
        uint32_t before = flushed;
        go = round;
        lapic_icr(0, NMI_ICR);
        for (uint64_t begin = rdtsc(); flushed == before && rdtsc() - begin < 2000 * tsc_khz;)
            pause();
        right += received == 2;
    }
    cli();
    ok(right == ROUNDS, "an NMI of its own and one of another CPU are two: %u of %u", right, ROUNDS);
    stop = 1;
}

static void check_behind_sti(void)
{
    received = 0;
    behind_sti = 0;
    for (unsigned i = 0; i < 300; i++) {
        lapic_icr(lapic_id(), NMI_ICR); /* pending or in service while the next instructions run */
        __asm__ volatile("sti\nafter_sti: in $0x61, %%al\nnop\ncli" : : : "rax", "memory");
    }
    ok(received == 300 && !behind_sti, "no NMI directly behind STI: %u NMIs, %u there", received, behind_sti);
}

static void check_halt(void)
{
    received = 0;
    lapic_write(LAPIC_TPR, 0xf0);
    cli();
    lapic_icr(lapic_id(), NMI_ICR);
    ok(received == 1, "NMIs do not heed IF and TPR");
    lapic_write(LAPIC_TPR, 0);
}

void main(void)
{
    time_init();
    lapic_init();
    irq_set_handler(NMI, on_nmi);
    check_halt();
    check_pending();
    check_behind_sti();
    check_two_senders();
    done();
}
