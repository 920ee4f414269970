/* SPDX-License-Identifier: MIT
 * ELF kernels with a PVH entry (Xen's "x86/HVM direct boot ABI"): note XEN_ELFNOTE_PHYS32_ENTRY names the 32-bit entry.
 */
#include "load.h"

#include <string.h>
#include <xen/arch-x86/hvm/start_info.h>
#include "elf.h"
#include "pc.h"

#define NOTE_NAME "Xen"
#define NOTE_PHYS32_ENTRY 18

/* All that the guest gets, in one block of its memory. */
struct block {
    struct hvm_start_info info;
    struct hvm_modlist_entry modules[START_MAX_MODULES];
    struct hvm_memmap_table_entry memmap[E820_MAX_ENTRIES];
    uint64_t gdt[4];
    char cmdline[START_CMDLINE];
    char module_cmdlines[START_MAX_MODULES][sizeof(((struct start_module *)0)->cmdline)];
};

/* The E820 types and those of the memory map are the same numbers. */
_Static_assert(XEN_HVM_MEMMAP_TYPE_RAM == E820_RAM && XEN_HVM_MEMMAP_TYPE_UNUSABLE == E820_UNUSABLE, "types");

/* The entry of the note, or 0 if there is none. */
static uint64_t find_entry(const struct elf *elf)
{
    uint32_t size;
    const uint8_t *note = elf_note(elf, NOTE_NAME, NOTE_PHYS32_ENTRY, &size);
    if (note == NULL || size < 4) {
        return 0;
    }
    return size >= 8 ? load_u64(note) : load_u32(note);
}

/* A malformed ELF file counts as one of ours: what is wrong with it is then said by load_pvh(). */
static bool probe(const struct load *load)
{
    struct elf elf;
    return elf_probe(load) && (elf_open(&elf, load) != OK || find_entry(&elf) != 0);
}

static void fill_info(const struct load *load, struct block *block, uint64_t gpa, const struct placed_module *modules,
                      unsigned count)
{
    block->info = (struct hvm_start_info){
        .magic = XEN_HVM_START_MAGIC_VALUE,
        .version = 1,
        .nr_modules = count,
        .modlist_paddr = count > 0 ? gpa + offsetof(struct block, modules) : 0,
        .cmdline_paddr = gpa + offsetof(struct block, cmdline),
        .rsdp_paddr = PC_RSDP,
        .memmap_paddr = gpa + offsetof(struct block, memmap),
        .memmap_entries = load->map.e820_count,
    };
    memcpy(block->cmdline, load->machine->start->cmdline, strnlen(load->machine->start->cmdline, START_CMDLINE - 1));
    for (unsigned i = 0; i < count; i++) {
        const char *text = modules[i].module->cmdline;
        memcpy(block->module_cmdlines[i], text, strnlen(text, sizeof(block->module_cmdlines[i]) - 1));
        block->modules[i] = (struct hvm_modlist_entry){
            .paddr = modules[i].gpa,
            .size = modules[i].size,
            .cmdline_paddr = gpa + offsetof(struct block, module_cmdlines) + i * sizeof(block->module_cmdlines[0]),
        };
    }
    for (unsigned i = 0; i < load->map.e820_count; i++) {
        const struct e820_entry *e = &load->map.e820[i];
        block->memmap[i] = (struct hvm_memmap_table_entry){.addr = e->base, .size = e->size, .type = e->type};
    }
}

static enum status enter(struct load *load, uint64_t rip, const struct placed_module *modules, unsigned count)
{
    uint64_t gpa;
    struct block *block;
    enum status status = load_take_tables(load, sizeof(*block), "the PVH start information", &gpa, &block);
    if (status != OK) {
        return status;
    }
    fill_info(load, block, gpa, modules, count);
    const struct entry_state entry = {.rip = rip, .gdt = gpa + offsetof(struct block, gdt), .code = 0x08, .data = 0x10};
    struct vcpu_state *state = load->machine->vcpus[0].state;
    entry_gdt_write(block->gdt, &entry);
    entry_set(state, &entry);
    state->gpr[RBX] = gpa + offsetof(struct block, info);
    load->result->entry = rip;
    return OK;
}

static enum status load_pvh(struct load *load)
{
    struct elf elf;
    uint64_t low, high, entry;
    enum status status = elf_open(&elf, load);
    if (status == OK) {
        status = elf_extent(&elf, &low, &high);
    }
    if (status != OK) {
        return status;
    }
    entry = find_entry(&elf);
    if (entry < low || entry >= high || entry >= LOAD_4G) {
        return load_error(load, ERR_FORMAT, "the PVH entry %#llx lies outside the image [%#llx, %#llx) or above 4 GiB",
                          (unsigned long long)entry, (unsigned long long)low, (unsigned long long)high);
    }
    struct placed_module modules[START_MAX_MODULES];
    unsigned count;
    status = elf_load(&elf, load, 0);
    if (status == OK) {
        status = load_modules(load, high > 0x100000 ? high : 0x100000, modules, &count);
    }
    return status == OK ? enter(load, entry, modules, count) : status;
}

const struct loader pvh_loader = {GUEST_PVH, "PVH", probe, load_pvh};
