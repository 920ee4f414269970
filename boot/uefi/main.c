/* SPDX-License-Identifier: MIT
 * The UEFI loader: reads the manifest and what it names, and starts the kernel as a Multiboot2 loader does. */
#include "firmware.h"
#include <string.h>

#define LOADER_NAME "BOOTX64.EFI"
#define EXIT_ATTEMPTS 8

static struct manifest manifest;
static struct {
    uint32_t start, end;
} modules[MANIFEST_MODULES];

static void read_manifest(void)
{
    size_t size;
    const char *text = file_read("manifest", &size);
    const char *problem = manifest_parse(&manifest, text, size);
    if (problem)
        fail("\\bulkhead\\manifest, line %u: %s.", manifest.line, problem);
}

/* Returns the flat image; its place may still be the firmware's. */
static void *load_kernel(struct image *image)
{
    size_t size;
    const void *file = file_read(manifest.kernel, &size);
    const char *problem = image_check(image, file, size);
    if (problem)
        fail("\\bulkhead\\%s: %s.", manifest.kernel, problem);
    reserve_kernel(image);
    void *flat = take_pages(image->end - image->start, EfiLoaderData, manifest.kernel);
    image_flatten(image, flat, file);
    return flat;
}

static void load_modules(void)
{
    for (uint32_t i = 0; i < manifest.count; i++) {
        size_t size;
        modules[i].start = (uint32_t)(UINTN)file_read(manifest.modules[i].file, &size);
        modules[i].end = modules[i].start + (uint32_t)size;
    }
}

/* All but the memory map, which is known last. */
static void describe(struct information *info, const struct memory_map *map)
{
    size_t size = INFORMATION_OTHERS + manifest.count * INFORMATION_MODULE_MAX +
                  map->room / map->stride * sizeof(struct memory);
    const void *rsdp = rsdp_find();
    struct screen screen;
    information_begin(info, take_pages(size, EfiLoaderData, "the boot information"), size, LOADER_NAME);
    for (uint32_t i = 0; i < manifest.count; i++)
        information_module(info, modules[i].start, modules[i].end, manifest.modules[i].name);
    if (!rsdp)
        fail("the firmware has no ACPI tables. Enable ACPI in its setup.");
    information_rsdp(info, rsdp);
    information_efi(info, (UINTN)firmware);
    screen_find(&screen);
    information_screen(info, &screen);
    if (!screen.depth)
        say("  the firmware offers no frame buffer: from here on only the serial port tells\n");
}

/* The map changes with each event in the firmware; its key says whether ours is the last one. */
static void leave_firmware(struct memory_map *map)
{
    EFI_STATUS status = EFI_SUCCESS;
    for (int i = 0; i < EXIT_ATTEMPTS; i++) {
        status = memory_map_read(map);
        if (status == EFI_SUCCESS)
            status = firmware->BootServices->ExitBootServices(loader_handle, map->key);
        if (status == EFI_SUCCESS)
            return;
    }
    fail("the firmware does not let go (ExitBootServices): %s. Update it, or turn off what runs before the loader.",
         status_text(status));
}

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *table)
{
    struct image image;
    struct information info;
    struct memory_map map;
    firmware = table;
    loader_handle = handle;
    table->BootServices->SetWatchdogTimer(0, 0, 0, NULL);
    say("Bulkhead's UEFI loader\n");
    firmware_report();
    read_manifest();
    void *flat = load_kernel(&image);
    load_modules();
    uint8_t *code = take_pages((size_t)(enter_code_end - enter_code), EfiLoaderCode, "the way into the kernel");
    memcpy(code, enter_code, (size_t)(enter_code_end - enter_code));
    memory_map_prepare(&map);
    describe(&info, &map);
    struct enter_parameters *p = (struct enter_parameters *)(code + (enter_parameters - enter_code));
    *p = (struct enter_parameters){ (uint32_t)(UINTN)flat, image.start, image.end - image.start, image.entry,
                                    (uint32_t)(UINTN)info.base };
    say("  %u files loaded; the hypervisor starts\n", manifest.count + 1);
    leave_firmware(&map);
    information_memory(&info, map.list, memory_map_convert(&map));
    information_end(&info); /* it fits: the map had room for no more entries */
    ((void (*)(void *))code)(code);
    __builtin_unreachable();
}
