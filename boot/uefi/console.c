/* SPDX-License-Identifier: MIT
 * Text on the firmware's console: its screen, and the serial port if it uses one. */
#include "firmware.h"
#include <stdarg.h>
#include <stdio.h>

#define LINE_SIZE 512
#define READ_SECONDS 60
#define POLLS_PER_SECOND 10

static void vsay(const char *format, va_list args)
{
    char line[LINE_SIZE];
    CHAR16 wide[2 * LINE_SIZE];
    UINTN n = 0;
    vsnprintf(line, sizeof(line), format, args);
    for (const char *p = line; *p; p++) {
        if (*p == '\n')
            wide[n++] = '\r';
        wide[n++] = *p & 0x80 ? '?' : (CHAR16)*p;
    }
    wide[n] = 0;
    firmware->ConOut->OutputString(firmware->ConOut, wide);
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsay(format, args);
    va_end(args);
}

static void wait_for_reader(void)
{
    EFI_INPUT_KEY key;
    firmware->ConIn->Reset(firmware->ConIn, FALSE);
    for (int i = 0; i < READ_SECONDS * POLLS_PER_SECOND; i++) {
        if (firmware->ConIn->ReadKeyStroke(firmware->ConIn, &key) == EFI_SUCCESS)
            return;
        firmware->BootServices->Stall(1000000 / POLLS_PER_SECOND);
    }
}

_Noreturn void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("bulkhead: cannot start: ");
    vsay(format, args);
    va_end(args);
    say("\nBack to the firmware in %d seconds, or at a key.\n", READ_SECONDS);
    wait_for_reader();
    firmware->BootServices->Exit(loader_handle, EFI_LOAD_ERROR, 0, NULL);
    for (;;)
        __asm__ volatile("hlt");
}

const char *status_text(EFI_STATUS status)
{
    static const struct {
        EFI_STATUS status;
        const char *text;
    } known[] = {
        { EFI_NOT_FOUND, "not found" },
        { EFI_DEVICE_ERROR, "the device reports an error; is the stick damaged?" },
        { EFI_VOLUME_CORRUPTED, "the file system is damaged; write the image again" },
        { EFI_MEDIA_CHANGED, "the medium was changed" },
        { EFI_NO_MEDIA, "the medium was taken out" },
        { EFI_OUT_OF_RESOURCES, "there is not enough memory" },
        { EFI_ACCESS_DENIED, "access denied" },
        { EFI_SECURITY_VIOLATION, "refused by Secure Boot" },
        { EFI_INVALID_PARAMETER, "invalid parameter" },
        { EFI_UNSUPPORTED, "not supported" },
    };
    for (UINTN i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].status == status)
            return known[i].text;
    return "an error of the firmware";
}
