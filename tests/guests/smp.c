/* SPDX-License-Identifier: MIT
 * More than one CPU: start from real mode, IPIs in both directions, locked memory operations, TSC, restart by INIT. */
#include "lib/guest.h"

enum { V_PING = 0x50, V_PONG = 0x51 };

static volatile uint32_t pings, pongs, started, running, stop, counter, ap_id, ap_bad, broadcast_to;

static void on_ping(struct frame *f)
{
    (void)f;
    pings++;
    lapic_icr(broadcast_to, 0x4000 | V_PONG);
    lapic_eoi();
}

static void on_pong(struct frame *f) { (void)f; pongs++; lapic_eoi(); }

static void secondary(void *argument)
{
    (void)argument;
    if (x2apic)
        x2apic_enable();
    ap_id = lapic_id();
    ap_bad = (rdmsr(0x1b) & 0x100) != 0; /* the BSP bit belongs to CPU 0 only */
    lapic_write(LAPIC_SVR, 0x1ff);
    sti();
    __atomic_fetch_add(&started, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&running, 1, __ATOMIC_SEQ_CST);
    while (!stop)
        __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
    for (;;)
        __asm__ volatile("hlt");
}

static void check_ipis(uint32_t id)
{
    uint32_t count = 200;
    pings = pongs = 0;
    for (uint32_t i = 0; i < count; i++) {
        lapic_icr(id, 0x4000 | V_PING);
        if (!wait_for(&pongs, i + 1, 1000))
            break;
    }
    ok(pongs == count, "%u IPIs to a running CPU and back", pongs);
    stop = 1;
    delay_us(1000);
    for (uint32_t i = 0; i < count; i++) {
        lapic_icr(id, 0x4000 | V_PING);
        if (!wait_for(&pongs, count + i + 1, 1000))
            break;
    }
    ok(pongs == 2 * count, "%u IPIs to a halted CPU and back", pongs - count);
    lapic_icr(0, 0xc4000 | V_PING); /* all but self */
    ok_wait(&pongs, 2 * count + 1, 1000, "all-but-self shorthand");
    if (!x2apic) {
        uint32_t before = pongs;
        lapic_icr(0xff, 0x4000 | V_PONG);
        ok_wait(&pongs, before + 1, 1000, "broadcast reaches this CPU too");
    }
}

static void check_atomic(void)
{
    uint32_t before = counter;
    for (unsigned i = 0; i < 100000; i++)
        __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
    ok(counter - before >= 100000, "locked additions of two CPUs lose nothing: %u", counter - before);
}

static void tsc_reader(void *argument)
{
    volatile uint64_t *shared = argument;
    __atomic_store_n(&running, 1, __ATOMIC_SEQ_CST);
    while (!stop)
        shared[1] = rdtsc();
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void check_tsc(uint32_t id)
{
    static volatile uint64_t shared[2];
    stop = running = 0;
    if (!ok(cpu_start(id, tsc_reader, (void *)shared), "CPU %u starts again after INIT", id))
        return;
    wait_for(&running, 1, 1000);
    uint64_t bad = 0;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t other = shared[1];
        bad += other > rdtsc() + tsc_khz / 10; /* 0.1 ms ahead of us */
    }
    stop = 1;
    ok(bad == 0, "the other CPU's TSC is not ahead (%lu times)", bad);
}

void main(void)
{
    time_init();
    lapic_init();
    if (boot_option("x2apic") && !x2apic_enable())
        skip("x2APIC", "not offered");
    irq_set_handler(V_PING, on_ping);
    irq_set_handler(V_PONG, on_pong);
    broadcast_to = lapic_id();
    ok(lapic_id() == 0 && (rdmsr(0x1b) & 0x100), "this is CPU 0, the boot CPU");
    sti();
    if (!ok(cpu_start(1, secondary, 0), "CPU 1 starts by INIT-SIPI"))
        done();
    ok(wait_for(&running, 1, 1000) && ap_id == 1 && !ap_bad, "it is CPU %u", ap_id);
    check_atomic();
    check_ipis(1);
    check_tsc(1);
    lapic_icr(1, 0x4600 | 8);
    delay_us(1000);
    ok(true, "a start-up IPI to a running CPU is ignored");
    ok(!cpu_start(9, secondary, 0), "CPU 9 does not exist");
    done();
}
