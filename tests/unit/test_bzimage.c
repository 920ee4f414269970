/* SPDX-License-Identifier: MIT
 * The Linux loader: what the kernel finds at its entry, where things go, and what is refused. */
#include "load_fixture.h"
#include <asm/bootparam.h>

#define SETUP_SECTORS 3
#define KERNEL_AT ((SETUP_SECTORS + 1) * 512)
#define KERNEL_SIZE 4096u
#define IMAGE_SIZE (KERNEL_AT + KERNEL_SIZE)

static uint8_t image[IMAGE_SIZE];

static struct setup_header *header(void) { return (struct setup_header *)(image + 0x1f1); }

static int setup_image(void **state)
{
    setup(state);
    memset(image, 0xcc, sizeof(image));
    *header() = (struct setup_header){
        .setup_sects = SETUP_SECTORS,
        .syssize = KERNEL_SIZE / 16,
        .boot_flag = 0xaa55,
        .jump = 0xeb | (0x1f1 + sizeof(struct setup_header) - 0x202) << 8,
        .header = 0x53726448,
        .version = 0x20f,
        .loadflags = LOADED_HIGH,
        .initrd_addr_max = 0x7fffffff,
        .kernel_alignment = 0x200000,
        .relocatable_kernel = 1,
        .min_alignment = 21,
        .xloadflags = XLF_KERNEL_64,
        .cmdline_size = 2047,
        .pref_address = 0x1000000,
        .init_size = 0x1000000,
    };
    for (unsigned i = 0; i < KERNEL_SIZE; i++) {
        image[KERNEL_AT + i] = (uint8_t)(i * 31);
    }
    return 0;
}

static const struct boot_params *params(void) { return (const struct boot_params *)guest(boot_state.gpr[RSI]); }

static void test_entry64(void **state)
{
    (void)state;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(result.format, GUEST_LINUX);
    assert_int_equal(boot_state.rip, 0x1000200);
    assert_int_equal(boot_state.cr0, 0x80000011);
    assert_int_equal(boot_state.cr4, 0x20);
    assert_int_equal(boot_state.efer, 0x500);
    assert_int_equal(boot_state.seg[SEG_CS].selector, 0x10);
    assert_int_equal(boot_state.seg[SEG_CS].attr, 0xa09b);
    assert_int_equal(boot_state.seg[SEG_DS].selector, 0x18);
    assert_memory_equal(guest(0x1000000), image + KERNEL_AT, KERNEL_SIZE);
    assert_int_equal(params()->hdr.type_of_loader, 0xff);
    assert_int_equal(params()->hdr.boot_flag, 0xaa55);
    assert_int_equal(params()->acpi_rsdp_addr, PC_RSDP);
    assert_string_equal((char *)guest(params()->hdr.cmd_line_ptr), "console=ttyS0 quiet");
    assert_int_equal(params()->hdr.ramdisk_size, 0);
    assert_int_equal(params()->sentinel, 0);
}

/* Walks the page tables in guest memory. */
static uint64_t translate(uint64_t address)
{
    uint64_t table = boot_state.cr3, entry = 0;
    for (int shift = 39; shift >= 12; shift -= 9) {
        memcpy(&entry, guest((table & ~0xfffull) + (address >> shift & 511) * 8), 8);
        assert_true(entry & 1);
        if (entry & 0x80) {
            return (entry & ~0x1fffffull) | (address & ((1ull << shift) - 1));
        }
        table = entry;
    }
    return (entry & ~0xfffull) | (address & 0xfff);
}

static void test_page_tables(void **state)
{
    (void)state;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    for (uint64_t address = 0; address < 0x100000000ull; address += 0x1fffff) {
        assert_true(translate(address) == address);
    }
}

static void test_memory_map(void **state)
{
    (void)state;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(params()->e820_entries, 4);
    assert_int_equal(params()->e820_table[3].addr, MIB);
    assert_int_equal(params()->e820_table[3].size, 63 * MIB);
    assert_int_equal(params()->e820_table[3].type, E820_RAM);
    assert_int_equal(params()->alt_mem_k, 63 * 1024);
}

static void test_entry32(void **state)
{
    (void)state;
    header()->xloadflags = 0;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_flat32(0x1000000);
    assert_int_equal(boot_state.seg[SEG_CS].selector, 0x10);
    assert_int_equal(boot_state.seg[SEG_DS].selector, 0x18);
    assert_int_equal(params()->hdr.code32_start, 0x1000000);
}

static void test_initrd(void **state)
{
    (void)state;
    static uint8_t initrd[10000];
    memset(initrd, 0x42, sizeof(initrd));
    set_module(1, "initrd.gz", "", initrd, sizeof(initrd));
    start.has_initrd = 1;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(params()->hdr.ramdisk_size, sizeof(initrd));
    assert_int_equal(params()->hdr.ramdisk_image, 64 * MIB - 3 * PAGE_SIZE);
    assert_memory_equal(guest(params()->hdr.ramdisk_image), initrd, sizeof(initrd));
    header()->initrd_addr_max = 0x2ffffff; /* inside memory */
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(params()->hdr.ramdisk_image, 0x3000000 - 3 * PAGE_SIZE);
    header()->initrd_addr_max = 0x1ffffff; /* the kernel's own room is in the way */
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(params()->hdr.ramdisk_image, 0x1000000 - 3 * PAGE_SIZE);
}

static void test_initrd_too_large(void **state)
{
    (void)state;
    uint64_t size = 48 * MIB;
    void *initrd = calloc(1, size);
    set_module(1, "huge.gz", "", initrd, size);
    free(initrd);
    start.has_initrd = 1;
    assert_refused(image, sizeof(image), ERR_MEMORY, "huge.gz needs 50331648 bytes");
    assert_non_null(strstr(result.error, "64 MiB"));
}

static void test_second_module(void **state)
{
    (void)state;
    set_module(1, "extra", "", "x", 1);
    assert_refused(image, sizeof(image), ERR_SUPPORT, "\"extra\"");
}

static void test_relocation(void **state)
{
    (void)state;
    header()->pref_address = 60 * MIB; /* does not fit there */
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(boot_state.rip, 0x200200);
    header()->relocatable_kernel = 0;
    assert_refused(image, sizeof(image), ERR_MEMORY, "cannot be moved");
    header()->relocatable_kernel = 1;
    header()->init_size = 64 * MIB;
    assert_refused(image, sizeof(image), ERR_MEMORY, "needs 64 MiB");
}

/* Real mode at the second sector of the setup code, with the loader's segments. */
static void assert_real(uint64_t setup)
{
    assert_int_equal(boot_state.cr0, 0x10);
    assert_int_equal(boot_state.rip, 0);
    assert_int_equal(boot_state.rflags, 2);
    assert_int_equal(boot_state.seg[SEG_CS].base, setup + 0x200);
    assert_int_equal(boot_state.seg[SEG_CS].selector, (setup + 0x200) >> 4);
    assert_int_equal(boot_state.seg[SEG_CS].attr, 0x9b);
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        assert_int_equal(boot_state.seg[i].limit, 0xffff);
        assert_true(i == SEG_CS || (boot_state.seg[i].base == setup && boot_state.seg[i].selector == setup >> 4));
    }
    assert_int_equal(boot_state.idtr.base, 0);
    assert_int_equal(boot_state.idtr.limit, 0x3ff);
    assert_int_equal(result.entry, setup + 0x200);
}

static void test_refused(void **state)
{
    (void)state;
    header()->version = 0x1ff;
    assert_refused(image, sizeof(image), ERR_FORMAT, "protocol 1.255");
    header()->version = 0x20f;
    header()->loadflags = 0;
    assert_refused(image, sizeof(image), ERR_FORMAT, "LOADED_HIGH");
    header()->loadflags = LOADED_HIGH;
    header()->kernel_alignment = 0x300000;
    assert_refused(image, sizeof(image), ERR_FORMAT, "kernel_alignment");
    header()->kernel_alignment = 0x200000;
    header()->cmdline_size = 5;
    assert_refused(image, sizeof(image), ERR_FORMAT, "19 characters: this kernel takes 5");
    header()->cmdline_size = 255;
    header()->header = 0;
    assert_refused(image, sizeof(image), ERR_FORMAT, "not a kernel");
}

static void test_old_protocol(void **state)
{
    (void)state;
    header()->version = 0x209; /* has neither pref_address nor xloadflags */
    header()->pref_address = 0xdeadbeef000;
    header()->init_size = 0xffffffff;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_real(0x10000);
    header()->version = 0x204; /* nor cmdline_size */
    memset(start.cmdline, 'x', 300);
    assert_refused(image, sizeof(image), ERR_FORMAT, "255");
}

static void test_real_mode(void **state)
{
    (void)state;
    static uint8_t initrd[100];
    memset(initrd, 0x42, sizeof(initrd));
    header()->version = 0x203;
    header()->code32_start = MIB;
    set_module(1, "initrd.gz", "", initrd, sizeof(initrd));
    start.has_initrd = 1;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_real(0x10000);
    const struct setup_header *setup = (const struct setup_header *)guest(0x101f1);
    assert_memory_equal(guest(0x10000), image, 0x1f1);
    assert_memory_equal(guest(0x10260), image + 0x260, KERNEL_AT - 0x260);
    assert_memory_equal(guest(MIB), image + KERNEL_AT, KERNEL_SIZE);
    assert_int_equal(setup->type_of_loader, 0xff);
    assert_int_equal(setup->loadflags, LOADED_HIGH | CAN_USE_HEAP);
    assert_int_equal(setup->heap_end_ptr, 0xfe00);
    assert_int_equal(setup->code32_start, MIB);
    assert_string_equal((const char *)guest(setup->cmd_line_ptr), "console=ttyS0 quiet");
    assert_int_equal(setup->ramdisk_size, sizeof(initrd));
    assert_memory_equal(guest(setup->ramdisk_image), initrd, sizeof(initrd));
}

/* Before bzImage: the kernel below the setup code. Before 2.02: the command line by magic number. */
static void test_zimage(void **state)
{
    (void)state;
    header()->version = 0x201;
    header()->loadflags = 0;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_real(0x90000);
    assert_memory_equal(guest(0x10000), image + KERNEL_AT, KERNEL_SIZE);
    assert_int_equal(guest_u32(0x90020) & 0xffff, 0xa33f);
    assert_string_equal((const char *)guest(0x90000 + (guest_u32(0x90020) >> 16)), "console=ttyS0 quiet");
    header()->setup_sects = 64;
    static uint8_t large[0x100000];
    memcpy(large, image, sizeof(image));
    assert_refused(large, sizeof(large), ERR_FORMAT, "zImage with a kernel");
    assert_refused(large, 65 * 512 + 0x80000, ERR_FORMAT, "setup code of 33280 bytes");
}

static void test_truncated(void **state)
{
    (void)state;
    for (uint64_t size = 0; size < sizeof(image); size++) {
        enum status status = load_image(image, size);
        assert_true(status == ERR_FORMAT || size > sizeof(image) - 16); /* the size is given in units of 16 bytes */
    }
    assert_refused(image, KERNEL_AT - 1, ERR_FORMAT, "truncated");
    assert_refused(image, sizeof(image) - 16, ERR_FORMAT, "promises 4096 bytes");
}

static void test_wild(void **state)
{
    (void)state;
    new_machine(8 * MIB);
    header()->init_size = 0x10000;
    header()->pref_address = MIB;
    assert_wild_fields(image, sizeof(image), 0x1f1, 0x1f1 + sizeof(struct setup_header));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_entry64, setup_image),
        cmocka_unit_test_setup(test_page_tables, setup_image),
        cmocka_unit_test_setup(test_memory_map, setup_image),
        cmocka_unit_test_setup(test_entry32, setup_image),
        cmocka_unit_test_setup(test_initrd, setup_image),
        cmocka_unit_test_setup(test_initrd_too_large, setup_image),
        cmocka_unit_test_setup(test_second_module, setup_image),
        cmocka_unit_test_setup(test_relocation, setup_image),
        cmocka_unit_test_setup(test_refused, setup_image),
        cmocka_unit_test_setup(test_old_protocol, setup_image),
        cmocka_unit_test_setup(test_real_mode, setup_image),
        cmocka_unit_test_setup(test_zimage, setup_image),
        cmocka_unit_test_setup(test_truncated, setup_image),
        cmocka_unit_test_setup(test_wild, setup_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
