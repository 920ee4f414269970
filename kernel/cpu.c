/* SPDX-License-Identifier: MIT
 * What the boot CPU is, and which vendor's virtualization it gets. */
#include "api.h"
#include "boot.h"
#include "vendor.h"
#include "x86.h"
#include <string.h>

#define CPUID_BRAND 0x80000002u
#define CPUID_PDPE1GB (1u << 26) /* CPUID.80000001:EDX */

const struct vendor_ops *vendor;

static bool is_vendor(const char *name)
{
    struct cpuid id = cpuid(0, 0);
    return !memcmp((uint32_t[]){ id.ebx, id.edx, id.ecx }, name, 12);
}

uint8_t host_max_leaf(void)
{
    return cpuid(0x80000001, 0).edx & CPUID_PDPE1GB ? 3 : 2;
}

/* By feature, not by name: other makers build CPUs with VT-x (Zhaoxin) or AMD-V (Hygon) too. */
const char *vendor_choose(void)
{
    const char *vmx = vmx_ops.cpu_check(), *svm = svm_ops.cpu_check();
    vendor = !vmx ? &vmx_ops : &svm_ops;
    if (!vmx || !svm)
        return NULL;
    return is_vendor("AuthenticAMD") || is_vendor("HygonGenuine") ? svm : vmx;
}

void cpu_report(void)
{
    uint32_t brand[13] = { 0 };
    if (cpuid(0x80000000, 0).eax >= CPUID_BRAND + 2)
        for (uint32_t i = 0; i < 3; i++) {
            struct cpuid id = cpuid(CPUID_BRAND + i, 0);
            memcpy(brand + 4 * i, &id, sizeof(id));
        }
    char *name = (char *)brand;
    for (size_t n = strlen(name); n && name[n - 1] == ' '; n--)
        name[n - 1] = 0;
    print("cpu: %s, family/model/stepping 0x%x\n", name + strspn(name, " "), cpuid(1, 0).eax);
}
