/* SPDX-License-Identifier: MIT
 * A far end of a control channel that writes anything: bytes, counts, the near end's half of the page. Answers are
 * lines of ASCII, there is never more of them than the ring holds, and a second client is served all the while. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "../unit/control_fixture.h"

static struct console hostile, good;
static struct control_server server;

static uint64_t now(void) { return fixture_time += 10; }
static void tell(void *context) {}

static void serve(void)
{
    uint64_t wake;
    for (unsigned i = 0; i < 8; i++) {
        (void)control_serve(&server, &wake);
    }
}

/* One line, whole, and nothing in it that is not ASCII. */
static void check_answer(const struct console *console, uint64_t from, uint64_t to)
{
    if (to - from > CONSOLE_OUTPUT) {
        abort();
    }
    for (uint64_t at = from; at < to; at++) {
        char c = console->output[at % CONSOLE_OUTPUT];
        if ((c == '\n') != (at == to - 1) || (c != '\n' && (c < ' ' || c > '~'))) {
            abort();
        }
    }
}

static void ask_good(void)
{
    for (const char *c = "echo good\n"; *c != 0; c++) {
        good.input[good.far.typed++ % CONSOLE_INPUT] = *c;
    }
    serve();
    if (good.near.produced - good.far.printed != strlen("{\"ok\":true,\"result\":[\"good\"]}\n")) {
        abort();
    }
    good.far.printed = good.near.produced;
}

/* Four bytes of the input are a count. */
static uint64_t number(const uint8_t *data)
{
    uint32_t value;
    memcpy(&value, data, sizeof(value));
    return value % 3 == 0 ? value : (uint64_t)(int64_t)(int8_t)value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&hostile, 0, sizeof(hostile));
    memset(&good, 0, sizeof(good));
    memset(&server, 0, sizeof(server));
    server.now = now;
    struct control_session *session = control_open(&server, &hostile, tell, NULL);
    if (session == NULL || control_open(&server, &good, tell, NULL) == NULL) {
        abort();
    }
    for (size_t i = 0; i + 5 <= size; i += 5) {
        uint64_t value = number(data + i + 1), before = session->produced;
        switch (data[i] % 8) {
        case 0:
            hostile.far.typed += value;
            break;
        case 1:
            hostile.far.printed += value;
            break;
        case 2:
            hostile.near.produced = value;
            break;
        case 3:
            hostile.near.consumed = value;
            break;
        case 4:
            hostile.far.printed = session->produced;
            break;
        case 5:
            memcpy(&hostile.input[value % (CONSOLE_INPUT - 4)], "\nnull\n", 4);
            break;
        default:
            for (unsigned k = 1; k < 5; k++) {
                hostile.input[hostile.far.typed++ % CONSOLE_INPUT] = (char)data[i + k];
            }
        }
        bool possible = session->produced - hostile.far.printed <= CONSOLE_OUTPUT;
        uint64_t room = possible ? CONSOLE_OUTPUT - (session->produced - hostile.far.printed) : 0;
        uint64_t wake;
        (void)control_serve(&server, &wake);
        fixture_time += 100000;
        check_answer(&hostile, before, session->produced);
        if (possible && session->produced - before > room) {
            abort();
        }
        if (i % 50 == 0) {
            ask_good();
        }
    }
    return 0;
}
