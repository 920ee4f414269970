/* SPDX-License-Identifier: MIT
 * bulkheadctl as a program: its status, what it prints and asks, with a pseudo-terminal in the port's place and this
 * test as the manager. */
#define _GNU_SOURCE
#define main bulkheadctl_main
#include "../../../tools/bulkheadctl.c"
#undef main

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/wait.h>

struct program {
    pid_t pid;
    int port, out; /* the manager's side of the port; standard output and error */
    int held;      /* the port's other side: it forgets its modes when nobody has it open */
    char path[64];
    char request[SHELL_REQUEST_SIZE + 1];
};

static void open_pair(struct program *program)
{
    struct termios raw;
    program->port = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(program->port >= 0 && grantpt(program->port) == 0 && unlockpt(program->port) == 0);
    assert_int_equal(ptsname_r(program->port, program->path, sizeof(program->path)), 0);
    program->held = open(program->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    tcgetattr(program->held, &raw);
    cfmakeraw(&raw);
    tcsetattr(program->held, TCSANOW, &raw);
}

static void close_pair(struct program *program)
{
    close(program->held);
    close(program->port);
}

/* words: the arguments, ended by null. */
static void begin(struct program *program, const char *const *words)
{
    int ends[2], count = 0;
    char *arguments[20] = { "bulkheadctl", "--device", program->path };
    while (words[count] != NULL) {
        arguments[count + 3] = strdup(words[count]);
        count++;
    }
    assert_int_equal(pipe(ends), 0);
    program->pid = fork();
    if (program->pid == 0) {
        int nothing = open("/dev/null", O_RDONLY);
        dup2(nothing, STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close_pair(program);
        exit(bulkheadctl_main(count + 3, arguments));
    }
    while (count-- > 0) {
        free(arguments[count + 3]);
    }
    close(ends[1]);
    program->out = ends[0];
}

static void take_request(struct program *program)
{
    size_t used = 0;
    while (used < SHELL_REQUEST_SIZE && read(program->port, program->request + used, 1) == 1 &&
           program->request[used] != '\n') {
        used++;
    }
    program->request[used] = 0;
}

static void reply(struct program *program, const char *rest)
{
    char text[2000];
    int size = snprintf(text, sizeof(text), "{\"tag\":\"%.*s\",%s}\n", (int)strcspn(program->request, " ") - 1,
                        program->request + 1, rest);
    assert_int_equal(write(program->port, text, (size_t)size), size);
}

static void expect_end(struct program *program, int status, const char *text)
{
    char got[4000];
    size_t used = 0;
    ssize_t size;
    while ((size = read(program->out, got + used, sizeof(got) - 1 - used)) > 0) {
        used += (size_t)size;
    }
    got[used] = 0;
    int state;
    assert_int_equal(waitpid(program->pid, &state, 0), program->pid);
    assert_string_equal(got, text);
    assert_true(WIFEXITED(state));
    assert_int_equal(WEXITSTATUS(state), status);
    close(program->out);
}

static const char *asked(const struct program *program) { return strchr(program->request, ' ') + 1; }

#define RUN(program, ...) begin(program, (const char *const[]){ __VA_ARGS__, NULL })

static void test_answers(void **state)
{
    struct program program;
    open_pair(&program);
    RUN(&program, "create", "a b", "cmdline=say \"hi\" \\", "");
    take_request(&program);
    assert_string_equal(asked(&program), "create \"a b\" \"cmdline=say \\\"hi\\\" \\\\\" \"\"");
    reply(&program, "\"ok\":true,\"result\":null");
    expect_end(&program, 0, "ok\n");
    RUN(&program, "start", "x");
    take_request(&program);
    reply(&program, "\"ok\":false,\"error\":\"there is no domain\"");
    expect_end(&program, 1, "error: there is no domain\n");
    RUN(&program, "-j", "start", "x");
    take_request(&program);
    reply(&program, "\"ok\":false,\"error\":\"there is no domain\"");
    expect_end(&program, 1, "{\"ok\":false,\"error\":\"there is no domain\"}\n");
    RUN(&program, "list", "-j");
    take_request(&program);
    assert_string_equal(asked(&program), "list");
    assert_true(write(program.port, "half an old answer}\n{\"tag\":\"1\",\"ok\":true,\"result\":\"old\"}\n", 57) == 57);
    reply(&program, "\"ok\":true,\"result\":[]");
    expect_end(&program, 0, "{\"ok\":true,\"result\":[]}\n");
    close_pair(&program);
}

static void test_log(void **state)
{
    struct program program;
    open_pair(&program);
    RUN(&program, "log", "linux", "5");
    take_request(&program);
    assert_string_equal(asked(&program), "log linux 5");
    reply(&program, "\"ok\":true,\"result\":{\"text\":\"one\\r\\ntw\",\"next\":9,\"more\":true}");
    take_request(&program);
    assert_string_equal(asked(&program), "log linux 9");
    reply(&program, "\"ok\":true,\"result\":{\"text\":\"o\",\"next\":10,\"more\":false}");
    expect_end(&program, 0, "one\ntwo\n");
    close_pair(&program);
}

static void test_failures(void **state)
{
    struct program program;
    open_pair(&program);
    RUN(&program, "--timeout", "1", "list");
    expect_end(&program, 2, "error: the manager does not answer in time\n");
    take_request(&program);
    RUN(&program, "list");
    take_request(&program);
    reply(&program, "\"ok\":true");
    expect_end(&program, 2, "error: the manager's answer has neither result nor error\n");
    RUN(&program, "start", "a\nb");
    expect_end(&program, 2, "error: a command has at most 4000 printable characters\n");
    RUN(&program, "--what");
    expect_end(&program, 2, usage);
    RUN(&program, "--timeout", "1x", "list");
    expect_end(&program, 2, usage);
    RUN(&program, "-j");
    expect_end(&program, 2, usage);
    RUN(&program, "--help");
    expect_end(&program, 0, usage);
    RUN(&program, "list");
    take_request(&program);
    close_pair(&program);
    char text[4000];
    assert_true(read(program.out, text, sizeof(text)) > 6 && memcmp(text, "error:", 6) == 0);
    close(program.out);
    int status;
    waitpid(program.pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 2);
    strcpy(program.path, "/nowhere/port");
    RUN(&program, "list");
    expect_end(&program, 2, "error: /nowhere/port: No such file or directory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers), cmocka_unit_test(test_log),
                                        cmocka_unit_test(test_failures) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
