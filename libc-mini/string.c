/* SPDX-License-Identifier: MIT
 * Memory and strings. Also linked into the kernel. String instructions move blocks as fast as vector code does, and
 * need no vector registers, which in ring 3 hold the guest's values. By words, because emulators take the same time for
 * each repetition. */
#include <stdint.h>
#include <string.h>

/* Keeps GCC from making a loop a call of the function that it implements. */
#define NO_IDIOM __asm__ volatile("" : : : "memory")

#define BULK 128 /* bytes from which a string instruction pays its start-up */

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if (size >= BULK) {
        size_t words = size / 8;
        __asm__ volatile("rep movsq" : "+D"(out), "+S"(in), "+c"(words) : : "memory");
        size %= 8;
    }
    for (; size >= 8; size -= 8) {
        uint64_t word;
        __builtin_memcpy(&word, in, 8);
        __builtin_memcpy(out, &word, 8);
        in += 8;
        out += 8;
        NO_IDIOM;
    }
    while (size-- > 0) {
        *out++ = *in++;
        NO_IDIOM;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to - (uintptr_t)from >= size) {
        return memcpy(to, from, size);
    }
    unsigned char *out = (unsigned char *)to + size;
    const unsigned char *in = (const unsigned char *)from + size;
    for (; size >= 8; size -= 8) {
        uint64_t word;
        out -= 8;
        in -= 8;
        __builtin_memcpy(&word, in, 8);
        __builtin_memcpy(out, &word, 8);
    }
    while (size-- > 0) {
        *--out = *--in;
        NO_IDIOM;
    }
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    unsigned char *out = to;
    uint64_t word = 0x0101010101010101ull * (unsigned char)byte;
    if (size >= BULK) {
        size_t words = size / 8;
        __asm__ volatile("rep stosq" : "+D"(out), "+c"(words) : "a"(word) : "memory");
        size %= 8;
    }
    for (; size >= 8; size -= 8) {
        __builtin_memcpy(out, &word, 8);
        out += 8;
        NO_IDIOM;
    }
    while (size-- > 0) {
        *out++ = (unsigned char)byte;
        NO_IDIOM;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a, *right = b;
    for (size_t i = 0; i < size; i++) {
        if (left[i] != right[i]) {
            return left[i] - right[i];
        }
    }
    return 0;
}

void *memchr(const void *in, int byte, size_t size)
{
    const unsigned char *bytes = in;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == (unsigned char)byte) {
            return (void *)(uintptr_t)(bytes + i);
        }
    }
    return NULL;
}

size_t strnlen(const char *text, size_t max)
{
    size_t length = 0;
    while (length < max && text[length] != 0) {
        length++;
        NO_IDIOM;
    }
    return length;
}

size_t strlen(const char *text) { return strnlen(text, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t max)
{
    for (size_t i = 0; i < max; i++) {
        if (a[i] != b[i] || a[i] == 0) {
            return (unsigned char)a[i] - (unsigned char)b[i];
        }
    }
    return 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

char *strchr(const char *text, int c)
{
    for (;; text++) {
        if (*text == (char)c) {
            return (char *)(uintptr_t)text;
        }
        if (*text == 0) {
            return NULL;
        }
    }
}

char *strrchr(const char *text, int c)
{
    const char *found = NULL;
    do {
        found = *text == (char)c ? text : found;
    } while (*text++ != 0);
    return (char *)(uintptr_t)found;
}

char *strstr(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (;; text++) {
        if (strncmp(text, word, length) == 0) {
            return (char *)(uintptr_t)text;
        }
        if (*text == 0) {
            return NULL;
        }
    }
}

size_t strspn(const char *text, const char *set)
{
    size_t length = 0;
    while (text[length] != 0 && strchr(set, text[length]) != NULL) {
        length++;
    }
    return length;
}

size_t strcspn(const char *text, const char *set)
{
    size_t length = 0;
    while (text[length] != 0 && strchr(set, text[length]) == NULL) {
        length++;
    }
    return length;
}

char *strcpy(char *restrict to, const char *restrict from)
{
    memcpy(to, from, strnlen(from, SIZE_MAX) + 1);
    return to;
}

char *strncpy(char *restrict to, const char *restrict from, size_t max)
{
    size_t length = strnlen(from, max);
    memcpy(to, from, length);
    memset(to + length, 0, max - length);
    return to;
}

char *strcat(char *restrict to, const char *restrict from)
{
    strcpy(to + strnlen(to, SIZE_MAX), from);
    return to;
}
