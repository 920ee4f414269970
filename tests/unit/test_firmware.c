/* SPDX-License-Identifier: MIT
 * Firmware of the guest's own: what is accepted, and where it is put. */
#include "load_fixture.h"

static uint8_t image[PC_FIRMWARE_SIZE_MAX + 4096];

static int setup_firmware(void **state)
{
    setup(state);
    start.firmware = 1;
    for (unsigned i = 0; i < sizeof(image); i++)
        image[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
    return 0;
}

static void make_vector(uint64_t size) { image[size - 16] = 0xea; }

static void test_shadow(void **state)
{
    (void)state;
    const uint64_t size = 256 << 10;
    const struct vcpu_state before = boot_state;
    make_vector(size);
    assert_int_equal(load_image(image, size), OK);
    assert_int_equal(result.format, GUEST_FIRMWARE);
    assert_memory_equal(guest(PC_BIOS_END - PC_FIRMWARE_SHADOW), image + size - PC_FIRMWARE_SHADOW, PC_FIRMWARE_SHADOW);
    assert_int_equal(guest(PC_BIOS_END - PC_FIRMWARE_SHADOW)[-1], 0);
    assert_int_equal(guest(PC_BIOS_END)[0], 0);
    assert_memory_equal(&boot_state, &before, sizeof(before)); /* it begins where the reset has left the CPU */
}

static void test_small(void **state)
{
    (void)state;
    make_vector(PC_FIRMWARE_SIZE_MIN);
    assert_int_equal(load_image(image, PC_FIRMWARE_SIZE_MIN), OK);
    assert_memory_equal(guest(0xf0000), image, PC_FIRMWARE_SIZE_MIN);
    assert_int_equal(guest(0xf0000)[-1], 0);
}

static void test_sizes(void **state)
{
    (void)state;
    static const uint64_t wrong[] = {0, 1, 15, 4096, PC_FIRMWARE_SIZE_MIN - 4096, PC_FIRMWARE_SIZE_MIN + 1, PC_FIRMWARE_SIZE_MAX + 4096};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_refused(image, wrong[i], ERR_FORMAT, "64 KiB to 8 MiB");
    make_vector(PC_FIRMWARE_SIZE_MAX);
    assert_int_equal(load_image(image, PC_FIRMWARE_SIZE_MAX), OK);
}

static void test_no_vector(void **state)
{
    (void)state;
    memset(image + 0x20000 - 16, 0, 16);
    assert_refused(image, 0x20000, ERR_FORMAT, "reset vector");
    memset(image + 0x20000 - 16, 0xff, 16);
    assert_refused(image, 0x20000, ERR_FORMAT, "reset vector");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_shadow, setup_firmware), cmocka_unit_test_setup(test_small, setup_firmware),
        cmocka_unit_test_setup(test_sizes, setup_firmware), cmocka_unit_test_setup(test_no_vector, setup_firmware),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
