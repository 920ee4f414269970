/* SPDX-License-Identifier: MIT
 * The UEFI loader's parts that need no firmware: the manifest, the kernel's ELF file, and the Multiboot2 information,
 * which the kernel's own reader has to understand. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot/uefi/loader.h"
#include "kernel/multiboot.c"

#define AT 0x10000u /* where the kernel believes that the information lies */

static struct manifest manifest;
static uint8_t buffer[8192] __attribute__((aligned(8)));
static struct boot_loader loader;

void *boot_pointer(uint64_t hpa)
{
    assert_in_range(hpa, AT, AT + sizeof(buffer) - 1);
    return buffer + (hpa - AT);
}

void print(const char *format, ...)
{
    (void)format;
}

/* --- the manifest --- */

static const char *parse(const char *text)
{
    char *copy = malloc(strlen(text) ? strlen(text) : 1); /* exact: the sanitizer sees a read behind it */
    memcpy(copy, text, strlen(text));
    const char *problem = manifest_parse(&manifest, copy, strlen(text));
    free(copy);
    return problem;
}

static void manifest_is_read(void **state)
{
    assert_null(parse("# a comment\n\n  kernel kernel.elf\r\nload a.elf 'manager'\n"
                      "load\tb 'it'\\''s a \\ '\nload c x\\ y"));
    assert_string_equal(manifest.kernel, "kernel.elf");
    assert_int_equal(manifest.count, 3);
    assert_string_equal(manifest.modules[0].file, "a.elf");
    assert_string_equal(manifest.modules[0].name, "manager");
    assert_string_equal(manifest.modules[1].name, "it's a \\ ");
    assert_string_equal(manifest.modules[2].name, "x y");
}

static void manifest_errors_name_line_and_rule(void **state)
{
    char many[MANIFEST_MODULES * 16 + 64] = "kernel k\n", wide[200];
    static const struct {
        const char *text, *problem;
        uint32_t line;
    } cases[] = {
        { "", "there is no line", 0 },
        { "load a b\n", "there is no line", 1 },
        { "kernel a\nkernel b\n", "there is a kernel already", 2 },
        { "kernel a b\n", "allowed are", 1 },
        { "kernel a\nload b\n", "allowed are", 2 },
        { "kernel a\n\nboot\n", "allowed are", 3 },
        { "kernel 'a\n", "a quote is not closed", 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *problem = parse(cases[i].text);
        assert_non_null(problem);
        assert_non_null(strstr(problem, cases[i].problem));
        assert_int_equal(manifest.line, cases[i].line);
    }
    for (int i = 0; i <= MANIFEST_MODULES; i++)
        strcat(many, "load a b\n");
    assert_non_null(strstr(parse(many), "more than 48"));
    snprintf(wide, sizeof(wide), "kernel %0*d\n", MANIFEST_WORD - 1, 0);
    assert_null(parse(wide));
    snprintf(wide, sizeof(wide), "kernel %0*d\n", MANIFEST_WORD, 0);
    assert_non_null(strstr(parse(wide), "longer than"));
}

/* --- the kernel's file --- */

struct file {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    uint32_t multiboot[4];
    uint8_t code[64];
};

static struct file good_file(void)
{
    uint32_t magic = 0xe85250d6;
    struct file f = { .header = { .e_ident = ELFMAG, .e_type = ET_EXEC, .e_machine = EM_X86_64,
                                  .e_entry = 0x100010, .e_phnum = 2,
                                  .e_phentsize = sizeof(Elf64_Phdr), .e_phoff = offsetof(struct file, segments) },
                      .multiboot = { magic, 0, 16, -(magic + 16) } };
    f.header.e_ident[EI_CLASS] = ELFCLASS64;
    f.segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_paddr = 0x100000,
                                  .p_offset = offsetof(struct file, multiboot), .p_filesz = 80, .p_memsz = 80 };
    f.segments[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_paddr = 0x102008,
                                  .p_offset = offsetof(struct file, code), .p_filesz = 8, .p_memsz = 0x1000 };
    memset(f.code, 0xcc, sizeof(f.code));
    return f;
}

static void image_is_flattened(void **state)
{
    struct image image;
    struct file f = good_file();
    assert_null(image_check(&image, &f, sizeof(f)));
    assert_int_equal(image.start, 0x100000);
    assert_int_equal(image.end, 0x104000);
    assert_int_equal(image.entry, 0x100010);
    uint8_t *flat = malloc(image.end - image.start);
    memset(flat, 0xee, image.end - image.start);
    image_flatten(&image, flat, &f);
    assert_memory_equal(flat, f.multiboot, 80);
    assert_int_equal(flat[80], 0);
    assert_int_equal(flat[0x2007], 0);
    assert_int_equal(flat[0x2008], 0xcc);
    assert_int_equal(flat[0x2010], 0);
    assert_int_equal(flat[0x3fff], 0);
    free(flat);
}

static void damaged_images_are_refused(void **state)
{
    struct image image;
    struct file f = good_file();
    assert_non_null(image_check(&image, &f, sizeof(f.header) - 1));
    assert_non_null(image_check(&image, &f, sizeof(f.header) + 10));
    f.header.e_phoff = UINT64_MAX - 7;
    assert_non_null(image_check(&image, &f, sizeof(f)));
    f = good_file();
    f.segments[1].p_filesz = UINT64_MAX;
    assert_non_null(image_check(&image, &f, sizeof(f)));
    f = good_file();
    f.segments[1].p_memsz = UINT64_MAX - 0x1000;
    assert_non_null(image_check(&image, &f, sizeof(f)));
    f = good_file();
    f.segments[0].p_paddr = 0x7c00;
    assert_non_null(image_check(&image, &f, sizeof(f)));
    f = good_file();
    f.segments[1].p_paddr = 0x80000000;
    assert_non_null(image_check(&image, &f, sizeof(f)));
    f = good_file();
    f.multiboot[3]++;
    assert_non_null(strstr(image_check(&image, &f, sizeof(f)), "Multiboot2"));
    f = good_file();
    f.header.e_entry = 0x200000;
    assert_non_null(image_check(&image, &f, sizeof(f)));
}

/* --- the information, as the kernel reads it --- */

static void describe(struct information *info, size_t size)
{
    struct memory map[] = { { 0x300000, 0x1000, MEMORY_FREE }, { 0, 0xa0000, MEMORY_FREE },
                            { 0x200000, 0x100000, MEMORY_FREE },
                            { 0x301000, 0x1000, MEMORY_ACPI } };
    uint8_t rsdp[36] = "RSD PTR ";
    rsdp[15] = 2;
    memset(buffer, 0xee, sizeof(buffer));
    information_begin(info, buffer, size, "BOOTX64.EFI");
    information_module(info, 0x400000, 0x400123, "manager");
    information_module(info, 0x500000, 0x500001, "config:a.conf");
    information_rsdp(info, rsdp);
    information_efi(info, 0x1234);
    information_screen(info, &(struct screen){ .base = 0xc0000000, .width = 1280, .height = 800,
                                                 .pitch = 5120, .depth = 32 });
    information_memory(info, map, 4);
}

static void the_kernel_understands(void **state)
{
    struct information info;
    describe(&info, sizeof(buffer));
    assert_true(information_end(&info));
    memset(&loader, 0, sizeof(loader));
    assert_null(multiboot_parse(&loader, AT));
    assert_string_equal(loader.loader, "BOOTX64.EFI");
    assert_true(loader.uefi);
    assert_int_equal(loader.module_count, 2);
    assert_string_equal(loader.modules[0].name, "manager");
    assert_int_equal(loader.modules[0].size, 0x123);
    assert_int_equal(loader.modules[1].base, 0x500000);
    assert_int_equal(loader.rsdp_size, 36);
    assert_int_equal(loader.screen.kind, SCREEN_RGB);
    assert_int_equal(loader.screen.width, 1280);
    assert_int_equal(loader.screen.pitch, 5120);
    assert_int_equal(loader.map_count, 3); /* sorted, and neighbours of one type are one */
    assert_int_equal(loader.map[1].base, 0x200000);
    assert_int_equal(loader.map[1].size, 0x101000);
    assert_int_equal(loader.map[2].type, MEMORY_ACPI);
}

static void too_little_room_is_noticed(void **state)
{
    struct information info;
    describe(&info, sizeof(buffer));
    assert_true(information_end(&info));
    size_t needed = info.used;
    for (size_t size = 32; size < needed; size += 8) {
        describe(&info, size);
        assert_false(information_end(&info));
        assert_true(buffer[size] == 0xee);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_is_read),       cmocka_unit_test(manifest_errors_name_line_and_rule),
        cmocka_unit_test(image_is_flattened),     cmocka_unit_test(damaged_images_are_refused),
        cmocka_unit_test(the_kernel_understands), cmocka_unit_test(too_little_room_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
