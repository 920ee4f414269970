/* SPDX-License-Identifier: MIT
 * Bits of a paging-structure entry (SDM 3A table 5-20). Private to walk*.c. */
#pragma once

#define PTE_P (1ull << 0)
#define PTE_W (1ull << 1)
#define PTE_U (1ull << 2)
#define PTE_A (1ull << 5)
#define PTE_D (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_NX (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull
