/* SPDX-License-Identifier: MIT
 * The early console: a 16550 at COM1, polled. If the port is missing, output is dropped. */
#include "api.h"
#include "panic.h"
#include "screen.h"
#include "sync.h"
#include "x86.h"

#define COM1 0x3f8
enum { UART_DATA = 0, UART_IER = 1, UART_FCR = 2, UART_LCR = 3, UART_MCR = 4, UART_LSR = 5 };
#define LCR_8N1 0x03
#define LCR_DLAB 0x80
#define FCR_ENABLE 0x07 /* FIFOs on and empty, receive interrupt at 1 byte */
#define MCR_ON 0x0b     /* DTR, RTS, OUT2 (the interrupt's gate on a PC) */
#define LSR_DATA 0x01
#define LSR_THRE 0x20
#define LSR_TEMT 0x40
#define FIFO_SIZE 16
#define WAIT_LOOPS 1000000u /* far more than 16 characters take */

static _Atomic uint32_t lock;
static bool present;

void console_init(void)
{
    outb(COM1 + UART_LCR, LCR_8N1);
    present = inb(COM1 + UART_LCR) == LCR_8N1;
    if (!present)
        return;
    outb(COM1 + UART_IER, 0);
    outb(COM1 + UART_LCR, LCR_8N1 | LCR_DLAB);
    outb(COM1 + UART_DATA, 1); /* 115200 */
    outb(COM1 + UART_IER, 0);
    outb(COM1 + UART_LCR, LCR_8N1);
    outb(COM1 + UART_FCR, FCR_ENABLE);
    outb(COM1 + UART_MCR, MCR_ON);
}

static void send(const char *text, uint32_t length)
{
    uint32_t room = 0;
    for (uint32_t i = 0; i < length; i++) {
        for (uint32_t n = 0; !room && n < WAIT_LOOPS; n++)
            room = inb(COM1 + UART_LSR) & LSR_THRE ? FIFO_SIZE : 0;
        present = room; /* nobody there: do not wait again */
        if (!present)
            return;
        outb(COM1 + UART_DATA, (uint8_t)text[i]);
        room--;
    }
}

void console_raw(const char *text, uint32_t length)
{
    bool locked = !panic_active(); /* a panic must get through even if a stopped CPU holds the lock */
    if (locked)
        spin_lock(&lock);
    screen_write(text, length);
    if (present)
        send(text, length);
    if (locked)
        spin_unlock(&lock);
}

void console_flush(void)
{
    for (uint32_t n = 0; present && n < WAIT_LOOPS && !(inb(COM1 + UART_LSR) & LSR_TEMT); n++)
        cpu_pause();
}

int console_poll(void)
{
    if (!present)
        return -1;
    spin_lock(&lock);
    int c = inb(COM1 + UART_LSR) & LSR_DATA ? inb(COM1 + UART_DATA) : -1;
    spin_unlock(&lock);
    return c;
}
