/* SPDX-License-Identifier: MIT
 * QEMU's firmware configuration interface: selector and data port, DMA. */
#include <string.h>
#include "devices/fw_cfg.h"
#include "e820.h"
#include "machine.h"
#include "pc.h"

#define SELECTOR_PORTS 2  /* the data port is the selector's second byte */
#define DMA_PORT (PC_FW_CFG + 4)
#define DMA_PORTS 8
#define DMA_SIGNATURE 0x51454d5520434647ull /* "QEMU CFG" */

enum fw_cfg_key {
    KEY_SIGNATURE = 0x00, KEY_ID = 0x01, KEY_UUID = 0x02, KEY_RAM_SIZE = 0x03, KEY_NO_GRAPHIC = 0x04, KEY_CPUS = 0x05,
    KEY_MAX_CPUS = 0x0f, KEY_DIRECTORY = 0x19, KEY_FIRST_FILE = 0x20, KEY_IRQ0_OVERRIDE = 0x8002,
};
#define KEY_WRITE_CHANNEL 0x4000u /* a bit of the selector without meaning for items that cannot be written */

#define ID_TRADITIONAL 1u
#define ID_DMA 2u

#define CONTROL_ERROR 0x01u
#define CONTROL_READ 0x02u
#define CONTROL_SKIP 0x04u
#define CONTROL_SELECT 0x08u
#define CONTROL_WRITE 0x10u

struct dma_access { /* all big-endian */
    uint32_t control, length;
    uint64_t address;
};

struct directory {
    uint32_t count; /* big-endian like all of it */
    struct file_entry {
        uint32_t size;
        uint16_t key, reserved;
        char name[56];
    } files[FW_CFG_FILES];
};
_Static_assert(sizeof(struct file_entry) == 64, "entry of the file directory");

/* A command of the table loader (of which firmware gets a list in a file): one size, whatever the command. */
struct loader_command {
    uint32_t command; /* little-endian */
    char file[56];
    uint32_t alignment;
    uint8_t zone;
    uint8_t rest[63];
} __attribute__((packed));
_Static_assert(sizeof(struct loader_command) == 128, "command of the table loader");
#define LOADER_ALLOCATE 1
#define LOADER_ZONE_LOW 2 /* below 1 MiB, where operating systems search for the RSDP */
#define RSDP_FILE "etc/acpi/rsdp"

struct e820_file_entry {
    uint64_t base, size;
    uint32_t type;
} __attribute__((packed));

static const struct fw_cfg_item *find_item(const struct fw_cfg *fw_cfg, uint16_t key)
{
    for (unsigned i = 0; i < fw_cfg->item_count; i++) {
        if (fw_cfg->items[i].key == key)
            return &fw_cfg->items[i];
    }
    return NULL;
}

static void select_item(struct fw_cfg *fw_cfg, uint16_t key)
{
    fw_cfg->key = key & (uint16_t)~KEY_WRITE_CHANNEL;
    fw_cfg->offset = 0;
}

/* Copies the next bytes of the selected item; behind its end there are zeros. */
static void read_item(struct fw_cfg *fw_cfg, uint8_t *to, uint32_t length)
{
    const struct fw_cfg_item *item = find_item(fw_cfg, fw_cfg->key);
    uint32_t left = item && fw_cfg->offset < item->length ? item->length - fw_cfg->offset : 0;
    uint32_t copied = length < left ? length : left;
    if (copied)
        memcpy(to, fw_cfg->data + item->begin + fw_cfg->offset, copied);
    memset(to + copied, 0, length - copied);
    fw_cfg->offset += copied;
}

/* ---- DMA ---- */

static bool transfer(struct fw_cfg *fw_cfg, uint32_t control, uint32_t length, uint64_t address)
{
    if (control & CONTROL_SELECT)
        select_item(fw_cfg, (uint16_t)(control >> 16));
    if (control & CONTROL_READ) {
        uint8_t *to = memory_at(&fw_cfg->machine->memory, address, length);
        if (!to)
            return false;
        read_item(fw_cfg, to, length);
        return true;
    }
    if (control & CONTROL_WRITE)
        return false;
    if (control & CONTROL_SKIP) {
        uint32_t room = UINT32_MAX - fw_cfg->offset;
        fw_cfg->offset += length < room ? length : room;
    }
    return true;
}

static void run_dma(struct fw_cfg *fw_cfg, uint64_t address)
{
    struct dma_access access;
    uint8_t *in_guest = memory_at(&fw_cfg->machine->memory, address, sizeof(access)); /* aligned or not */
    if (!in_guest) /* nowhere to report the error */
        return;
    memcpy(&access, in_guest, sizeof(access));
    bool done = transfer(fw_cfg, __builtin_bswap32(access.control), __builtin_bswap32(access.length),
                         __builtin_bswap64(access.address));
    access.control = done ? 0 : __builtin_bswap32(CONTROL_ERROR);
    memcpy(in_guest, &access.control, sizeof(access.control));
}

static uint32_t dma_read(void *device, uint16_t offset, unsigned size)
{
    uint64_t signature = __builtin_bswap64(DMA_SIGNATURE);
    (void)device, (void)size;
    return (uint32_t)(signature >> (8 * offset));
}

static void dma_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct fw_cfg *fw_cfg = device;
    if (size != 4 || offset % 4)
        return;
    if (offset == 0) {
        fw_cfg->dma_address = (uint64_t)__builtin_bswap32(value) << 32;
        return;
    }
    uint64_t address = fw_cfg->dma_address | __builtin_bswap32(value);
    fw_cfg->dma_address = 0;
    run_dma(fw_cfg, address);
}

/* ---- selector and data ---- */

static uint32_t fw_cfg_read(void *device, uint16_t offset, unsigned size)
{
    struct fw_cfg *fw_cfg = device;
    uint8_t byte = 0;
    (void)size;
    if (offset == 1)
        read_item(fw_cfg, &byte, 1);
    return byte;
}

static void fw_cfg_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    if (offset == 0 && size == 2)
        select_item(device, (uint16_t)value);
}

/* ---- contents ---- */

/* Adds an item; false if it does not fit. */
static bool add_item(struct fw_cfg *fw_cfg, uint16_t key, const void *data, uint32_t length)
{
    if (fw_cfg->item_count == FW_CFG_ITEMS || length > FW_CFG_DATA_SIZE - (uint32_t)fw_cfg->data_used)
        return false;
    fw_cfg->items[fw_cfg->item_count++] = (struct fw_cfg_item){ key, fw_cfg->data_used, (uint16_t)length };
    memcpy(fw_cfg->data + fw_cfg->data_used, data, length);
    fw_cfg->data_used = (uint16_t)(fw_cfg->data_used + length);
    return true;
}

static bool add_number(struct fw_cfg *fw_cfg, uint16_t key, uint64_t value, uint32_t size)
{
    return add_item(fw_cfg, key, &value, size);
}

static struct directory *directory_of(struct fw_cfg *fw_cfg)
{
    return (struct directory *)(fw_cfg->data + fw_cfg->items[0].begin);
}

/* A file, which the directory names; one of that name is replaced, which needs the same length. */
static bool add_file(struct fw_cfg *fw_cfg, const char *name, const void *data, uint32_t length)
{
    struct directory *directory = directory_of(fw_cfg);
    unsigned count = __builtin_bswap32(directory->count);
    uint16_t key = (uint16_t)(KEY_FIRST_FILE + count);
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(directory->files[i].name, name) == 0) {
            const struct fw_cfg_item *item = find_item(fw_cfg, (uint16_t)(KEY_FIRST_FILE + i));
            memcpy(fw_cfg->data + item->begin, data, item->length);
            return item->length == length;
        }
    }
    if (count == FW_CFG_FILES || !add_item(fw_cfg, key, data, length))
        return false;
    struct file_entry *file = &directory->files[count];
    *file = (struct file_entry){ .size = __builtin_bswap32(length), .key = __builtin_bswap16(key) };
    strncpy(file->name, name, sizeof(file->name) - 1);
    directory->count = __builtin_bswap32(count + 1);
    return true;
}

static bool add_e820(struct fw_cfg *fw_cfg)
{
    struct e820_entry map[E820_MAX_ENTRIES];
    struct e820_file_entry entries[E820_MAX_ENTRIES];
    unsigned count = e820_build(fw_cfg->machine, map, E820_MAX_ENTRIES);
    for (unsigned i = 0; i < count; i++)
        entries[i] = (struct e820_file_entry){ map[i].base, map[i].size, map[i].type };
    return add_file(fw_cfg, "etc/e820", entries, count * (uint32_t)sizeof(entries[0]));
}

enum status fw_cfg_offer(struct fw_cfg *fw_cfg, const void *rsdp, uint32_t rsdp_size)
{
    const uint64_t serial_port = PC_COM1;
    const uint32_t wait_forever = UINT32_MAX; /* when nothing can be started; a domain that restarts all the time helps nobody */
    const struct loader_command load = { .command = LOADER_ALLOCATE, .file = RSDP_FILE, .alignment = 16, .zone = LOADER_ZONE_LOW };
    bool done = add_file(fw_cfg, "etc/table-loader", &load, sizeof(load)) &&
                add_file(fw_cfg, RSDP_FILE, rsdp, rsdp_size) &&
                add_file(fw_cfg, "etc/sercon-port", &serial_port, sizeof(serial_port)) &&
                add_file(fw_cfg, "etc/boot-fail-wait", &wait_forever, sizeof(wait_forever));
    return done ? OK : ERR_MEMORY;
}

void fw_cfg_reset(struct fw_cfg *fw_cfg)
{
    select_item(fw_cfg, KEY_SIGNATURE);
    fw_cfg->dma_address = 0;
}

enum status fw_cfg_init(struct fw_cfg *fw_cfg, struct machine *machine)
{
    static const uint8_t no_uuid[16];
    static const struct directory no_files;
    uint32_t cpus = machine->vcpu_count;
    memset(fw_cfg, 0, sizeof(*fw_cfg));
    fw_cfg->machine = machine;
    if (!add_item(fw_cfg, KEY_DIRECTORY, &no_files, sizeof(no_files)) || !add_item(fw_cfg, KEY_SIGNATURE, "QEMU", 4) ||
        !add_number(fw_cfg, KEY_ID, ID_TRADITIONAL | ID_DMA, 4) ||
        !add_item(fw_cfg, KEY_UUID, no_uuid, sizeof(no_uuid)) ||
        !add_number(fw_cfg, KEY_RAM_SIZE, machine->memory.low + machine->memory.high, 8) ||
        !add_number(fw_cfg, KEY_NO_GRAPHIC, 1, 2) || !add_number(fw_cfg, KEY_CPUS, cpus, 2) ||
        !add_number(fw_cfg, KEY_MAX_CPUS, cpus, 2) || !add_number(fw_cfg, KEY_IRQ0_OVERRIDE, 1, 4) || !add_e820(fw_cfg))
        return ERR_MEMORY;
    enum status status = bus_add_port(&machine->bus, &(struct port_range){
        .base = PC_FW_CFG, .count = SELECTOR_PORTS, .read = fw_cfg_read, .write = fw_cfg_write, .device = fw_cfg,
        .name = "fw_cfg" });
    if (status)
        return status;
    return bus_add_port(&machine->bus, &(struct port_range){
        .base = DMA_PORT, .count = DMA_PORTS, .read = dma_read, .write = dma_write, .device = fw_cfg,
        .name = "fw_cfg DMA" });
}
