/* SPDX-License-Identifier: MIT
 * What firmware leaves in memory, read as operating systems read it: searched, followed, summed up.
 * With ACPI_DUMP=DIRECTORY in the environment every table is also written to a file there, for iasl -d. */
#include "fake_pc.h"
#include "acpi_tables.h"

static struct machine *pc;
static const void *rsdp_at;

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(2 * MIB, 0, 1000000000, 0);
    pc->vcpu_count = 3;
    assert_int_equal(acpi_tables_write(pc, &rsdp_at), OK);
    assert_int_equal(mp_table_write(pc), OK);
    assert_int_equal(bios_area_write(pc), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(pc);
    return 0;
}

static uint64_t get(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, at, size);
    return value;
}

static uint8_t sum(const uint8_t *at, uint64_t size)
{
    uint8_t total = 0;
    while (size--)
        total = (uint8_t)(total + *at++);
    return total;
}

/* The search that ACPI prescribes: every 16 bytes from 0xe0000 on. */
static const uint8_t *find(const char *signature, unsigned length)
{
    for (uint32_t address = 0xe0000; address < 0x100000; address += 16) {
        const uint8_t *at = pc->memory.base + address;
        if (memcmp(at, signature, strlen(signature)) == 0 && sum(at, length) == 0)
            return at;
    }
    return NULL;
}

static const uint8_t *table_at(uint64_t address)
{
    assert_in_range(address, PC_BIOS_AREA, PC_BIOS_END - 36);
    const uint8_t *table = pc->memory.base + address;
    assert_in_range(get(table + 4, 4), 36, 0x10000);
    assert_true(address + get(table + 4, 4) <= PC_RSDP);
    assert_int_equal(sum(table, get(table + 4, 4)), 0);
    return table;
}

static const uint8_t *table(const char *signature)
{
    const uint8_t *rsdp = find("RSD PTR ", 20), *xsdt = table_at(get(rsdp + 24, 8));
    for (uint64_t at = 36; at < get(xsdt + 4, 4); at += 8) {
        const uint8_t *candidate = table_at(get(xsdt + at, 8));
        if (memcmp(candidate, signature, 4) == 0)
            return candidate;
    }
    return NULL;
}

static void rsdp_leads_to_equal_lists(void **state)
{
    (void)state;
    const uint8_t *rsdp = find("RSD PTR ", 20);
    assert_ptr_equal(rsdp, pc->memory.base + PC_RSDP);
    assert_int_equal(sum(rsdp, 36), 0);
    assert_int_equal(rsdp[15], 2);
    const uint8_t *rsdt = table_at(get(rsdp + 16, 4)), *xsdt = table_at(get(rsdp + 24, 8));
    assert_memory_equal(rsdt, "RSDT", 4);
    assert_memory_equal(xsdt, "XSDT", 4);
    assert_int_equal((get(rsdt + 4, 4) - 36) / 4, 5);
    assert_int_equal((get(xsdt + 4, 4) - 36) / 8, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(get(rsdt + 36 + 4 * i, 4), get(xsdt + 36 + 8 * i, 8));
}

static void fadt_says_how_to_power_off_and_reset(void **state)
{
    (void)state;
    const uint8_t *fadt = table("FACP");
    assert_non_null(fadt);
    assert_int_equal(get(fadt + 4, 4), 244);
    assert_int_equal(get(fadt + 46, 2), 9);        /* SCI */
    assert_int_equal(get(fadt + 48, 4), 0);        /* no SMI command: always in ACPI mode */
    assert_int_equal(get(fadt + 56, 4), 0x600);
    assert_int_equal(get(fadt + 64, 4), 0x604);
    assert_int_equal(get(fadt + 76, 4), 0x608);
    assert_int_equal(fadt[91], 4);
    assert_int_equal(fadt[108], 0x32);
    assert_true(get(fadt + 112, 4) & 1u << 10);
    assert_int_equal(fadt[116], 1);
    assert_int_equal(get(fadt + 120, 8), 0xcf9);
    assert_int_equal(fadt[128] & 6, 6);
    assert_int_equal(get(fadt + 140, 8), get(fadt + 40, 4));
    const uint8_t *facs = pc->memory.base + get(fadt + 36, 4);
    assert_memory_equal(facs, "FACS", 4);
    assert_int_equal(get(fadt + 36, 4) % 64, 0);
    assert_int_equal(get(facs + 4, 4), 64);
    assert_memory_equal(table_at(get(fadt + 40, 4)), "DSDT", 4);
}

static void madt_lists_processors_and_wiring(void **state)
{
    (void)state;
    const uint8_t *madt = table("APIC");
    unsigned processors = 0, controllers = 0, overrides = 0, nmis = 0;
    assert_int_equal(get(madt + 36, 4), 0xfee00000);
    for (uint64_t at = 44; at < get(madt + 4, 4); at += madt[at + 1]) {
        const uint8_t *entry = madt + at;
        assert_true(entry[1] >= 2);
        if (entry[0] == 0) {
            assert_int_equal(entry[3], processors++);
            assert_int_equal(get(entry + 4, 4), 1);
        } else if (entry[0] == 1) {
            assert_int_equal(get(entry + 4, 4), 0xfec00000);
            controllers++;
        } else if (entry[0] == 2) {
            assert_true(entry[3] == 0 ? get(entry + 4, 4) == 2 && !get(entry + 8, 2)
                                      : entry[3] == 9 && get(entry + 4, 4) == 9 && get(entry + 8, 2) == 0xd);
            overrides++;
        } else {
            assert_int_equal(entry[0], 4);
            assert_int_equal(entry[5], 1);
            nmis++;
        }
    }
    assert_int_equal(processors, 3);
    assert_int_equal(controllers, 1);
    assert_int_equal(overrides, 2);
    assert_int_equal(nmis, 1);
}

static void mcfg_and_hpet_name_their_addresses(void **state)
{
    (void)state;
    const uint8_t *mcfg = table("MCFG"), *hpet = table("HPET");
    assert_int_equal(get(mcfg + 4, 4), 60);
    assert_int_equal(get(mcfg + 44, 8), PC_ECAM);
    assert_int_equal(mcfg[55], 255);
    assert_int_equal(get(hpet + 36, 4), PC_HPET_ID);
    assert_int_equal(get(hpet + 44, 8), PC_HPET);
}

static void mp_table_lists_processors_and_interrupts(void **state)
{
    (void)state;
    static const uint8_t sizes[] = { 20, 8, 8, 8, 8 };
    const uint8_t *floating = find("_MP_", 16);
    assert_non_null(floating);
    const uint8_t *mp = pc->memory.base + get(floating + 4, 4), *entry = mp + 44;
    unsigned counts[5] = { 0 };
    uint8_t last = 0, pins[256] = { 0 };
    assert_memory_equal(mp, "PCMP", 4);
    assert_int_equal(sum(mp, get(mp + 4, 2)), 0);
    for (unsigned i = 0; i < get(mp + 34, 2); i++, entry += sizes[entry[0]]) {
        assert_in_range(entry[0], last, 4);
        last = entry[0];
        counts[last]++;
        if (last == 3 && entry[4] == 0)
            pins[entry[5]] = entry[7];
    }
    assert_ptr_equal(entry, mp + get(mp + 4, 2));
    assert_int_equal(counts[0], 3);
    assert_int_equal(mp[44 + 3], 3);      /* the first is the boot processor */
    assert_int_equal(mp[44 + 20 + 3], 1);
    assert_int_equal(counts[1], 2);
    assert_int_equal(counts[2], 1);
    assert_int_equal(counts[3], 15 + 31 * 4);
    assert_int_equal(counts[4], 2);
    assert_int_equal(pins[3 << 2 | 0], 19); /* slot 3, INTA */
    assert_int_equal(pins[3 << 2 | 1], 20);
}

static void bios_areas_are_as_on_a_pc(void **state)
{
    (void)state;
    const uint8_t *low = pc->memory.base;
    assert_int_equal(get(low + 0x413, 2), 639);
    assert_int_equal(get(low + 0x40e, 2), 0x9fc0);
    assert_int_equal(get(low + 0x400, 2), 0x3f8);
    assert_int_equal(get(low + 0x402, 2), 0);
    assert_int_equal(low[0x9fc00], 1);
    assert_int_equal(low[0x449], 3);
    for (unsigned vector = 0; vector < 256; vector++) {
        uint32_t target = (uint32_t)get(low + vector * 4 + 2, 2) * 16 + (uint32_t)get(low + vector * 4, 2);
        assert_in_range(target, PC_BIOS_CODE, 0xffff0);
        assert_int_not_equal(low[target], 0);
    }
    assert_int_equal(low[0xffff0], 0xea);
    uint32_t reset = (uint32_t)get(low + 0xffff3, 2) * 16 + (uint32_t)get(low + 0xffff1, 2);
    assert_int_equal(get(low + reset + 2, 4), 0x64e6feb0);
}

static void too_little_memory_is_an_error(void **state)
{
    (void)state;
    pc->memory.low = 0xf0000;
    assert_int_equal(acpi_tables_write(pc, &rsdp_at), ERR_MEMORY);
    assert_int_equal(mp_table_write(pc), ERR_MEMORY);
    assert_int_equal(bios_area_write(pc), ERR_MEMORY);
    pc->memory.low = MIB;
    pc->vcpu_count = MAX_VCPUS;
    assert_int_equal(acpi_tables_write(pc, &rsdp_at), OK);
    assert_int_equal(mp_table_write(pc), OK);
}

/* With firmware of the guest's own: at the end of low memory, with addresses there, and nothing below 1 MiB. */
static void with_firmware_tables_are_above(void **state)
{
    (void)state;
    static const uint8_t nothing[0x100000];
    const uint64_t base = 2 * MIB - PC_FIRMWARE_TABLES;
    memset(pc->memory.base, 0, 2 * MIB);
    fake.start.firmware = 1;
    assert_int_equal(acpi_tables_write(pc, &rsdp_at), OK);
    assert_memory_equal(pc->memory.base, nothing, sizeof(nothing));
    const uint8_t *rsdp = rsdp_at;
    assert_ptr_equal(rsdp, pc->memory.base + base + PC_FIRMWARE_RSDP);
    assert_memory_equal(rsdp, "RSD PTR ", 8);
    assert_int_equal(sum(rsdp, ACPI_RSDP_SIZE), 0);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t list = i ? get(rsdp + 24, 8) : get(rsdp + 16, 4), size = get(pc->memory.base + list + 4, 4);
        assert_in_range(list, base, base + PC_FIRMWARE_RSDP - size);
        assert_int_equal(sum(pc->memory.base + list, size), 0);
        for (uint64_t at = list + 36; at < list + size; at += i ? 8 : 4)
            assert_in_range(get(pc->memory.base + at, i ? 8 : 4), base, list);
    }
    pc->memory.low = MIB;
    assert_int_equal(acpi_tables_write(pc, &rsdp_at), ERR_MEMORY);
    pc->memory.low = 2 * MIB;
}

static void dump_one(const char *directory, const uint8_t *at, uint64_t size)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%.4s.dat", directory, (const char *)at);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(at, 1, size, file), size);
    fclose(file);
}

static void tables_can_be_dumped(void **state)
{
    (void)state;
    const char *directory = getenv("ACPI_DUMP");
    const uint8_t *rsdp = find("RSD PTR ", 20), *xsdt = table_at(get(rsdp + 24, 8)), *fadt = table("FACP");
    if (!directory)
        skip();
    dump_one(directory, rsdp, 36);
    dump_one(directory, xsdt, get(xsdt + 4, 4));
    dump_one(directory, table_at(get(rsdp + 16, 4)), get(table_at(get(rsdp + 16, 4)) + 4, 4));
    dump_one(directory, table_at(get(fadt + 40, 4)), get(table_at(get(fadt + 40, 4)) + 4, 4));
    dump_one(directory, pc->memory.base + get(fadt + 36, 4), 64);
    for (uint64_t at = 36; at < get(xsdt + 4, 4); at += 8)
        dump_one(directory, table_at(get(xsdt + at, 8)), get(table_at(get(xsdt + at, 8)) + 4, 4));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(rsdp_leads_to_equal_lists), CASE(fadt_says_how_to_power_off_and_reset), CASE(madt_lists_processors_and_wiring),
        CASE(mcfg_and_hpet_name_their_addresses), CASE(mp_table_lists_processors_and_interrupts),
        CASE(bios_areas_are_as_on_a_pc), CASE(too_little_memory_is_an_error), CASE(with_firmware_tables_are_above), CASE(tables_can_be_dumped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
