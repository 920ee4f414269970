/* SPDX-License-Identifier: MIT
 * The page-table formats: the host's (SDM 3A 4.5), EPT (SDM 3C 29.3.2), NPT (APM 2 15.25), second-level tables of
 * VT-d (VT-d specification 9.8). */
#include "pagetable.h"
#include "pagetable_format.h"

/* Host and NPT. */
#define P (1ull << 0)
#define W (1ull << 1)
#define U (1ull << 2)
#define PWT (1ull << 3)
#define PCD (1ull << 4)
#define A (1ull << 5)
#define D (1ull << 6)
#define G (1ull << 8)
#define NX (1ull << 63)

/* EPT. */
#define EPT_R (1ull << 0)
#define EPT_W (1ull << 1)
#define EPT_X (1ull << 2)
#define EPT_TYPE (7ull << 3)
#define EPT_UC (0ull << 3)
#define EPT_WB (6ull << 3)
#define EPT_A (1ull << 8)
#define EPT_D (1ull << 9)

/* Accessed and dirty are set from the start: nobody reads them, and the hardware need not write them. */
const struct pt_format pt_host = {
    .present = P, .table = P | W | U | A, .leaf = P | A | D, .write = W, .no_exec = NX,
    .user = U, .kernel = G, .device = PWT | PCD, .memory_type = PWT | PCD, .levels = PT_LEVELS, .host = true,
};

/* The CPU treats every nested walk as a user access. */
const struct pt_format pt_npt = {
    .present = P, .table = P | W | U | A, .leaf = P | U | A | D, .write = W, .no_exec = NX,
    .device = PWT | PCD, .memory_type = PWT | PCD, .levels = PT_LEVELS,
};

const struct pt_format pt_ept = {
    .present = EPT_R | EPT_W | EPT_X, .table = EPT_R | EPT_W | EPT_X, .leaf = EPT_R | EPT_A | EPT_D,
    .write = EPT_W, .exec = EPT_X, .cached = EPT_WB, .device = EPT_UC, .memory_type = EPT_TYPE, .levels = PT_LEVELS,
};

/* Devices read and write; there is nothing else. 39-bit and 48-bit addresses. */
#define VTD_R (1ull << 0)
#define VTD_W (1ull << 1)
#define VTD .present = VTD_R | VTD_W, .table = VTD_R | VTD_W, .leaf = VTD_R, .write = VTD_W
const struct pt_format pt_vtd3 = { VTD, .levels = 3 };
const struct pt_format pt_vtd4 = { VTD, .levels = 4 };
