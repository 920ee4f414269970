/* SPDX-License-Identifier: MIT
 * What the kernel reads before anyone has vouched for it: the boot loader's information and the host's ACPI tables. Well-formed
 * ones give the right answer; damaged ones give an answer too, and no access outside the machine's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#define print host_print
void host_print(const char *format, ...);
#include "kernel/acpi.c"
#define get16 dmar_get16
#define get64 dmar_get64
#include "kernel/iommu_dmar.c"
#define header multiboot_header
#include "kernel/multiboot.c"

#define MEMORY_SIZE 0x110000u
#define INFORMATION 0x20000000u
static uint8_t *memory;      /* machine memory from 0 on; behind it, room for the largest table */
static uint8_t *beyond;      /* what reads elsewhere get: all ones, no length is that long */
static uint8_t *information; /* at INFORMATION, of exactly its size, so that one byte too far is seen */

void *boot_pointer(uint64_t hpa)
{
    if (hpa >= INFORMATION && hpa < INFORMATION + 0x10000)
        return information + (hpa - INFORMATION);
    return hpa < MEMORY_SIZE ? memory + hpa : beyond;
}
void host_print(const char *format, ...) { (void)format; }
_Noreturn void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

/* --- ACPI --- */

static struct boot_loader loader;

static void put(uint64_t at, const void *data, size_t size)
{
    memcpy(memory + at, data, size);
}

static void put32(uint64_t at, uint32_t v)
{
    put(at, &v, 4);
}

static void finish(uint64_t at, const char *signature, uint32_t length)
{
    put(at, signature, 4);
    put32(at + 4, length);
    memory[at + 9] = 0;
    memory[at + 9] = (uint8_t)-sum(memory + at, length);
}

enum { RSDT = 0x2000, MADT = 0x3000, FADT = 0x4000, DSDT = 0x5000, MCFG = 0x6000, RSDP = 0xf0010 };

static void build(void)
{
    static const uint8_t madt[] = {
        0, 8, 0, 0, 1, 0, 0, 0,          0, 8, 1, 2, 1, 0, 0, 0,          0, 8, 2, 3, 0, 0, 0, 0, /* APIC id 3 is disabled */
        1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,
        2, 10, 0, 0, 2, 0, 0, 0, 0, 0,   2, 10, 0, 9, 9, 0, 0, 0, 13, 0, /* IRQ 0 at 2; IRQ 9 level, high */
        9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0,
    };
    static const uint8_t s5[] = { 0x10, 0x05, 0x5f, 0x08, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, 0x05, 0x01, 0x00, 0x00, 0, 0, 0, 0 };
    memset(memory, 0, MEMORY_SIZE);
    put(MADT + 44, madt, sizeof(madt));
    finish(MADT, "APIC", 44 + sizeof(madt));
    put(DSDT + 36, s5, sizeof(s5));
    finish(DSDT, "DSDT", 36 + sizeof(s5));
    put32(FADT + 40, DSDT);
    put32(FADT + 48, 0xb2);
    memory[FADT + 52] = 0xf1;
    put32(FADT + 64, 0x604);
    put32(FADT + 76, 0x608);
    memory[FADT + 91] = 4;
    memory[FADT + 108] = 0x32;
    put32(FADT + 112, 1 << 10);
    memory[FADT + 116] = ACPI_SPACE_IO;
    memory[FADT + 117] = 8;
    put32(FADT + 120, 0xcf9);
    memory[FADT + 128] = 0x0f;
    finish(FADT, "FACP", 132);
    put32(MCFG + 44, 0xe0000000);
    finish(MCFG, "MCFG", 60);
    put32(RSDT + 36, MADT);
    put32(RSDT + 40, FADT);
    put32(RSDT + 44, MCFG);
    finish(RSDT, "RSDT", 48);
    put(RSDP, "RSD PTR ", 8);
    put32(RSDP + 16, RSDT);
    memory[RSDP + 8] = (uint8_t)-sum(memory + RSDP, 20);
    memset(&loader, 0, sizeof(loader));
    memset(&acpi, 0, sizeof(acpi));
}

static void test_acpi(void **state)
{
    (void)state;
    build();
    assert_null(acpi_init(&loader));
    assert_int_equal(acpi.cpu_count, 3);
    assert_int_equal(acpi.cpus[1], 2);
    assert_int_equal(acpi.cpus[2], 0x100);
    assert_int_equal(acpi.ioapics[0].address, 0xfec00000);
    assert_int_equal(acpi.isa[0].gsi, 2);
    assert_int_equal(acpi.isa[1].gsi, 1);
    assert_true(acpi.isa[9].level && !acpi.isa[9].active_low);
    assert_int_equal(acpi.pm_timer, 0x608);
    assert_int_equal(acpi.pm1a_control, 0x604);
    assert_int_equal(acpi.smi_command, 0xb2);
    assert_true(acpi.s5);
    assert_int_equal(acpi.s5_type_a, 5);
    assert_int_equal(acpi.s5_type_b, 1);
    assert_int_equal(acpi.reset.address, 0xcf9);
    assert_int_equal(acpi.reset_value, 0x0f);
    assert_int_equal(acpi.century, 0x32);
    assert_true(acpi.ecam && !acpi.amd_iommu && !dmar.unit_count);
}

static void test_acpi_refused(void **state)
{
    (void)state;
    build();
    loader.uefi = true; /* then the BIOS areas are not looked at */
    assert_non_null(acpi_init(&loader));
    build();
    memory[RSDP + 9]++;
    assert_non_null(acpi_init(&loader));
    build();
    memory[RSDT + 40]++;
    assert_non_null(acpi_init(&loader));
    build();
    memory[MADT + 50]++; /* no CPUs without it */
    assert_non_null(acpi_init(&loader));
    build();
    memory[DSDT + 50]++; /* only power off is lost */
    assert_null(acpi_init(&loader));
    assert_false(acpi.s5);
    build();
    put32(RSDT + 36, 0xfffffff0); /* a table that would wrap */
    finish(RSDT, "RSDT", 48);
    assert_non_null(acpi_init(&loader));
}

/* Any byte of any table wrong, with the checksum made right again. */
static void test_acpi_damaged(void **state)
{
    (void)state;
    static const uint32_t tables[] = { RSDT, MADT, FADT, DSDT };
    srand(3);
    for (int i = 0; i < 4000; i++) {
        build();
        uint32_t at = tables[i % 4], length = length_of(memory + at);
        for (int n = 1 + rand() % 3; n; n--) {
            uint32_t where = (uint32_t)rand() % length;
            if (where < 4 || where > 7)
                memory[at + where] = (uint8_t)(rand() % 2 ? rand() : 0xff);
        }
        char signature[4];
        memcpy(signature, memory + at, 4);
        finish(at, signature, length);
        (void)acpi_init(&loader);
        assert_true(acpi.cpu_count <= ACPI_MAX_CPUS && acpi.ioapic_count <= ACPI_MAX_IOAPICS);
    }
}

/* --- the boot loader's information --- */

static uint8_t info[4096];
static uint32_t info_size;

static void tag(uint32_t type, const void *data, uint32_t size)
{
    uint32_t head[2] = { type, 8 + size };
    memcpy(info + info_size, head, 8);
    memcpy(info + info_size + 8, data, size);
    info_size = (uint32_t)ALIGN_UP(info_size + 8 + size, 8);
}

static void module(uint32_t start, uint32_t end, const char *line)
{
    uint8_t data[256];
    uint32_t size = 8 + (uint32_t)strlen(line) + 1;
    memcpy(data, (uint32_t[]){ start, end }, 8);
    strcpy((char *)data + 8, line);
    tag(3, data, size);
}

static void build_info(void)
{
    struct {
        uint32_t entry_size, version;
        uint64_t base, size;
        uint32_t type, zero;
    } map = { 24, 0, 0, 0x8000000, 1, 0 };
    memset(info, 0, sizeof(info));
    info_size = 8;
    tag(2, "GRUB 2.06", 10);
    tag(6, &map, sizeof(map));
    module(0x200000, 0x200123, "manager --verbose");
    module(0x300000, 0x300000, "  boot/empty.img");
    module(0x400001, 0x400002, "crooked");
    module(0x500000, 0x400000, "backwards");
    module(0x600000, 0x600001, "");
    tag(14, "0123456789012345678", 20);
    tag(15, "RSD PTR 0123456789012345678901234567", 36);
    tag(0, "", 0);
    memcpy(info, &info_size, 4);
}

static const char *parse(struct boot_loader *out)
{
    memset(out, 0, sizeof(*out));
    information = malloc(info_size);
    memcpy(information, info, info_size);
    const char *problem = multiboot_parse(out, INFORMATION);
    free(information);
    return problem;
}

static void test_information(void **state)
{
    (void)state;
    static struct boot_loader out;
    build_info();
    assert_null(parse(&out));
    assert_string_equal(out.loader, "GRUB 2.06");
    assert_int_equal(out.map_count, 1);
    assert_int_equal(out.map[0].size, 0x8000000);
    assert_int_equal(out.module_count, 2);
    assert_string_equal(out.modules[0].name, "manager");
    assert_int_equal(out.modules[0].size, 0x123);
    assert_string_equal(out.modules[1].name, "boot/empty.img");
    assert_int_equal(out.rsdp_size, 36);
    assert_false(out.uefi);
    memcpy(info, (uint32_t[]){ 0x7fffffff }, 4);
    assert_non_null(parse(&out));
}

static void test_information_damaged(void **state)
{
    (void)state;
    static struct boot_loader out;
    srand(5);
    for (int i = 0; i < 20000; i++) {
        build_info();
        for (int n = 1 + rand() % 4; n; n--)
            info[8 + (uint32_t)rand() % (info_size - 8)] = (uint8_t)(rand() % 2 ? rand() : 0xff);
        (void)parse(&out);
        assert_true(out.map_count <= BOOT_MAX_MAP && out.module_count <= BOOT_MAX_MODULES && out.rsdp_size <= 36);
        for (uint32_t m = 0; m < out.module_count; m++)
            assert_true(strnlen(out.modules[m].name, BOOT_NAME_SIZE) < BOOT_NAME_SIZE && !(out.modules[m].base & PAGE_MASK));
    }
}

static int set_up(void **state)
{
    (void)state;
    memory = calloc(1, MEMORY_SIZE + TABLE_MAX);
    beyond = malloc(4096);
    memset(beyond, 0xff, 4096);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(memory);
    free(beyond);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acpi),
        cmocka_unit_test(test_acpi_refused),
        cmocka_unit_test(test_acpi_damaged),
        cmocka_unit_test(test_information),
        cmocka_unit_test(test_information_damaged),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
