/* SPDX-License-Identifier: MIT
 * Files in the folder \bulkhead of the volume that the loader came from (UEFI 13.4, 13.5). */
#include "firmware.h"
#include <stdio.h>
#include <string.h>

#define FOLDER "\\bulkhead\\"
#define PATH_SIZE (sizeof(FOLDER) + MANIFEST_WORD)
#define INFO_SIZE (sizeof(EFI_FILE_INFO) + 512)
#define PIECE (4u << 20) /* some firmware is confused by reads of many megabytes */

static EFI_FILE_PROTOCOL *root;

static void open_volume(void)
{
    EFI_GUID image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID, volume_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_LOADED_IMAGE_PROTOCOL *image;
    EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *volume;
    EFI_BOOT_SERVICES *services = firmware->BootServices;
    EFI_STATUS status = services->HandleProtocol(loader_handle, &image_guid, (void **)&image);
    if (status == EFI_SUCCESS)
        status = services->HandleProtocol(image->DeviceHandle, &volume_guid, (void **)&volume);
    if (status == EFI_SUCCESS)
        status = volume->OpenVolume(volume, &root);
    if (status != EFI_SUCCESS)
        fail("the file system that BOOTX64.EFI was started from cannot be read: %s. "
             "Start it from a FAT volume, not from a network.",
             status_text(status));
}

static EFI_FILE_PROTOCOL *open(const char *path)
{
    CHAR16 wide[PATH_SIZE];
    EFI_FILE_PROTOCOL *file;
    size_t i = 0;
    for (; path[i]; i++)
        wide[i] = path[i] == '/' ? '\\' : (CHAR16)(uint8_t)path[i];
    wide[i] = 0;
    EFI_STATUS status = root->Open(root, &file, wide, EFI_FILE_MODE_READ, 0);
    if (status == EFI_NOT_FOUND)
        fail("%s: no such file on the volume that BOOTX64.EFI is on. "
             "Copy it there, or write the image again (make usb).", path);
    if (status != EFI_SUCCESS)
        fail("%s: it cannot be opened: %s.", path, status_text(status));
    return file;
}

static uint64_t size_of(EFI_FILE_PROTOCOL *file, const char *path)
{
    EFI_GUID guid = EFI_FILE_INFO_ID;
    uint64_t buffer[INFO_SIZE / 8];
    EFI_FILE_INFO *info = (EFI_FILE_INFO *)buffer;
    UINTN size = sizeof(buffer);
    EFI_STATUS status = file->GetInfo(file, &guid, &size, info);
    if (status != EFI_SUCCESS)
        fail("%s: its size is not known: %s.", path, status_text(status));
    if (info->Attribute & EFI_FILE_DIRECTORY)
        fail("%s: it is a folder, not a file.", path);
    if (info->FileSize >= BELOW_4G)
        fail("%s: it has %lu MiB; files of 4 GiB and more cannot be loaded.", path,
             (unsigned long)(info->FileSize >> 20));
    return info->FileSize;
}

void *file_read(const char *name, size_t *size)
{
    char path[PATH_SIZE];
    if (!root)
        open_volume();
    snprintf(path, sizeof(path), FOLDER "%s", name);
    EFI_FILE_PROTOCOL *file = open(path);
    *size = size_of(file, path);
    say("  %s, %lu KiB\n", path, (unsigned long)(*size + 1023) >> 10);
    uint8_t *buffer = take_pages(*size ? *size : 1, EfiLoaderData, path);
    for (size_t at = 0; at < *size;) {
        UINTN piece = *size - at < PIECE ? *size - at : PIECE;
        EFI_STATUS status = file->Read(file, &piece, buffer + at);
        if (status != EFI_SUCCESS || !piece)
            fail("%s: it cannot be read at byte %lu: %s.", path, (unsigned long)at,
                 status == EFI_SUCCESS ? "it ends there" : status_text(status));
        at += piece;
    }
    file->Close(file);
    return buffer;
}
