/* SPDX-License-Identifier: MIT
 * The paravirtual clock: the guest's arithmetic against direct computation, for several TSC frequencies. */
#include "fake_pc.h"
#include "devices/pvclock.h"
#include "platform.h"

#define INFO 0x8000
#define WALL 0x9004

struct info {
    uint32_t version, pad;
    uint64_t tsc_timestamp, system_time;
    uint32_t multiplier;
    int8_t shift;
    uint8_t flags, pad2[2];
};

static struct machine *pc;
static struct vcpu_state states[2];

static void make(uint64_t hz, uint64_t tsc)
{
    pc = fake_machine(1 * MIB, 0, hz, tsc);
    pc->platform = calloc(1, sizeof(*pc->platform));
    memset(states, 0, sizeof(states));
    for (unsigned i = 0; i < 2; i++) {
        pc->vcpus[i].machine = pc;
        pc->vcpus[i].index = i;
        pc->vcpus[i].state = &states[i];
        states[i].tsc_offset = 0 - tsc;
    }
    assert_int_equal(pvclock_init(&pc->platform->pvclock, pc), OK);
}

static void unmake(void)
{
    free(pc->platform);
    fake_free(pc);
}

/* What pvclock_clocksource_read of Linux computes. */
static uint64_t guest_now(const struct vcpu *vcpu, const struct info *info)
{
    uint64_t delta = fake.tsc + vcpu->state->tsc_offset - info->tsc_timestamp;
    delta = info->shift < 0 ? delta >> -info->shift : delta << info->shift;
    return info->system_time + (uint64_t)((unsigned __int128)delta * info->multiplier >> 32);
}

static void guest_time_is_machine_time(void **state)
{
    (void)state;
    static const uint64_t frequencies[] = { 1000000, 33333333, 999999999, 1000000000, 1000000001, 1899999999,
                                            2000000000, 2400000000, 3417600000, 5800000000, 100000000000 };
    for (unsigned i = 0; i < sizeof(frequencies) / sizeof(frequencies[0]); i++) {
        make(frequencies[i], 123456789012345ull);
        struct vcpu *vcpu = &pc->vcpus[0];
        const struct info *info = (const struct info *)(pc->memory.base + INFO);
        assert_true(pvclock_msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, INFO | 1));
        assert_int_equal(info->flags, 1);
        assert_int_equal(info->version % 2, 0);
        assert_int_not_equal(info->version, 0);
        for (uint64_t second = 1; second < 100000000; second *= 7) { /* three years */
            fake.tsc = pc->clock.tsc_start + frequencies[i] * second;
            uint64_t expected = clock_now(&pc->clock), got = guest_now(vcpu, info);
            uint64_t error = got > expected ? got - expected : expected - got;
            assert_true(error <= 2 + expected / 2000000000); /* half a part in 10^9: the multiplier has 31 bits or more */
        }
        unmake();
    }
}

static void all_vcpus_agree(void **state)
{
    (void)state;
    make(2893000000, 5000);
    assert_true(pvclock_msr_write(&pc->vcpus[0], MSR_KVM_SYSTEM_TIME, INFO | 1));
    fake.tsc += 1000000007;
    assert_true(pvclock_msr_write(&pc->vcpus[1], MSR_KVM_SYSTEM_TIME, (INFO + 64) | 1));
    const struct info *first = (const struct info *)(pc->memory.base + INFO), *second = first + 2;
    fake.tsc += 99999999999;
    assert_int_equal(guest_now(&pc->vcpus[0], first), guest_now(&pc->vcpus[1], second));
    unmake();
}

static void setting_the_tsc_does_not_move_time(void **state)
{
    (void)state;
    make(2000000000, 77);
    struct vcpu *vcpu = &pc->vcpus[0];
    const struct info *info = (const struct info *)(pc->memory.base + INFO);
    assert_true(pvclock_msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, INFO | 1));
    fake.tsc += 4000000000;
    uint64_t before = guest_now(vcpu, info);
    uint32_t version = info->version;
    vcpu->state->tsc_offset = 0 - fake.tsc; /* WRMSR TSC, 0 */
    pvclock_tsc_changed(vcpu);
    assert_int_equal(guest_now(vcpu, info), before);
    assert_int_equal(info->version, version + 2);
    unmake();
}

static void wall_clock_is_the_time_of_creation(void **state)
{
    (void)state;
    make(1000000000, 10000000000ull);
    fake.start.epoch = 1700000000;
    fake.start.boot_tsc = 10000000000ull - 3250000000ull;
    fake.tsc += 5000000000; /* how late the guest asks does not matter */
    uint32_t wall[3];
    assert_true(pvclock_msr_write(&pc->vcpus[1], MSR_KVM_WALL_CLOCK_NEW, WALL));
    memcpy(wall, pc->memory.base + WALL, sizeof(wall));
    assert_int_equal(wall[0], 2);
    assert_int_equal(wall[1], 1700000003);
    assert_int_equal(wall[2], 250000000);
    uint64_t value;
    assert_true(pvclock_msr_read(&pc->vcpus[0], MSR_KVM_WALL_CLOCK, &value));
    assert_int_equal(value, WALL);
    unmake();
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    uint64_t value;
    make(1000000000, 0);
    struct vcpu *vcpu = &pc->vcpus[0];
    assert_false(pvclock_msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, (MIB - 16) | 1));
    assert_false(pvclock_msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, 0xffffffffffffffe1ull));
    assert_false(pvclock_msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, INFO | 3));
    assert_false(pvclock_msr_write(vcpu, MSR_KVM_WALL_CLOCK_NEW, MIB - 8));
    assert_false(pvclock_msr_write(vcpu, MSR_KVM_WALL_CLOCK_NEW, WALL + 2));
    assert_true(pvclock_msr_read(vcpu, MSR_KVM_SYSTEM_TIME_NEW, &value));
    assert_int_equal(value, 0);
    assert_true(pvclock_msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, 0xdead0000)); /* disabled: the address is not used */
    pvclock_tsc_changed(vcpu);
    unmake();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guest_time_is_machine_time), cmocka_unit_test(all_vcpus_agree),
        cmocka_unit_test(setting_the_tsc_does_not_move_time), cmocka_unit_test(wall_clock_is_the_time_of_creation),
        cmocka_unit_test(bad_addresses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
