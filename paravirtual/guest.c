/* SPDX-License-Identifier: MIT
 * The frame of a small paravirtual guest. */
#include "guest.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "abi/layout.h"
#include "bulkhead/libc.h"

#define HEAP_SHARE 4u /* of the free memory; the rest is for guest_pages() */
#define FAILED 1u

static const struct pv_start *start;
static uint64_t *events;      /* of struct pv_page; shared with the kernel */
static uint64_t next_page, end; /* free pages, guest-physical */
static char *line;            /* a page that the console's hypercall can name */

_Noreturn void __stack_chk_fail(void);
_Noreturn void abort(void);

void libc_write(const char *text, size_t length)
{
    for (size_t part; length > 0 && line != NULL; text += part, length -= part) {
        part = length < PAGE_SIZE ? length : PAGE_SIZE;
        memcpy(line, text, part);
        (void)hypercall(HYPERCALL_CONSOLE_WRITE, guest_address(line), part);
    }
}

void libc_relax(void) {}

void *guest_pages(uint64_t count)
{
    if (count > (end - next_page) / PAGE_SIZE) {
        return NULL;
    }
    void *pages = guest_pointer(next_page);
    next_page += count * PAGE_SIZE;
    memset(pages, 0, count * PAGE_SIZE);
    return pages;
}

const struct pv_start *guest_init(uint64_t start_address)
{
    start = guest_pointer(start_address);
    if (start->magic != PV_START_MAGIC || start->free_size < 16 * PAGE_SIZE) {
        guest_end(FAILED);
    }
    events = ((struct pv_page *)guest_pointer(start->pv_page))->events;
    next_page = (start->free_base + PAGE_MASK) & ~PAGE_MASK;
    end = (start->free_base + start->free_size) & ~PAGE_MASK;
    line = guest_pages(1);
    uint64_t heap = (end - next_page) / HEAP_SHARE & ~PAGE_MASK;
    heap_init(guest_pages(heap / PAGE_SIZE), heap);
    return start;
}

uint64_t guest_wait(uint64_t mask, uint64_t deadline)
{
    for (;;) {
        uint64_t taken = __atomic_fetch_and(&events[0], ~mask, __ATOMIC_ACQ_REL) & mask;
        if (taken != 0 || (deadline != 0 && __builtin_ia32_rdtsc() >= deadline)) {
            return taken;
        }
        (void)hypercall(HYPERCALL_EVENT_WAIT, deadline, 0);
    }
}

uint64_t guest_time(void)
{
    uint64_t ns = 0;
    (void)hypercall_value(HYPERCALL_TIME, &ns);
    return ns;
}

_Noreturn void guest_end(uint64_t code)
{
    for (;;) {
        (void)hypercall(HYPERCALL_SHUTDOWN, code, 0);
    }
}

_Noreturn void abort(void)
{
    printf("abort() was called\n");
    guest_end(FAILED);
}

_Noreturn void __stack_chk_fail(void)
{
    printf("a stack buffer overflowed\n");
    guest_end(FAILED);
}

_Noreturn void assert_failed(const char *condition, const char *file, unsigned at, const char *function)
{
    printf("%s:%u: %s: assertion failed: %s\n", file, at, function, condition);
    guest_end(FAILED);
}
