/* SPDX-License-Identifier: MIT
 * BIOS services in real mode: what every PC has, whoever made its firmware. */
#include "lib/guest.h"

#define SMAP 0x534d4150u
#define MAP 0x9000u /* of the E820 entries, 20 bytes each */
#define MAP_MAX 32u

/* Each piece is copied to 0:7000 and called there. Carry goes to bit 16 of EDI where it counts. */
#define CARRY "sbb %edi, %edi\n and $0x10000, %edi\n"
#define PIECE(name, text) \
    __asm__(".pushsection .rodata\n.code16\n" #name ":\n" text "\nlret\n" #name "_end:\n.code64\n.popsection"); \
    extern const uint8_t name[], name##_end[]

PIECE(service10, "int $0x10\n" CARRY);
PIECE(service11, "int $0x11\n" CARRY);
PIECE(service12, "int $0x12\n" CARRY);
PIECE(service13, "int $0x13\n" CARRY);
PIECE(service15, "int $0x15\n" CARRY);
PIECE(service16, "int $0x16\n pushf\n pop %bx\n movzx %bx, %ebx\n" CARRY);
PIECE(service1a, "int $0x1a\n" CARRY);
/* Three ticks of the 18.2 Hz timer: IRQ 0 through the 8259 at vector 8, counted in the data area. */
PIECE(ticks, "mov $0x11, %al\n out %al, $0x20\n mov $8, %al\n out %al, $0x21\n mov $4, %al\n out %al, $0x21\n mov $1, %al\n out %al, $0x21\n"
      "mov $0xfe, %al\n out %al, $0x21\n mov $0x34, %al\n out %al, $0x43\n xor %al, %al\n out %al, $0x40\n out %al, $0x40\n"
      "mov 0x46c, %ebx\n add $3, %ebx\n sti\n 1: hlt\n cmp %ebx, 0x46c\n jb 1b\n cli\n mov $0xff, %al\n out %al, $0x21\n mov 0x46c, %eax\n sub %ebx, %eax");

static struct real_registers call(const uint8_t *start, const uint8_t *end, struct real_registers r)
{
    real_mode_call(start, end, &r);
    return r;
}
#define CALL(name, ...) call(name, name##_end, (struct real_registers){ __VA_ARGS__ })
#define CARRY_OF(r) ((r).edi >> 16 & 1)

static void check_video(void)
{
    struct real_registers r = CALL(service10, .eax = 0x0f00);
    ok((r.eax & 0xff) <= 3 && (r.eax >> 8 & 0xff) == 80, "text mode %u of %u columns", r.eax & 0xff, r.eax >> 8 & 0xff);
    for (const char *text = "\r\n# by INT 10h\r\n"; *text; text++)
        CALL(service10, .eax = 0x0e00 | *text, .ebx = 7);
    CALL(service10, .eax = 0x0200, .edx = 0x0507);
    r = CALL(service10, .eax = 0x0300);
    ok((r.edx & 0xffff) == 0x0507, "cursor at %x", r.edx & 0xffff);
    CALL(service10, .eax = 0x0958, .ebx = 0x1e, .ecx = 3);
    r = CALL(service10, .eax = 0x0800);
    ok((r.eax & 0xffff) == 0x1e58, "character and attribute there: %x", r.eax & 0xffff);
}

static void check_memory(void)
{
    struct real_registers r = CALL(service12);
    uint32_t kib = r.eax & 0xffff, index = 0, entries = 0;
    ok(kib >= 600 && kib <= 640, "conventional memory: %u KiB", kib);
    uint64_t ram = 0, end = 0;
    do {
        r = CALL(service15, .eax = 0xe820, .ebx = index, .ecx = 20, .edx = SMAP, .edi = MAP + 20 * entries);
        if (CARRY_OF(r) || r.eax != SMAP)
            break;
        const uint64_t *entry = (const uint64_t *)(uint64_t)(MAP + 20 * entries);
        if (*(const uint32_t *)(entry + 2) == 1 && entry[0] >= 0x100000 && entry[0] < 0x100000000) {
            ram += entry[1];
            end = entry[0] + entry[1];
        }
        index = r.ebx;
        entries++;
    } while (index && entries < MAP_MAX);
    ok(!index && entries >= 4 && ram >= 0x100000, "E820: %u entries, %u KiB above 1 MiB, to %lx", entries, (uint32_t)(ram >> 10), end);
    r = CALL(service15, .eax = 0xe801);
    ok(!CARRY_OF(r) && (r.eax & 0xffff) + (r.ebx & 0xffff) * 64 == ram >> 10, "E801 says the same: %u KiB and %u x 64 KiB", r.eax & 0xffff, r.ebx & 0xffff);
    r = CALL(service15, .eax = 0x8800);
    ok(!CARRY_OF(r) && ((r.eax & 0xffff) == ram >> 10 || (r.eax & 0xffff) >= 0x3c00), "AH=88h: %u KiB", r.eax & 0xffff);
    r = CALL(service15, .eax = 0xe820, .ebx = 0, .ecx = 20, .edx = 0x12345678, .edi = MAP);
    ok(CARRY_OF(r), "E820 without its signature is refused");
}

static void check_block_move(void)
{
    static uint64_t table[6] __attribute__((aligned(16)));
    uint64_t from = 0x9800, to = 0x300000;
    memcpy((void *)from, "moved by the BIOS", 18);
    table[2] = 0xffff | from << 16 | 0x93ull << 40;
    table[3] = 0xffff | to << 16 | 0x93ull << 40;
    memcpy((void *)0x9700, table, sizeof table);
    struct real_registers r = CALL(service15, .eax = 0x8700, .ecx = 9, .esi = 0x9700);
    ok(!CARRY_OF(r) && memcmp((void *)to, "moved by the BIOS", 18) == 0, "block move above 1 MiB");
}

static void check_clock(void)
{
    struct real_registers r = CALL(service1a, .eax = 0x0200);
    ok(!CARRY_OF(r) && (r.ecx >> 8 & 0xff) <= 0x23 && (r.ecx & 0xff) <= 0x59, "time %x:%x", r.ecx >> 8 & 0xff, r.ecx & 0xff);
    r = CALL(service1a, .eax = 0x0400);
    ok(!CARRY_OF(r) && (r.ecx & 0xffff) >= 0x2020 && (r.ecx & 0xffff) < 0x2100, "date %x-%x-%x", r.ecx & 0xffff, r.edx >> 8 & 0xff, r.edx & 0xff);
    uint64_t begin = rdtsc();
    r = CALL(ticks);
    uint64_t ms = (rdtsc() - begin) / tsc_khz;
    ok(r.eax < 3, "three ticks of INT 08h took %lu ms", ms);
    r = CALL(service1a, .eax = 0);
    ok(!CARRY_OF(r) && (r.ecx & 0xffff) < 0x19, "ticks since midnight: %x%04x", r.ecx & 0xffff, r.edx & 0xffff);
    begin = rdtsc();
    r = CALL(service15, .eax = 0x8600, .ecx = 0, .edx = 30000);
    ms = (rdtsc() - begin) / tsc_khz;
    ok(!CARRY_OF(r) && ms >= 25 && ms < 500, "a wait of 30 ms takes %lu", ms);
}

static void check_devices(void)
{
    struct real_registers r = CALL(service16, .eax = 0x0100);
    ok(r.ebx & 0x40, "no key is waiting");
    CALL(service16, .eax = 0x0500, .ecx = 0x1e61);
    r = CALL(service16, .eax = 0x0100);
    ok(!(r.ebx & 0x40) && (r.eax & 0xffff) == 0x1e61, "a key that was stored is: %x", r.eax & 0xffff);
    r = CALL(service16, .eax = 0x0000);
    ok((r.eax & 0xffff) == 0x1e61, "and can be read");
    r = CALL(service11);
    ok(r.eax & 2, "equipment: FPU");
    r = CALL(service13, .eax = 0x0201, .ebx = MAP, .ecx = 1, .edx = 0x80);
    ok(CARRY_OF(r), "there is no disk: status %x", r.eax >> 8 & 0xff);
    r = CALL(service1a, .eax = 0xb101);
    ok(!CARRY_OF(r) && r.edx == 0x20494350, "PCI BIOS %x", r.ebx & 0xffff);
    r = CALL(service1a, .eax = 0xb10a, .ebx = 0, .edi = 0);
    ok(r.ecx == 0x12378086, "host bridge %x", r.ecx);
    r = CALL(service1a, .eax = 0xb103, .ecx = 0x060100, .esi = 0);
    ok(!CARRY_OF(r) && (r.ebx & 0xffff) == 8, "ISA bridge at %x", r.ebx & 0xffff);
    r = CALL(service15, .eax = 0xc000);
    ok(!CARRY_OF(r), "configuration table");
    r = CALL(service15, .eax = 0x9876);
    ok(CARRY_OF(r) && (r.eax >> 8 & 0xff) == 0x86, "an unknown service is refused");
}

void main(void)
{
    time_init();
    check_memory();
    check_block_move();
    check_clock();
    check_devices();
    check_video();
    done();
}
