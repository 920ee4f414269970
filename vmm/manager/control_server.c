/* SPDX-License-Identifier: MIT
 * Sessions of the control server. */
#include "control_server.h"

#include <string.h>

struct control_session *control_open(struct control_server *server, struct console *console,
                                     void (*tell)(void *context), void *context)
{
    for (unsigned i = 0; i < CONTROL_SESSIONS; i++) {
        struct control_session *session = &server->sessions[i];
        if (session->console == NULL) {
            memset(session, 0, sizeof(*session));
            session->console = console;
            session->serial = ++server->next_serial;
            session->consumed = console->near.consumed;
            session->produced = console->near.produced;
            session->tell = tell;
            session->context = context;
            return session;
        }
    }
    return NULL;
}

void control_close(struct control_session *session) { session->console = NULL; }

/* The client has taken all answers; a count that is not possible means the same. */
static bool all_taken(const struct control_session *session)
{
    uint64_t left = session->produced - __atomic_load_n(&session->console->far.printed, __ATOMIC_ACQUIRE);
    return left == 0 || left > CONSOLE_OUTPUT;
}

static void put_answer(struct control_session *session, const char *text, size_t length)
{
    struct console *console = session->console;
    size_t at = session->produced % CONSOLE_OUTPUT, first = CONSOLE_OUTPUT - at;
    first = first < length ? first : length;
    memcpy(console->output + at, text, first);
    memcpy(console->output, text + first, length - first);
    session->produced += length;
    __atomic_store_n(&console->near.produced, session->produced, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the far end sets `sleeping` and then looks at `produced` once more */
    if (__atomic_load_n(&console->far.sleeping, __ATOMIC_RELAXED)) {
        session->tell(session->context);
    }
}

/* How many bytes of input there are. Counts that are not possible: the input is dropped, with the line that it belongs
 * to. */
static size_t available(struct control_session *session)
{
    uint64_t typed = __atomic_load_n(&session->console->far.typed, __ATOMIC_ACQUIRE), left = typed - session->consumed;
    if (left > CONSOLE_INPUT) {
        session->consumed = typed;
        session->length = 0;
        session->too_long = true;
        return 0;
    }
    return (size_t)left;
}

static void end_line(struct control_session *session)
{
    session->length -= session->length > 0 && session->text[session->length - 1] == '\r';
    session->text[session->length] = 0;
    memset(&session->line, 0, sizeof(session->line));
    if (session->too_long) {
        session->line.wrong = "the line is longer than 4000 bytes, or a part of it was lost";
    } else if (memchr(session->text, 0, session->length) != NULL) {
        session->line.wrong = "the line has a control character; a request is a line of text";
    } else {
        session->line.wrong = request_parse(&session->line.request, session->text);
    }
    session->length = 0;
    session->too_long = false;
    session->busy = true;
}
_Static_assert(REQUEST_MAX == 4000, "limit in the text above");

/* Moves input into the line until it is complete. */
static void read_line(struct control_session *session)
{
    size_t left = available(session);
    while (left-- > 0 && !session->busy) {
        char c = *(volatile const char *)&session->console->input[session->consumed++ % CONSOLE_INPUT];
        if (c == CONTROL_CANCEL) { /* nothing is being carried out */
        } else if (c == '\n') {
            end_line(session);
        } else if (session->length == REQUEST_MAX) {
            session->too_long = true;
        } else {
            session->text[session->length++] = c;
        }
    }
    __atomic_store_n(&session->console->near.consumed, session->consumed, __ATOMIC_RELEASE);
}

/* The client does not want to wait for the answer: the next byte that it has sent says so. */
static bool cancelled(struct control_session *session)
{
    if (available(session) == 0 || *(volatile const char *)&session->console->input[session->consumed % CONSOLE_INPUT] != CONTROL_CANCEL) {
        return false;
    }
    __atomic_store_n(&session->console->near.consumed, ++session->consumed, __ATOMIC_RELEASE);
    session->line.wrong = "given up before it was done: the client has sent the byte CAN";
    return true;
}

/* The earlier of two times, of which 0 is none. */
static void sooner(uint64_t *wake, uint64_t time)
{
    if (time != 0 && (*wake == 0 || time < *wake)) {
        *wake = time;
    }
}

/* True: a request was carried out. */
static bool serve(struct control_server *server, struct control_session *session, uint64_t *wake)
{
    uint64_t now = server->now();
    uint32_t serial = session->serial;
    if (!all_taken(session)) {
        return false;
    }
    if (!session->busy) {
        read_line(session);
    }
    if (!session->busy) {
        return false;
    }
    if (now < session->not_before) {
        sooner(wake, session->not_before);
        return false;
    }
    if (!command_execute(server->manager, &session->line, now, &server->answer) &&
        !(cancelled(session) && command_execute(server->manager, &session->line, now, &server->answer))) {
        sooner(wake, server->answer.wake);
        return false;
    }
    if (session->console == NULL || session->serial != serial) { /* the command has ended the session's own domain */
        return true;
    }
    session->busy = false;
    uint64_t end = server->now(), took = end - now;
    session->not_before = end + (took > server->pause ? took : server->pause);
    put_answer(session, server->answer.text, server->answer.length);
    return true;
}

bool control_serve(struct control_server *server, uint64_t *wake)
{
    bool more = false;
    *wake = 0;
    for (unsigned i = 0; i < CONTROL_SESSIONS; i++) {
        if (server->sessions[i].console != NULL) {
            more |= serve(server, &server->sessions[i], wake);
        }
    }
    return more;
}
