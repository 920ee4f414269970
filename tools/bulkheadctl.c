/* SPDX-License-Identifier: MIT
 * bulkheadctl: manages the machine from a Linux guest that is marked `control = yes`. Sends the command of its
 * arguments to the manager through a virtio-console port (docs/control.md), prints the answer, and ends with 0 (done),
 * 1 (refused) or 2 (not even asked, or no answer). Without a command, on a terminal: the shell. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "render.h"
#include "shell.h"
#include "words.h"

#define PORT_NAME "org.bulkhead.control"
#define BY_NAME   "/dev/virtio-ports/" PORT_NAME
#define CLASS     "/sys/class/virtio-ports"
#define BUSY_MS   3000u /* somebody else has the port, perhaps a command that is just ending */
#define WINDOW    0x10000u

enum { STATUS_DONE, STATUS_REFUSED, STATUS_FAILED };

static const char usage[] =
    "usage: bulkheadctl [-j] [--device PATH] [--timeout SECONDS] COMMAND [ARGUMENT...]\n"
    "  -j         the answer as JSON in one line, e.g. {\"ok\":true,\"result\":null}\n"
    "  --device   the control port (default: the virtio port " PORT_NAME ")\n"
    "  --timeout  for the answer (default 30; 0: none)\n"
    "`bulkheadctl help` lists the commands. Without a command: a shell, if the input is a terminal.\n"
    "Status: 0 done, 1 refused by the manager, 2 not asked or not answered.\n";

static _Noreturn void fail(const char *text, const char *detail)
{
    fprintf(stderr, "error: %s%s\n", text, detail);
    exit(STATUS_FAILED);
}

static uint64_t now_ms(void *context)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- the port --- */

/* Without udev there is no /dev/virtio-ports: the kernel tells each port's name in its class. */
static bool find_port(char *path, size_t size)
{
    if (access(BY_NAME, F_OK) == 0) {
        snprintf(path, size, "%s", BY_NAME);
        return true;
    }
    DIR *ports = opendir(CLASS);
    bool found = false;
    for (struct dirent *entry; ports != NULL && !found && (entry = readdir(ports)) != NULL;) {
        char name[64] = "", file[sizeof(CLASS) + sizeof(entry->d_name) + 8];
        snprintf(file, sizeof(file), "%s/%s/name", CLASS, entry->d_name);
        FILE *stream = fopen(file, "r");
        if (stream != NULL) {
            found = fgets(name, sizeof(name), stream) != NULL && strcmp(name, PORT_NAME "\n") == 0;
            fclose(stream);
        }
        snprintf(path, size, "/dev/%s", entry->d_name);
    }
    if (ports != NULL) {
        closedir(ports);
    }
    return found;
}

static int open_port(const char *device)
{
    char path[300];
    if (device == NULL && !find_port(path, sizeof(path))) {
        fail("no virtio port is called " PORT_NAME
             ": has this domain `control = yes`, and is the module virtio_console loaded?",
             "");
    }
    device = device == NULL ? path : device;
    uint64_t end = now_ms(NULL) + BUSY_MS;
    int port = open(device, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    while (port < 0 && errno == EBUSY && now_ms(NULL) < end) {
        poll(NULL, 0, 50);
        port = open(device, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    if (port < 0) {
        fprintf(stderr, "error: %s: %s%s\n", device, strerror(errno),
                errno == EBUSY ? " (by another bulkheadctl?)" : "");
        exit(STATUS_FAILED);
    }
    /* The other end is just being connected, or drivers-dom starts anew. */
    struct pollfd ended = { .fd = port };
    while (poll(&ended, 1, 0) == 1 && (ended.revents & POLLHUP) && now_ms(NULL) < end) {
        poll(NULL, 0, 50);
    }
    return port;
}

/* What is left of `until` for poll(): -1 for ever. */
static int left(uint64_t until)
{
    uint64_t now = now_ms(NULL);
    return until == UINT64_MAX ? -1 : until <= now ? 0 : until - now > 1000000 ? 1000000 : (int)(until - now);
}

static _Noreturn void hung_up(void)
{
    fail("the connection to the manager has ended: drivers-dom does not serve the port", "");
}

static void wait_for(int port, short events, uint64_t until, const char *what)
{
    struct pollfd poll_port = { .fd = port, .events = events };
    int count = poll(&poll_port, 1, left(until));
    if (count == 0) {
        fail("the manager does not ", what);
    }
    if (count > 0 && (poll_port.revents & (events | POLLHUP)) == POLLHUP) {
        hung_up();
    }
    if (count > 0 && !(poll_port.revents & events)) {
        fail("the control port does not work any more", "");
    }
}

static void send_all(int port, const char *text, size_t size, uint64_t until)
{
    while (size > 0) {
        ssize_t taken = write(port, text, size);
        if (taken > 0) {
            text += taken;
            size -= (size_t)taken;
        } else if (taken < 0 && errno != EAGAIN && errno != EINTR) {
            fail("the control port: ", strerror(errno));
        } else {
            wait_for(port, POLLOUT, until, "take the command");
        }
    }
}

/* --- one command --- */

struct session {
    int port;
    bool raw;
    unsigned seconds; /* 0: no limit */
    unsigned number;  /* of requests so far */
    char buffer[SHELL_ANSWER_SIZE + 1];
};

/* The next line, or fail(); a line that is too long counts as an empty one. */
static size_t read_line(struct session *session, uint64_t until)
{
    size_t used = 0;
    for (;;) {
        char c;
        ssize_t got = read(session->port, &c, 1); /* not more: what follows belongs to the next request */
        if (got == 1 && c == '\n') {
            return used <= SHELL_ANSWER_SIZE ? used : 0;
        }
        if (got == 1) {
            session->buffer[used < SHELL_ANSWER_SIZE ? used : SHELL_ANSWER_SIZE] = c;
            used++;
        } else if (got == 0) {
            hung_up();
        } else if (got < 0 && errno != EAGAIN && errno != EINTR) {
            fail("the control port: ", strerror(errno));
        } else if (got < 0) {
            wait_for(session->port, POLLIN, until, "answer in time");
        }
    }
}

/* Answers to somebody who did not wait for them have other tags. */
static struct json_value ask(struct session *session, const char *command)
{
    char tag[40], line[SHELL_REQUEST_SIZE + 1];
    uint64_t until = session->seconds == 0 ? UINT64_MAX : now_ms(NULL) + session->seconds * 1000ull;
    snprintf(tag, sizeof(tag), "%d.%u", (int)getpid(), session->number++);
    int size = snprintf(line, sizeof(line), "@%s %s\n", tag, command);
    if (size >= (int)sizeof(line)) {
        fail("a command has at most 4000 characters", "");
    }
    send_all(session->port, line, (size_t)size, until);
    for (;;) {
        struct json_value answer, value;
        size_t length = read_line(session, until);
        if (json_read(&answer, session->buffer, length) && json_get(answer, "tag", &value) && json_equals(value, tag)) {
            return answer;
        }
    }
}

/* The last character that was ever printed. */
static char print(struct json_value value, void (*render)(struct sink *sink, struct json_value value), bool keep_blanks,
                  FILE *stream)
{
    static char text[WINDOW];
    static char last = '\n';
    size_t done = 0;
    struct sink sink;
    do {
        sink = (struct sink){ .out = text, .size = sizeof(text), .skip = done, .keep_blanks = keep_blanks };
        render(&sink, value);
        fwrite(text, 1, sink.used, stream);
        done += sink.used;
        last = sink.used > 0 ? text[sink.used - 1] : last;
    } while (sink.full);
    return last;
}

/* Prints a result. True: it was a piece of a log, `command` asks for the next one. */
static bool print_result(struct json_value result, char *command, size_t size, uint64_t *from)
{
    struct json_value text;
    if (!log_piece(result, *from, &text, from)) {
        print(result, render_value, false, stdout);
        return false;
    }
    if (print(text, render_log, true, stdout) != '\n' && *from == 0) {
        putchar('\n');
    }
    log_cut_position(command);
    size_t used = strlen(command);
    snprintf(command + used, size - used, " %llu", (unsigned long long)*from);
    return *from != 0;
}

static int run(struct session *session, char *command, size_t size)
{
    uint64_t from = 0;
    for (;;) {
        struct json_value answer = ask(session, command), ok, result;
        bool good = json_get(answer, "ok", &ok) && *ok.text == 't';
        if (!json_get(answer, good ? "result" : "error", &result)) {
            fail("the manager's answer has neither result nor error", "");
        }
        if (session->raw) {
            print(answer, render_answer, false, stdout);
            return good ? STATUS_DONE : STATUS_REFUSED;
        }
        if (!good) {
            fputs("error: ", stderr);
            print(result, render_value, false, stderr);
            return STATUS_REFUSED;
        }
        if (!print_result(result, command, size, &from)) {
            return STATUS_DONE;
        }
    }
}

/* --- the shell --- */

static struct interactive {
    int port;
    bool left;
    struct termios before;
} interactive;

static size_t to_terminal(void *context, const char *text, size_t size)
{
    ssize_t taken = write(STDOUT_FILENO, text, size);
    if (taken < 0 && errno != EAGAIN && errno != EINTR) {
        interactive.left = true;
    }
    return taken > 0 ? (size_t)taken : 0;
}

static bool to_manager(void *context, const char *request, size_t size)
{
    struct pollfd port = { .fd = interactive.port, .events = POLLOUT };
    return poll(&port, 1, 0) == 1 && (port.revents & POLLOUT) &&
           write(interactive.port, request, size) == (ssize_t)size;
}

static void leave(void *context) { interactive.left = true; }

static void restore_terminal(void) { tcsetattr(STDIN_FILENO, TCSADRAIN, &interactive.before); }

static void killed(int number)
{
    restore_terminal();
    _exit(128 + number);
}

static void make_raw(void)
{
    static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
    struct termios raw;
    tcgetattr(STDIN_FILENO, &interactive.before);
    raw = interactive.before;
    cfmakeraw(&raw);
    atexit(restore_terminal);
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        signal(ends[i], killed);
    }
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static void measure(struct shell *shell)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        shell_screen(shell, size.ws_col, size.ws_row);
    }
}

static void loop(struct shell *shell)
{
    char bytes[4096];
    while (!interactive.left) {
        struct pollfd files[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                                  { .fd = interactive.port, .events = POLLIN } };
        int ready = poll(files, 2, 200);
        measure(shell);
        if (ready > 0 && (files[1].revents & POLLIN)) {
            ssize_t size = read(interactive.port, bytes, sizeof(bytes));
            if (size == 0) {
                return;
            }
            shell_answer(shell, bytes, size > 0 ? (size_t)size : 0);
        }
        if (ready > 0 && (files[1].revents & (POLLHUP | POLLERR)) && !(files[1].revents & POLLIN)) {
            return;
        }
        if (ready > 0 && files[0].revents != 0) {
            ssize_t size = read(STDIN_FILENO, bytes, sizeof(bytes));
            interactive.left |= size == 0;
            shell_input(shell, bytes, size > 0 ? (size_t)size : 0);
        }
        shell_tick(shell);
    }
}

static int run_shell(int port)
{
    static const struct shell_host host = { to_terminal, to_manager, NULL, leave, now_ms, NULL };
    void *storage = aligned_alloc(16, (shell_size() + 15) & ~(size_t)15);
    if (storage == NULL) {
        fail("out of memory", "");
    }
    interactive.port = port;
    make_raw();
    struct shell *shell = shell_init(storage, &host, NULL);
    measure(shell);
    shell_channel(shell, true);
    shell_shown(shell, true);
    loop(shell);
    restore_terminal();
    if (!interactive.left) {
        fail("the connection to the manager has ended", "");
    }
    return STATUS_DONE;
}

/* --- arguments --- */

static _Noreturn void misuse(void)
{
    fputs(usage, stderr);
    exit(STATUS_FAILED);
}

int main(int count, char **arguments)
{
    static struct session session = { .seconds = 30 };
    static char command[SHELL_REQUEST_SIZE];
    const char *device = NULL;
    int at = 1;
    for (; at < count && arguments[at][0] == '-'; at++) {
        if (strcmp(arguments[at], "-j") == 0) {
            session.raw = true;
        } else if (strcmp(arguments[at], "--help") == 0) {
            fputs(usage, stdout);
            return STATUS_DONE;
        } else if (strcmp(arguments[at], "--device") == 0 && at + 1 < count) {
            device = arguments[++at];
        } else if (strcmp(arguments[at], "--timeout") == 0 && at + 1 < count) {
            char *end;
            session.seconds = (unsigned)strtoul(arguments[++at], &end, 10);
            if (*end != 0 || end == arguments[at] || session.seconds > 1000000) {
                misuse();
            }
        } else {
            misuse();
        }
    }
    for (; at < count; at++) {
        if (*command != 0 && strcmp(arguments[at], "-j") == 0) {
            session.raw = true;
        } else if (!words_add(command, sizeof(command) - 24, arguments[at])) {
            fail("a command has at most 4000 printable characters", "");
        }
    }
    if (*command == 0 && (session.raw || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
        misuse();
    }
    signal(SIGPIPE, SIG_IGN);
    session.port = open_port(device);
    return *command == 0 ? run_shell(session.port) : run(&session, command, sizeof(command));
}
