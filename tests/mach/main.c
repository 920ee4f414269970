/* SPDX-License-Identifier: MIT
 * GNU Mach's first task: asks of the kernel what it needs a whole PC for. Time and sleep, memory, threads that its timer
 * takes the CPU from while they compute with the FPU, a second address space, a RAM disk that the boot loader has read,
 * the terminal; then a restart. Arguments: names of the ports of the host and of all devices. */
#include "bytes.h"
#include "kernel.h"
#include "report.h"

#define MEMORY (8u << 20)
#define STACK 65536u
#define THREADS 3u
#define MILLISECOND 1000u
#define ROUND 20000u
#define FIRST_WORD 0x6863614du /* "Mach" */

int main(int argc, char **argv);

static volatile uint32_t rounds[THREADS], next_thread, stop;
static mach_port_t finished;
static volatile uint32_t private_word = 1;

static void check_host(void)
{
    char version[KERNEL_VERSION_SIZE] = "";
    struct host_basic_info info = {0};
    bool told = kernel_version(version) == KERN_SUCCESS;
    ok(told, "kernel: %s", version);
    told = kernel_host_info(&info) == KERN_SUCCESS;
    ok(told && info.avail_cpus == 1, "CPUs: %u", (uint32_t)info.avail_cpus);
    ok(info.memory_size > 16 << 20, "memory: %u KiB", info.memory_size >> 10);
}

static void check_time(void)
{
    uint64_t before = 0, after = 0;
    bool told = kernel_time(&before) == KERN_SUCCESS;
    rpc_sleep(500);
    /* Its clock has steps of 10 ms. */
    told = kernel_time(&after) == KERN_SUCCESS && told;
    ok(told && after - before >= 490 * MILLISECOND, "500 ms of sleep take %u us", (uint32_t)(after - before));
}

static void check_memory(void)
{
    vm_offset_t start = 0;
    bool given = syscall_vm_allocate(mach_task_self(), &start, MEMORY, TRUE) == KERN_SUCCESS;
    if (!ok(given, "%u MiB of memory at %x", MEMORY >> 20, (uint32_t)start)) {
        return;
    }
    volatile uint32_t *words = (volatile uint32_t *)start;
    uint32_t dirty = 0, wrong = 0;
    for (uint32_t i = 0; i < MEMORY / sizeof(uint32_t); i++) {
        dirty += words[i] != 0;
        words[i] = i * 2654435761u;
    }
    for (uint32_t i = 0; i < MEMORY / sizeof(uint32_t); i++) {
        wrong += words[i] != i * 2654435761u;
    }
    ok(dirty == 0 && wrong == 0, "%u words were not zero, %u have not kept their value", dirty, wrong);
    ok(syscall_vm_deallocate(mach_task_self(), start, MEMORY) == KERN_SUCCESS, "memory given back");
}

/* Computes in FPU registers and never lets go of the CPU until it is told to stop. Then it says whether all sums were
 * right. */
static void compute(void)
{
    uint32_t self = __atomic_fetch_add(&next_thread, 1, __ATOMIC_SEQ_CST), wrong = 0;
    while (!stop) {
        double sum = 0, step = self + 1;
        for (uint32_t i = 0; i < ROUND; i++) {
            __asm__("fadd %1, %0" : "+t"(sum) : "u"(step)); /* on the FPU's stack all the time */
        }
        wrong += sum != (double)(ROUND * (self + 1));
        rounds[self]++;
    }
    rpc_send_word(finished, wrong << 8 | self);
    for (;;) {
        mach_msg_header_t never;
        mach_msg_trap(&never, MACH_RCV_MSG, 0, sizeof(never), mach_reply_port(), 0, MACH_PORT_NULL);
    }
}

static void check_threads(void)
{
    vm_offset_t stacks = 0;
    uint32_t created = 0, seen[THREADS], moved = 0, ended = 0, wrong = 0, word = 0;
    mach_port_t thread;
    finished = mach_reply_port();
    ok(syscall_vm_allocate(mach_task_self(), &stacks, THREADS * STACK, TRUE) == KERN_SUCCESS, "stacks");
    for (uint32_t i = 0; i < THREADS; i++) {
        created += kernel_thread(mach_task_self(), compute, (char *)stacks + (i + 1) * STACK, &thread) == KERN_SUCCESS;
    }
    ok(created == THREADS, "%u threads", created);
    for (uint32_t tries = 0; tries < 100 && (rounds[0] == 0 || rounds[1] == 0 || rounds[2] == 0); tries++) {
        rpc_sleep(100);
    }
    memcpy(seen, (const void *)rounds, sizeof(seen));
    for (uint32_t tries = 0; tries < 100 && moved < THREADS; tries++) {
        rpc_sleep(100);
        moved = (rounds[0] != seen[0]) + (rounds[1] != seen[1]) + (rounds[2] != seen[2]);
    }
    ok(moved == THREADS, "%u threads go on side by side: %u, %u, %u rounds", moved, rounds[0], rounds[1], rounds[2]);
    stop = 1;
    while (ended < THREADS && rpc_receive_word(finished, &word, 10000)) {
        ended++;
        wrong += word >> 8;
    }
    ok(ended == THREADS && wrong == 0, "%u threads have sent their message; wrong sums of the FPU: %u", ended, wrong);
}

/* In a task of its own, which began as a copy of this one. */
static void change_private(void)
{
    private_word = 2;
    mach_print("mach: the second task is running\n");
    for (;;) {
        mach_msg_header_t never;
        mach_msg_trap(&never, MACH_RCV_MSG, 0, sizeof(never), mach_reply_port(), 0, MACH_PORT_NULL);
    }
}

static void check_task(void)
{
    static char stack[4096] __attribute__((aligned(16)));
    mach_port_t task = MACH_PORT_NULL, thread;
    uint32_t theirs = 0;
    ok(syscall_task_create(mach_task_self(), TRUE, &task) == KERN_SUCCESS, "a second task");
    ok(kernel_thread(task, change_private, stack + sizeof(stack), &thread) == KERN_SUCCESS, "its thread");
    for (uint32_t tries = 0; tries < 100 && theirs != 2; tries++) {
        rpc_sleep(20);
        if (kernel_read_word(task, &private_word, &theirs) != KERN_SUCCESS) {
            break;
        }
    }
    ok(theirs == 2 && private_word == 1, "the word is %u there and %u here", theirs, private_word);
    ok(kernel_suspend_task(task) == KERN_SUCCESS, "the second task is suspended");
}

/* What GRUB has read from the disk, through Mach's own block device. */
static void check_ram_disk(mach_port_t devices)
{
    char data[128] = "";
    uint32_t size = sizeof(data), word = 0;
    mach_port_t disk = MACH_PORT_NULL;
    ok(kernel_open(devices, "rd0", &disk) == KERN_SUCCESS, "RAM disk");
    bool came = kernel_read(disk, 1, data, &size) == KERN_SUCCESS;
    ok(came && size == sizeof(data), "%u bytes of its second record", size);
    memcpy(&word, data, sizeof(word));
    ok(word == FIRST_WORD, "they begin with %x", word);
}

static void check_terminal(mach_port_t devices)
{
    static const char prompt[] = "mach: who is there? ", answer[] = "mach: good bye, ", end[] = "\r\n";
    char line[64], character = 0;
    uint32_t used = 0;
    mach_port_t console = MACH_PORT_NULL;
    ok(kernel_open(devices, "console", &console) == KERN_SUCCESS, "terminal");
    ok(kernel_write(console, prompt, sizeof(prompt) - 1) == KERN_SUCCESS, "it takes a text by interrupts");
    while (used < sizeof(line)) {
        uint32_t size = 1;
        if (kernel_read(console, 0, &character, &size) != KERN_SUCCESS || size != 1) {
            ok(false, "a key is read");
            return;
        }
        if (character == '\r' || character == '\n') {
            break;
        }
        line[used++] = character;
    }
    kernel_write(console, answer, sizeof(answer) - 1);
    kernel_write(console, line, used);
    kernel_write(console, end, sizeof(end) - 1);
}

static mach_port_t number(const char *text)
{
    mach_port_t value = 0;
    while (*text >= '0' && *text <= '9') {
        value = value * 10 + (uint32_t)(*text++ - '0');
    }
    return value;
}

int main(int argc, char **argv)
{
    if (!ok(argc == 3, "%u arguments", (uint32_t)argc)) {
        return 1;
    }
    check_host();
    check_time();
    check_memory();
    check_threads();
    check_task();
    check_ram_disk(number(argv[2]));
    check_terminal(number(argv[2]));
    report_end();
    rpc_sleep(1000); /* the terminal's last characters */
    ok(false, "restart: %x", (uint32_t)kernel_reboot(number(argv[1])));
    return 1;
}
