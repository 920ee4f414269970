/* SPDX-License-Identifier: MIT
 * The serial console shared by the domains. */
#include "domain_console.h"
#include "api.h"
#include "scheduler.h"
#include "sync.h"

#define INPUT_SIZE 512 /* power of two */

static _Atomic uint32_t lock;       /* all of this file; taken before the console's own */
static struct domain *focus;        /* receives input; its output is not held back until the newline */
static struct domain *line_owner;   /* whose unfinished line the cursor stands in */
static uint32_t guests;             /* domains that ever wrote, the manager not counted; 2 = more than one */
static struct domain *first_writer;
static char input[INPUT_SIZE];
static uint32_t input_head, input_tail; /* free running */

/* Moves the cursor to a new line of `domain`, or leaves it where it is if it stands in one. */
static void line_begin(struct domain *domain)
{
    if (line_owner == domain)
        return;
    if (line_owner)
        console_raw("\r\n", 2);
    line_owner = domain;
    if (guests > 1 && !domain->manager)
        print("[%s] ", domain->name);
}

static void line_flush(struct domain *domain, bool end)
{
    if (domain->line_length) {
        line_begin(domain);
        console_raw(domain->line, domain->line_length);
        domain->line_length = 0;
    }
    if (end && line_owner == domain)
        line_owner = NULL;
}

static void put(struct domain *domain, char c)
{
    domain->line[domain->line_length++] = c;
    if (c == '\n')
        line_flush(domain, true);
    else if (domain->line_length == CONSOLE_LINE)
        line_flush(domain, false);
}

void domain_console_write(struct domain *domain, const char *text, uint32_t length)
{
    spin_lock(&lock);
    if (!domain->manager && first_writer != domain && guests < 2) {
        first_writer = domain;
        guests++;
    }
    if (!focus && !domain->manager)
        focus = domain;
    for (uint32_t i = 0; i < length; i++)
        put(domain, text[i]);
    if (domain == focus || guests < 2)
        line_flush(domain, false);
    spin_unlock(&lock);
}

uint32_t domain_console_read(struct domain *domain, char *out, uint32_t max)
{
    uint32_t count = 0;
    spin_lock(&lock);
    while (domain == focus && count < max && input_tail != input_head)
        out[count++] = input[input_tail++ % INPUT_SIZE];
    spin_unlock(&lock);
    return count;
}

/* The next domain behind `from` that is alive. */
static struct domain *next_domain(const struct domain *from)
{
    uint32_t start = from ? from->id : 0;
    for (uint32_t i = 1; i <= MAX_DOMAINS; i++) {
        struct domain *domain = domain_by_index((start + i) % MAX_DOMAINS);
        if (domain && !domain->manager && domain->state == DOMAIN_RUNNING)
            return domain;
    }
    return NULL;
}

void domain_console_focus(struct domain *domain)
{
    spin_lock(&lock);
    focus = domain;
    spin_unlock(&lock);
}

void domain_console_forget(struct domain *domain)
{
    spin_lock(&lock);
    line_flush(domain, true);
    if (first_writer == domain)
        first_writer = NULL;
    if (focus == domain)
        focus = next_domain(domain) != domain ? next_domain(domain) : NULL;
    spin_unlock(&lock);
}

static void focus_next(void)
{
    struct domain *next = next_domain(focus);
    if (!next || next == focus)
        return;
    focus = next;
    line_begin(focus);
    line_owner = NULL;
    print("\nkernel: console input goes to %s\n", focus->name);
}

void serial_input(void)
{
    spin_lock(&lock);
    for (int c; (c = console_poll()) >= 0;) {
        if (c == CONSOLE_FOCUS_KEY)
            focus_next();
        else if (input_head - input_tail < INPUT_SIZE)
            input[input_head++ % INPUT_SIZE] = (char)c;
    }
    struct domain *to = input_head != input_tail ? focus : NULL;
    if (to && to->vcpu_count && to->state == DOMAIN_RUNNING)
        vcpu_notify(to->vcpus[0], 1ull << EVENT_CONSOLE);
    spin_unlock(&lock);
}
