/* SPDX-License-Identifier: MIT
 * BIOS services as real-mode code calls them: registers, flags, memory, the screen and the terminal. */
#include "pc_fixture.h"
#include "bios.h"
#include "cr.h"

#define RAM 0x2000000ull /* 32 MiB */
#define STACK 0x7000u
#define BUFFER 0x8000u
#define SCREEN 0xb8000u
#define PRINTED_MAX 8192

static struct vcpu_state state;
static _Alignas(4096) uint8_t vapic[1][4096];
static char printed[PRINTED_MAX];
static unsigned printed_length;

static void output(void *context, const char *text, uint32_t length)
{
    (void)context;
    length = length < PRINTED_MAX - 1 - printed_length
                 ? length
                 : PRINTED_MAX - 1 - printed_length; /* the rest is not looked at */
    memcpy(printed + printed_length, text, length);
    printed_length += length;
    printed[printed_length] = 0;
}

static void real_segment(enum seg index, uint16_t selector)
{
    state.seg[index] =
        (struct segment){ .selector = selector, .base = (uint64_t)selector << 4, .limit = 0xffff, .attr = 0x93 };
}

static int setup(void **context)
{
    (void)context;
    printed_length = 0;
    pc_make(RAM, 1767225600 + 47655, 1, &state, vapic); /* 2026-01-01, 13:14:15 */
    pc->platform->uart.output = output;
    state.cr0 = 0x10;
    state.valid = GROUP_ALL;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        real_segment(i, 0);
    return 0;
}

static uint8_t *at(uint32_t address) { return pc->memory.base + address; }
static uint16_t get16(uint32_t address) { return (uint16_t)(*at(address) | *at(address + 1) << 8); }

static struct { uint16_t flags; uint64_t rax, rbx, rcx, rdx; } result;

/* Enters the vector's stub as INT does, and lets the monitor serve it. */
static void call(unsigned vector)
{
    uint16_t frame[3] = { 0x1234, 0, 0x0246 }; /* IP, CS, flags: IF, ZF, PF, no CF */
    memcpy(at(STACK), frame, sizeof(frame));
    state.gpr[RSP] = STACK;
    state.rflags = 0x46;
    real_segment(SEG_CS, get16(vector * 4 + 2));
    state.rip = get16(vector * 4);
    uint64_t rip = state.rip;
    assert_int_equal(*at((uint32_t)(state.seg[SEG_CS].base + rip)), 0xe6); /* OUT imm8, AL */
    assert_int_equal(*at((uint32_t)(state.seg[SEG_CS].base + rip + 1)), PC_BIOS_CALL);
    assert_true(bios_serve(&pc->vcpus[0]));
    assert_int_equal(state.rip, rip + 2);
    memcpy(&result.flags, at(STACK + 4), 2);
    result.rax = state.gpr[RAX];
    result.rbx = state.gpr[RBX];
    result.rcx = state.gpr[RCX];
    result.rdx = state.gpr[RDX];
}

static void registers(uint64_t rax, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
    state.gpr[RAX] = rax;
    state.gpr[RBX] = rbx;
    state.gpr[RCX] = rcx;
    state.gpr[RDX] = rdx;
}

static void service(unsigned vector, uint64_t rax, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
    registers(rax, rbx, rcx, rdx);
    call(vector);
}

static bool carry(void) { return result.flags & 1; }
static bool finished(void) { return !(state.rflags & RFLAGS_CF); }
static void flush(void) { uart_flush(&pc->platform->uart); }

static void teletype(const char *text)
{
    for (; *text; text++)
        service(0x10, 0x0e00 | (uint8_t)*text, 7, 0, 0);
}

static void text_goes_to_screen_and_terminal(void **context)
{
    (void)context;
    service(0x10, 0x0003, 0, 0, 0);
    teletype("Hello,\r\nworld");
    assert_int_equal(*at(SCREEN), 'H');
    assert_int_equal(*at(SCREEN + 1), 7);
    assert_int_equal(*at(SCREEN + 160 + 4 * 2), 'd');
    service(0x10, 0x0300, 0, 0, 0);
    assert_int_equal(result.rdx, 0x0105);
    flush();
    assert_string_equal(printed, "\r\nHello,\r\nworld");
}

static void screen_scrolls_at_its_end(void **context)
{
    (void)context;
    service(0x10, 0x0003, 0, 0, 0);
    for (unsigned i = 0; i < 30; i++) {
        const char line[] = { (char)('a' + i % 26), '\r', '\n', 0 };
        teletype(line);
    }
    assert_int_equal(*at(SCREEN), 'g'); /* 30 lines and the next: six are gone */
    assert_int_equal(*at(SCREEN + 23 * 160), 'd');
    assert_int_equal(*at(SCREEN + 24 * 160), ' ');
    service(0x10, 0x0300, 0, 0, 0);
    assert_int_equal(result.rdx, 0x1800);
    flush();
    assert_non_null(strstr(printed, "\r\ny\r\nz\r\na\r\nb\r\nc\r\nd"));
}

static void colour_and_teletype_print_once(void **context)
{
    (void)context;
    service(0x10, 0x0003, 0, 0, 0);
    for (const char *text = "all"; *text; text++) {
        service(0x10, 0x0900 | (uint8_t)*text, 0x1f, 1, 0);
        teletype((const char[]){ *text, 0 });
    }
    assert_int_equal(*at(SCREEN + 3), 0x1f);
    flush();
    assert_string_equal(printed, "\r\nall");
}

static void cursor_moves_anywhere(void **context)
{
    (void)context;
    service(0x10, 0x0003, 0, 0, 0);
    service(0x10, 0x0200, 0, 0, 0x0a14);
    teletype("x");
    service(0x10, 0x0200, 0, 0, 0x0203);
    teletype("y");
    service(0x10, 0x0800, 0, 0, 0);
    assert_int_equal(*at(SCREEN + 10 * 160 + 20 * 2), 'x');
    flush();
    assert_string_equal(printed, "\r\nx\033[3;4Hy");
    service(0x10, 0x0200, 0, 0, 0x0203);
    service(0x10, 0x0800, 0, 0, 0);
    assert_int_equal(result.rax, 0x0779);
    service(0x10, 0x0200, 0x0000, 0, 0xffff); /* outside: survived */
    service(0x10, 0x0941, 0x07, 0xffff, 0);
}

static void strings_and_windows(void **context)
{
    (void)context;
    service(0x10, 0x0003, 0, 0, 0);
    memcpy(at(BUFFER), "a\x11" "b\x22" "c\x33", 6);
    state.gpr[RBP] = BUFFER;
    service(0x10, 0x1303, 0x07, 3, 0x0500);
    assert_memory_equal(at(SCREEN + 5 * 160), "a\x11" "b\x22" "c\x33", 6);
    service(0x10, 0x0601, 0x4e00, 0x0401, 0x0602); /* scrolls rows 4 to 6 of columns 1 and 2 */
    assert_memory_equal(at(SCREEN + 4 * 160), " \x07" "b\x22" "c\x33", 6);
    assert_memory_equal(at(SCREEN + 6 * 160 + 2), " \x4e" " \x4e", 4);
    service(0x10, 0x0701, 0x0700, 0x0401, 0x0602);
    assert_memory_equal(at(SCREEN + 5 * 160 + 2), "b\x22" "c\x33", 4);
    service(0x10, 0x0600, 0x0700, 0, 0xffff);
    assert_int_equal(*at(SCREEN + 5 * 160), ' ');
}

static void display_is_a_vga_without_vbe(void **context)
{
    (void)context;
    service(0x10, 0x1a00, 0, 0, 0);
    assert_int_equal(result.rax & 0xff, 0x1a);
    assert_int_equal(result.rbx & 0xff, 0x08);
    service(0x10, 0x1200, 0x10, 0, 0);
    assert_int_equal(result.rbx, 0x0003);
    service(0x10, 0x0f00, 0, 0, 0);
    assert_int_equal(result.rax, 0x5003);
    service(0x10, 0x4f00, 0, 0, 0);
    assert_int_not_equal(result.rax & 0xff, 0x4f);
}

static void memory_map(void **context)
{
    (void)context;
    uint64_t ram = 0;
    uint32_t index = 0;
    unsigned entries = 0;
    real_segment(SEG_ES, 0x100);
    state.gpr[RDI] = BUFFER;
    do {
        service(0x15, 0xe820, index, 24, 0x534d4150);
        assert_false(carry());
        assert_int_equal(result.rax, 0x534d4150);
        assert_int_equal(result.rcx, 20);
        uint64_t size;
        memcpy(&size, at(0x1000 + BUFFER + 8), 8);
        ram += *at(0x1000 + BUFFER + 16) == 1 ? size : 0;
        index = (uint32_t)result.rbx;
        entries++;
    } while (index && entries < 40);
    assert_int_equal(ram, RAM - 0x60400); /* the hole from the EBDA to 1 MiB */
    service(0x15, 0xe820, 99, 24, 0x534d4150);
    assert_true(carry());
    service(0x15, 0xe820, 0, 24, 0);
    assert_true(carry());
    service(0x15, 0xe801, 0, 0, 0);
    assert_int_equal(result.rax, 0x3c00);
    assert_int_equal(result.rdx, 16 * 16);
    service(0x15, 0x8800, 0, 0, 0);
    assert_int_equal(result.rax, 31 * 1024);
    service(0x12, 0, 0, 0, 0);
    assert_int_equal(result.rax, 639);
    service(0x11, 0, 0, 0, 0);
    assert_int_equal(result.rax, get16(0x410));
}

static void block_move(void **context)
{
    (void)context;
    uint8_t *table = at(BUFFER);
    memset(table, 0, 0x30);
    memcpy(table + 0x10, "\xff\xff\x00\x90\x00\x93\x00\x00", 8);
    memcpy(table + 0x18, "\xff\xff\x56\x34\x12\x93\x00\x01", 8); /* 0x01123456 */
    memcpy(at(0x9000), "block", 6);
    state.gpr[RSI] = BUFFER;
    service(0x15, 0x8700, 0, 3, 0);
    assert_false(carry());
    assert_string_equal((char *)at(0x01123456), "block");
    table[0x1f] = 0x7f; /* behind the end of memory */
    service(0x15, 0x8700, 0, 3, 0);
    assert_true(carry());
}

static void waiting(void **context)
{
    (void)context;
    service(0x15, 0x8600, 0, 0x0001, 0x0000); /* 65536 microseconds */
    assert_false(finished());
    assert_true(state.rflags & RFLAGS_ZF); /* again at once */
    tsc += 65535000;
    call(0x15);
    assert_false(finished());
    tsc += 1000;
    call(0x15);
    assert_true(finished());
    assert_false(carry());
}

static void system_services(void **context)
{
    (void)context;
    service(0x15, 0xc000, 0, 0, 0);
    assert_false(carry());
    const uint8_t *table = at((uint32_t)(state.seg[SEG_ES].base + (result.rbx & 0xffff)));
    assert_int_equal(table[0], 8);
    assert_int_equal(table[2], 0xfc);
    service(0x15, 0xc100, 0, 0, 0);
    assert_int_equal(state.seg[SEG_ES].selector, PC_EBDA >> 4);
    assert_true(state.dirty & GROUP_SEG);
    service(0x15, 0x2400, 0, 0, 0);
    service(0x15, 0x2402, 0, 0, 0);
    assert_int_equal(result.rax, 0x0000);
    service(0x15, 0x2401, 0, 0, 0);
    service(0x15, 0x2402, 0, 0, 0);
    assert_int_equal(result.rax, 0x0001);
    service(0x15, 0x5300, 0, 0, 0); /* APM */
    assert_true(carry());
    assert_int_equal(result.rax, 0x8600);
}

static void keys_come_from_the_terminal(void **context)
{
    (void)context;
    service(0x16, 0x0100, 0, 0, 0);
    assert_true(result.flags & 0x40);
    service(0x16, 0x0000, 0, 0, 0);
    assert_false(finished());
    assert_false(state.rflags & RFLAGS_ZF); /* after an interrupt */
    assert_int_equal(uart_receive(&pc->platform->uart, "aA\r\x02", 4), 4);
    static const uint16_t keys[] = { 0x1e61, 0x1e41, 0x1c0d, 0x3002 };
    for (unsigned i = 0; i < 4; i++) {
        service(0x16, 0x1100, 0, 0, 0);
        assert_false(result.flags & 0x40);
        assert_int_equal(result.rax, keys[i]);
        service(0x16, 0x0000, 0, 0, 0);
        assert_true(finished());
        assert_int_equal(result.rax, keys[i]);
    }
    for (unsigned i = 0; i < 15; i++) {
        service(0x16, 0x0500, 0, 0x4100 + i, 0);
        assert_int_equal(result.rax & 0xff, 0);
    }
    service(0x16, 0x0500, 0, 0x4200, 0);
    assert_int_equal(result.rax & 0xff, 1); /* full */
    for (unsigned i = 0; i < 15; i++) {
        service(0x16, 0x1000, 0, 0, 0);
        assert_int_equal(result.rax, 0x4100 + i);
    }
    memset(at(0x41a), 0xff, 4); /* wild pointers */
    service(0x16, 0x0100, 0, 0, 0);
    assert_true(result.flags & 0x40);
}

static void serial_port(void **context)
{
    (void)context;
    service(0x14, 0x0158, 0, 0, 0);
    assert_int_equal(result.rax >> 8 & 0x80, 0);
    flush();
    assert_string_equal(printed, "X");
    service(0x14, 0x0200, 0, 0, 0);
    assert_int_equal(result.rax >> 8 & 0x80, 0x80);
    service(0x14, 0x0158, 0, 0, 1); /* no COM2 */
    assert_int_equal(result.rax >> 8 & 0x80, 0x80);
}

static void clock_services(void **context)
{
    (void)context;
    service(0x1a, 0x0200, 0, 0, 0);
    assert_int_equal(result.rcx, 0x1314);
    assert_int_equal(result.rdx >> 8, 0x15);
    service(0x1a, 0x0400, 0, 0, 0);
    assert_int_equal(result.rcx, 0x2026);
    assert_int_equal(result.rdx, 0x0101);
    service(0x1a, 0x0000, 0, 0, 0);
    uint32_t ticks = (uint32_t)(result.rcx << 16 | result.rdx);
    assert_in_range(ticks, 47655u * 18, 47655u * 183 / 10);
    call(0x08);
    service(0x1a, 0x0000, 0, 0, 0);
    assert_int_equal((uint32_t)(result.rcx << 16 | result.rdx), ticks + 1);
    service(0x1a, 0x0100, 0, 0x0018, 0x00af);
    call(0x08);
    service(0x1a, 0x0000, 0, 0, 0);
    assert_int_equal(result.rax & 0xff, 1); /* midnight */
    assert_int_equal(result.rcx << 16 | result.rdx, 0);
    service(0x1a, 0x0500, 0, 0x2027, 0x0203);
    service(0x1a, 0x0300, 0, 0x2122, 0x2300);
    service(0x1a, 0x0200, 0, 0, 0);
    assert_int_equal(result.rcx, 0x2122);
    service(0x1a, 0x0400, 0, 0, 0);
    assert_int_equal(result.rcx, 0x2027);
    assert_int_equal(result.rdx, 0x0203);
}

static void pci_services(void **context)
{
    (void)context;
    service(0x1a, 0xb101, 0, 0, 0);
    assert_false(carry());
    assert_int_equal(result.rdx, 0x20494350);
    service(0x1a, 0xb10a, 0, 0, 0);
    assert_int_equal(result.rcx, 0x12378086);
    state.gpr[RSI] = 0;
    service(0x1a, 0xb102, 0, 0x7000, 0x8086);
    assert_false(carry());
    assert_int_equal(result.rbx, 0x0008);
    service(0x1a, 0xb103, 0, 0x060100, 0);
    assert_int_equal(result.rbx, 0x0008);
    state.gpr[RSI] = 1;
    service(0x1a, 0xb103, 0, 0x060100, 0);
    assert_true(carry());
    assert_int_equal(result.rax >> 8, 0x86);
    state.gpr[RDI] = 0x3c;
    service(0x1a, 0xb10b, 0x0008, 0x55, 0);
    state.gpr[RDI] = 1;
    service(0x1a, 0xb109, 0, 0, 0);
    assert_int_equal(result.rax >> 8, 0x87);
    service(0x1a, 0xb10e, 0, 0, 0);
    assert_int_equal(result.rax >> 8, 0x81);
}

static void no_disks_and_nothing_to_boot(void **context)
{
    (void)context;
    service(0x13, 0x0201, BUFFER, 1, 0x80);
    assert_true(carry());
    service(0x13, 0x0800, 0, 0, 0x80);
    assert_true(carry());
    assert_int_equal(result.rdx & 0xff, 0);
    service(0x13, 0x0000, 0, 0, 0);
    assert_false(carry());
    service(0x13, 0x4100, 0x55aa, 0, 0x80);
    assert_true(carry());
    service(0x17, 0, 0, 0, 0);
    call(0x19);
    assert_int_equal(ends, 1);
    assert_int_equal(end_code, END_GUEST_ERROR);
}

static void resume_after_reset(void **context)
{
    (void)context;
    uint32_t reset = (uint32_t)get16(0xffff3) * 16 + get16(0xffff1);
    memcpy(at(0x467), "\x10\x00\x00\x20", 4); /* 2000:0010 */
    bus_port_write(&pc->bus, 0x70, 1, 0x0f);
    bus_port_write(&pc->bus, 0x71, 1, 0x0a);
    real_segment(SEG_CS, PC_BIOS_SEGMENT);
    state.rip = reset - PC_BIOS_SEGMENT * 16;
    assert_true(bios_serve(&pc->vcpus[0]));
    assert_int_equal(state.seg[SEG_CS].base + state.rip, 0x20010);
    real_segment(SEG_CS, PC_BIOS_SEGMENT); /* once only */
    state.rip = reset - PC_BIOS_SEGMENT * 16;
    assert_true(bios_serve(&pc->vcpus[0]));
    assert_int_equal(state.rip, reset - PC_BIOS_SEGMENT * 16 + 2);
}

static void only_stubs_call(void **context)
{
    (void)context;
    real_segment(SEG_CS, 0x1000);
    state.rip = 0x100;
    assert_false(bios_serve(&pc->vcpus[0]));
    real_segment(SEG_CS, PC_BIOS_SEGMENT);
    state.rip = PC_BIOS_CODE - PC_BIOS_SEGMENT * 16 + STUB_SERVICE * PC_BIOS_STUB_SIZE + 1;
    assert_false(bios_serve(&pc->vcpus[0]));
    state.rip--;
    state.cr0 |= 1; /* protected mode: the same address by chance */
    assert_false(bios_serve(&pc->vcpus[0]));
}

/* Any function with any registers is survived and returns. */
static void any_call_is_survived(void **context)
{
    (void)context;
    srand(3);
    for (unsigned i = 0; i < 200000; i++) {
        unsigned vector = 0x10 + (unsigned)rand() % 9;
        for (unsigned r = 0; r < 16; r++)
            state.gpr[r] = (uint64_t)rand() << 16 ^ (uint64_t)rand();
        for (unsigned s = SEG_ES; s <= SEG_GS; s++)
            real_segment(s, s == SEG_SS ? 0 : (uint16_t)rand());
        if (rand() & 1)
            *at(0x449 + (unsigned)rand() % 0x40) = (uint8_t)rand(); /* the data area is the guest's */
        call(vector == 0x18 ? 0x1a : vector);
        printed_length = 0;
    }
    assert_int_equal(ends, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(text_goes_to_screen_and_terminal), CASE(screen_scrolls_at_its_end), CASE(colour_and_teletype_print_once),
        CASE(cursor_moves_anywhere), CASE(strings_and_windows), CASE(display_is_a_vga_without_vbe), CASE(memory_map),
        CASE(block_move), CASE(waiting), CASE(system_services), CASE(keys_come_from_the_terminal), CASE(serial_port),
        CASE(clock_services), CASE(pci_services), CASE(no_disks_and_nothing_to_boot), CASE(resume_after_reset),
        CASE(only_stubs_call), CASE(any_call_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
