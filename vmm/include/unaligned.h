/* SPDX-License-Identifier: MIT
 * Loads and stores of any alignment that are one instruction each (a freestanding compiler makes a call of memcpy).
 * Volatile: the memory is the guest's, whose other CPUs write it too. */
#pragma once

#include <stdint.h>

struct __attribute__((packed, may_alias)) unaligned16 { uint16_t v; };
struct __attribute__((packed, may_alias)) unaligned32 { uint32_t v; };
struct __attribute__((packed, may_alias)) unaligned64 { uint64_t v; };

static inline uint16_t load16(const void *at) { return ((const volatile struct unaligned16 *)at)->v; }
static inline uint32_t load32(const void *at) { return ((const volatile struct unaligned32 *)at)->v; }
static inline uint64_t load64(const void *at) { return ((const volatile struct unaligned64 *)at)->v; }
static inline void store16(void *at, uint16_t value) { ((volatile struct unaligned16 *)at)->v = value; }
static inline void store32(void *at, uint32_t value) { ((volatile struct unaligned32 *)at)->v = value; }
static inline void store64(void *at, uint64_t value) { ((volatile struct unaligned64 *)at)->v = value; }
