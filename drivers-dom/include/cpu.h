/* SPDX-License-Identifier: MIT
 * Instructions of one line each: ports, time, ordering towards devices. */
#pragma once

#include <stdint.h>

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint16_t in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint32_t in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out16(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out32(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
/* Word by word: the kernel serves a given port by IN and OUT only, string instructions would need it to reach into
 * memory. */
static inline void in16_string(uint16_t port, void *to, uint64_t count)
{
    for (uint16_t *at = to; count > 0; count--) {
        *at++ = in16(port);
    }
}
static inline void out16_string(uint16_t port, const void *from, uint64_t count)
{
    for (const uint16_t *at = from; count > 0; count--) {
        out16(port, *at++);
    }
}

static inline uint64_t cpu_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}
static inline void cpu_pause(void) { __asm__ volatile("pause"); }
/* x86 keeps loads in order with loads and stores with stores, also towards write-back memory that a device reads; the
 * compiler must too. */
static inline void cpu_barrier(void) { __asm__ volatile("" : : : "memory"); }
/* A later load must not pass an earlier store: the last look at a ring after telling the other side to wake us. */
static inline void cpu_fence(void) { __asm__ volatile("mfence" : : : "memory"); }
