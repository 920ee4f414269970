/* SPDX-License-Identifier: MIT
 * What the machine has, as the firmware tells it: memory, ACPI tables, screen, Secure Boot. */
#include "firmware.h"
#include <string.h>

EFI_SYSTEM_TABLE *firmware;
EFI_HANDLE loader_handle;

void *take_pages(size_t bytes, EFI_MEMORY_TYPE type, const char *what)
{
    EFI_PHYSICAL_ADDRESS address = BELOW_4G;
    EFI_STATUS status = firmware->BootServices->AllocatePages(AllocateMaxAddress, type, PAGE_COUNT(bytes), &address);
    if (status != EFI_SUCCESS)
        fail("%s: no %lu KiB of memory in one piece below 4 GiB: %s. "
             "The machine needs more memory, or fewer and smaller files.", what,
             (unsigned long)(bytes + 1023) >> 10, status_text(status));
    return (void *)(UINTN)address;
}

static bool secure_boot(void)
{
    EFI_GUID guid = EFI_GLOBAL_VARIABLE;
    uint8_t on = 0;
    UINTN size = sizeof(on);
    CHAR16 name[] = L"SecureBoot";
    return firmware->RuntimeServices->GetVariable(name, &guid, NULL, &size, &on) == EFI_SUCCESS && on == 1;
}

void firmware_report(void)
{
    char vendor[32];
    size_t n = 0;
    for (const CHAR16 *p = firmware->FirmwareVendor; p && *p && n + 1 < sizeof(vendor); p++)
        vendor[n++] = *p & 0xff80 ? '?' : (char)*p;
    vendor[n] = 0;
    say("  UEFI %u.%u by %s, Secure Boot %s\n", firmware->Hdr.Revision >> 16,
        (firmware->Hdr.Revision & 0xffff) / 10, vendor,
        secure_boot() ? "on: it has let this loader pass, which does not check what it loads" : "off");
}

const void *rsdp_find(void)
{
    EFI_GUID guids[] = { ACPI_20_TABLE_GUID, ACPI_TABLE_GUID }; /* the newer first */
    for (int g = 0; g < 2; g++)
        for (UINTN i = 0; i < firmware->NumberOfTableEntries; i++)
            if (!memcmp(&firmware->ConfigurationTable[i].VendorGuid, &guids[g], sizeof(EFI_GUID)))
                return firmware->ConfigurationTable[i].VendorTable;
    return NULL;
}

static void set_colour(struct screen *out, int colour, uint32_t mask)
{
    uint8_t first = mask ? (uint8_t)__builtin_ctz(mask) : 0, end = mask ? (uint8_t)(32 - __builtin_clz(mask)) : 0;
    out->position[colour] = first;
    out->bits[colour] = end - first;
}

/* UEFI 12.9: the pixels of known formats have 32 bits, others as many as their masks reach. */
void screen_find(struct screen *out)
{
    EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;
    memset(out, 0, sizeof(*out));
    if (firmware->BootServices->LocateProtocol(&guid, NULL, (void **)&gop) != EFI_SUCCESS ||
        !gop->Mode || !gop->Mode->Info)
        return;
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info = gop->Mode->Info;
    if (info->PixelFormat >= PixelBltOnly || !gop->Mode->FrameBufferBase)
        return;
    EFI_PIXEL_BITMASK mask = info->PixelInformation;
    if (info->PixelFormat == PixelRedGreenBlueReserved8BitPerColor)
        mask = (EFI_PIXEL_BITMASK){ 0xff, 0xff00, 0xff0000, 0xff000000 };
    else if (info->PixelFormat == PixelBlueGreenRedReserved8BitPerColor)
        mask = (EFI_PIXEL_BITMASK){ 0xff0000, 0xff00, 0xff, 0xff000000 };
    uint32_t all = mask.RedMask | mask.GreenMask | mask.BlueMask | mask.ReservedMask;
    if (!all)
        return;
    out->depth = (uint8_t)((32 - __builtin_clz(all) + 7) & ~7);
    out->base = gop->Mode->FrameBufferBase;
    out->width = info->HorizontalResolution;
    out->height = info->VerticalResolution;
    out->pitch = info->PixelsPerScanLine * out->depth / 8;
    set_colour(out, 0, mask.RedMask);
    set_colour(out, 1, mask.GreenMask);
    set_colour(out, 2, mask.BlueMask);
}

static bool ends_with_boot_services(UINT32 type)
{
    return type == EfiConventionalMemory || type == EfiBootServicesCode || type == EfiBootServicesData ||
           type == EfiLoaderCode || type == EfiLoaderData;
}

/* If the pages are not free, the firmware may still have nothing there that outlives it: the image is copied late. */
void reserve_kernel(const struct image *image)
{
    EFI_PHYSICAL_ADDRESS address = image->start;
    UINTN pages = PAGE_COUNT(image->end - image->start);
    struct memory_map map;
    if (firmware->BootServices->AllocatePages(AllocateAddress, EfiLoaderData, pages, &address) == EFI_SUCCESS)
        return;
    memory_map_prepare(&map);
    EFI_STATUS status = memory_map_read(&map);
    if (status != EFI_SUCCESS)
        fail("the firmware gives no memory map: %s.", status_text(status));
    uint64_t covered = 0;
    for (UINTN at = 0; at + map.stride <= map.size; at += map.stride) {
        const EFI_MEMORY_DESCRIPTOR *d = (const EFI_MEMORY_DESCRIPTOR *)(map.descriptors + at);
        uint64_t end = d->PhysicalStart + d->NumberOfPages * EFI_PAGE_SIZE;
        uint64_t from = d->PhysicalStart > image->start ? d->PhysicalStart : image->start;
        uint64_t to = end < image->end ? end : image->end;
        if (from < to && ends_with_boot_services(d->Type))
            covered += to - from;
    }
    if (covered < image->end - image->start)
        fail("the firmware keeps memory between 0x%x and 0x%x, where the hypervisor has to be. Please report "
             "the machine.", image->start, image->end);
}
