/* SPDX-License-Identifier: MIT
 * Ends by a triple fault: the domain must end with that reason, and nothing else may notice. */
#include "lib/guest.h"

void main(void)
{
    struct __attribute__((packed)) { uint16_t limit; uint64_t base; } none = { 0, 0 };
    print("about to triple fault\n");
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
    ok(false, "still here");
    done();
}
