/* SPDX-License-Identifier: MIT
 * The neighbour: prints a line every half second, measures how late it comes, and ends with success after N seconds
 * (command line: the first word that is a number; 5 without one). Two MiB of its memory must not change. */
#include "lib/guest.h"

static uint64_t memory[(2u << 20) / 8];

static unsigned changed(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
        count += memory[i] != i * 0x9e3779b97f4a7c15ul;
    return count;
}

static unsigned seconds(void)
{
    for (const char *p = boot_cmdline(); *p;) {
        if (*p >= '0' && *p <= '9') {
            unsigned number = 0;
            while (*p >= '0' && *p <= '9')
                number = 10 * number + (unsigned)(*p++ - '0');
            return number;
        }
        while (*p && *p++ != ' ')
            ;
    }
    return 5;
}

void main(void)
{
    time_init();
    for (unsigned i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
        memory[i] = i * 0x9e3779b97f4a7c15ul;
    uint64_t begin = rdtsc(), worst = 0;
    unsigned lines = 2 * seconds();
    for (unsigned i = 1; i <= lines; i++) {
        uint64_t due = begin + i * 500 * tsc_khz, last = rdtsc(), now;
        while ((now = rdtsc()) < due) {
            worst = now - last > worst ? now - last : worst;
            last = now;
        }
        print("tick %u of %u\n", i, lines);
    }
    print("# longest gap %lu us\n", worst * 1000 / tsc_khz);
    ok(changed() == 0, "its memory is as it was");
    ok(true, "ran %u half seconds", lines);
    done();
}
