/* SPDX-License-Identifier: MIT
 * The configuration: values, defaults, comments and quotes, every kind of error with its message, whole-file checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "config.h"

static struct config config;
static char errors[8192];

static void collect(void *context, const char *text)
{
    (void)context;
    size_t used = strlen(errors);
    snprintf(errors + used, sizeof(errors) - used, "%s\n", text);
}

static const struct config_report report = {collect, NULL};

static enum status parse_bytes(const char *text, size_t size)
{
    config_free(&config);
    errors[0] = 0;
    char *copy = malloc(size > 0 ? size : 1); /* exact: the sanitizer sees a read behind it */
    memcpy(copy, text, size);
    enum status status = config_parse(&config, "a.conf", copy, size, &report);
    free(copy);
    return status;
}

static enum status parse(const char *text) { return parse_bytes(text, strlen(text)); }

static int teardown(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

static void assert_errors(const char *text, const char *expected)
{
    assert_int_equal(parse(text), ERR_FORMAT);
    assert_string_equal(errors, expected);
}

static void test_firmware(void **state)
{
    (void)state;
    assert_int_equal(parse("[domain a]\nfirmware=bios\n[domain b]\nfirmware = roms/other.bin\nmemory = 4M\n"), OK);
    assert_true(config.domains[0]->firmware);
    assert_string_equal(config.domains[0]->modules[0].path, "bios");
    assert_int_equal(config.domains[0]->module_count, 1);
    assert_string_equal(config.domains[1]->modules[0].path, "roms/other.bin");
    config_free(&config);
    assert_errors("[domain a]\nfirmware=bios\nkernel=k\n[domain b]\nfirmware=bios\ncmdline=quiet\n[domain c]\nfirmware=bios\nmemory=3M\n",
                  "a.conf:3: domain \"a\": kernel: not together with firmware (line 2), which starts what is on the domain's first disk; remove one of the two\n"
                  "a.conf:6: domain \"b\": cmdline: not together with firmware (line 5), which starts what is on the domain's first disk; remove one of the two\n"
                  "a.conf:9: domain \"c\": memory = 3M: firmware needs at least 4M\n");
}

static void test_full(void **state)
{
    (void)state;
    assert_int_equal(
        parse("# a comment\n[host]\nfocus = two\n\n"
              "[domain one]\r\nkernel = guests/vmlinuz\r\nmodule = tools/a first second\n"
              "initrd=guests/initrd.gz ; the initrd\nmodule=b\n"
              "cmdline = console=ttyS0 root=/dev/ram#0 quiet # a comment\nmemory = 1G\nvcpus=4\ncpus = 0,2-4\n"
              "dedicated=yes\npriority=6\nconsole=no\ndebug-exit=yes\non-crash=restart\non-reboot=preserve\ntrace=yes\n"
              "  [ domain two ] ; another\n  kernel\t=\tk\ncmdline = \"a \\\"b\\\" # ; c\\\\\" # comment"),
        OK);
    assert_string_equal(errors, "");
    assert_int_equal(config.domain_count, 2);
    assert_string_equal(config.focus, "two");
    const struct config_domain *d = config.domains[0];
    assert_string_equal(d->name, "one");
    assert_int_equal(d->module_count, 4);
    assert_true(d->has_initrd);
    assert_string_equal(d->modules[0].path, "guests/vmlinuz");
    assert_string_equal(d->modules[1].path, "guests/initrd.gz");
    assert_string_equal(d->modules[2].path, "tools/a");
    assert_string_equal(d->modules[2].arguments, "first second");
    assert_string_equal(d->modules[3].path, "b");
    assert_string_equal(d->modules[3].arguments, "");
    assert_string_equal(d->cmdline, "console=ttyS0 root=/dev/ram#0 quiet");
    assert_true(d->memory == 1ull << 30);
    assert_int_equal(d->vcpus, 4);
    assert_int_equal(d->cpu_count, 4);
    assert_memory_equal(d->cpus, "\0\2\3\4", 4);
    assert_true(d->dedicated && d->debug_exit && d->trace && !d->console);
    assert_int_equal(d->priority, 6);
    assert_int_equal(d->on_crash, ACTION_RESTART);
    assert_int_equal(d->on_reboot, ACTION_PRESERVE);
    assert_string_equal(config.domains[1]->cmdline, "a \"b\" # ; c\\");
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse("\xef\xbb\xbf[domain d]\nkernel = k\ncmdline =\n"), OK);
    const struct config_domain *d = config.domains[0];
    assert_true(d->memory == CONFIG_DEFAULT_MEMORY);
    assert_int_equal(d->vcpus, 1);
    assert_int_equal(d->cpu_count, 0);
    assert_int_equal(d->module_count, 1);
    assert_int_equal(d->priority, CONFIG_DEFAULT_PRIORITY);
    assert_true(d->console && !d->dedicated && !d->debug_exit && !d->trace && !d->has_initrd && !d->bad);
    assert_int_equal(d->on_crash, ACTION_DESTROY);
    assert_int_equal(d->on_reboot, ACTION_RESTART);
    assert_string_equal(d->cmdline, "");
}

static void test_syntax(void **state)
{
    (void)state;
    assert_errors("", "a.conf:0: no domain is defined; a domain begins with [domain NAME]\n");
    assert_errors(
        "kernel = k\n",
        "a.conf:1: key \"kernel\" stands before the first section; a file begins with [host] or [domain NAME]\n");
    assert_errors("\n[domian a]\nkernel=k\n", "a.conf:2: section [domian]: allowed are [host] and [domain NAME]; did you mean \"domain\"?\n");
    assert_errors("[domain a\n", "a.conf:1: \"[domain a\": a section is [host] or [domain NAME], alone on its line\n");
    assert_errors("[domain a] x\n",
                  "a.conf:1: \"[domain a] x\": a section is [host] or [domain NAME], alone on its line\n");
    assert_errors("[domain a b]\n",
                  "a.conf:1: section [domain a b]: a name has 1 to 31 letters, digits or any of _-.\n");
    assert_errors("[domain ]\n", "a.conf:1: section [domain]: its name is missing: [domain NAME]\n");
    assert_errors("[domain manager]\n", "a.conf:1: section [domain manager]: this name is taken by a part of the hypervisor; choose another one\n");
    assert_errors("[domain a]\nkernel=k\nnonsense\n",
                  "a.conf:3: domain \"a\": \"nonsense\": a line is a section, \"key = value\" or a comment\n");
    assert_errors("[domain a]\nkernel=k\ncmdline = \"open\n",
                  "a.conf:3: domain \"a\": cmdline = \"open: the closing \" of the value is missing, or something follows it; inside quotes \\\" stands for \"\n");
    assert_errors("[domain a]\nkernel=k\ncmdline = \"a\" b\n",
                  "a.conf:3: domain \"a\": cmdline = \"a\" b: the closing \" of the value is missing, or something follows it; inside quotes \\\" stands for \"\n");
    assert_errors("[domain a]\nkernel=k\ncmdline = \033[0m\n",
                  "a.conf:3: domain \"a\": character code 27: a configuration is text\n");
    assert_int_equal(parse_bytes("[domain a]\nkernel=k\nx\0y\n", 24), ERR_FORMAT);
    assert_non_null(strstr(errors, "a.conf:3: domain \"a\": character code 0"));
}

static void test_unknown_key(void **state)
{
    (void)state;
    parse("[domain a]\nkernel=k\nmemry = 1G\n"); /* behind this the keys are listed, as the table has them */
    assert_non_null(strstr(errors, "a.conf:3: domain \"a\": unknown key \"memry\"; did you mean \"memory\"? Allowed are: kernel, "));
    assert_non_null(strstr(errors, ", memory, "));
    parse("[host]\nfocs = a\n[domain a]\nkernel=k\n");
    assert_non_null(strstr(errors, "a.conf:2: unknown key \"focs\"; did you mean \"focus\"? Allowed are: focus, "));
    parse("[domain a]\nkernel=k\nxyzzy = 1\n");
    assert_null(strstr(errors, "did you mean"));
    parse("[domain a]\nkernel=k\ndebug_exit = yes\n");
    assert_non_null(strstr(errors, "did you mean \"debug-exit\"?"));
    parse("[domain a]\nkernel=k\ncpu = 1\n");
    assert_non_null(strstr(errors, "did you mean \"cpus\"?"));
}

static void test_kills(void **state)
{
    static const char *const wrong[] = { "0", "", "5+us*3", "5+1us", "5+1us*0", "5+1ms*3", "5+0us*3", "3600001", "1+1us*3x", "-1", "5,1us*3" };
    char text[128];
    (void)state;
    parse("[host]\ndrivers-restart = 0+50us*1000\n[domain a]\nkernel=k\n");
    assert_string_equal(errors, "");
    assert_true(config.drivers_restart.enabled);
    assert_int_equal(config.drivers_restart.first, 0);
    assert_int_equal(config.drivers_restart.step, 50);
    assert_int_equal(config.drivers_restart.count, 1000);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(text, sizeof(text), "[host]\ndrivers-restart = %s\n[domain a]\nkernel=k\n", wrong[i]);
        parse(text);
        assert_non_null(strstr(errors, "drivers-restart"));
        assert_false(config.drivers_restart.enabled);
    }
}

static void test_devices(void **state)
{
    (void)state;
    parse("[host]\ndrivers-restart = 250\n[domain a]\nkernel=k\ndisk = root,images/root.img\ndisk = data,part:DATA,ro\n"
          "net = uplink\nnet = lan,mac=52:54:00:0a:0B:0c,vlan=7,rate=10M\n");
    assert_string_equal(errors, "");
    const struct config_domain *domain = config.domains[0];
    assert_true(config.drivers_restart.enabled);
    assert_int_equal(config.drivers_restart.first, 250000);
    assert_int_equal(config.drivers_restart.step, 0);
    assert_int_equal(domain->device_count, 4);
    assert_string_equal(domain->devices[0].name, "root");
    assert_string_equal(domain->devices[0].source, "file:images/root.img");
    assert_false(domain->devices[0].read_only);
    assert_string_equal(domain->devices[1].source, "part:DATA");
    assert_true(domain->devices[1].read_only);
    assert_true(domain->devices[2].type == CHANNEL_NET && !domain->devices[2].has_mac);
    assert_string_equal(domain->devices[2].source, "uplink");
    static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x0a, 0x0b, 0x0c };
    assert_memory_equal(domain->devices[3].mac, mac, sizeof(mac));
    assert_int_equal(domain->devices[3].vlan, 7);
    assert_int_equal(domain->devices[3].rate, 10000000);
    static const char *const wrong[] = {
        "disk = root", "disk = root,", "disk = ,x.img", "disk = root,x.img,rw", "net = lan,mac=52:54:00:0a:0b", "net = lan,mac=01:00:00:00:00:01",
        "net = lan,vlan=0", "net = lan,vlan=4095", "net = lan,rate=0M", "net = lan,rate=10", "net = lan,colour=blue",
    };
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "[domain a]\nkernel=k\n%s\n", wrong[i]);
        parse(text);
        assert_non_null(strstr(errors, "a.conf:3: domain \"a\": "));
        assert_non_null(strstr(errors, "allowed is"));
    }
}

static void test_values(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "memory = 25X",
        "memory = 256",
        "memory = 0M",
        "memory = M",
        "memory = -1M",
        "memory = 1.5G",
        "memory = 1025G",
        "memory = 1048577M",
        "memory = 99999999999999999999G",
        "memory = 18446744073709551616M",
        "memory = 256 M",
        "memory =",
        "vcpus = 0",
        "vcpus = 33",
        "vcpus = 2x",
        "vcpus = +1",
        "vcpus = 99999999999999999999",
        "cpus = ",
        "cpus = 0,",
        "cpus = 0,0",
        "cpus = 3-1",
        "cpus = 64",
        "cpus = 0-64",
        "cpus = 0-",
        "cpus = 1-3,2",
        "cpus = a",
        "cpus = 0 1",
        "dedicated = maybe",
        "dedicated = YES",
        "console = 1",
        "debug-exit =",
        "on-crash = explode",
        "on-reboot = no",
        "trace = y",
        "priority = 7",
        "priority = -1",
        "initrd =",
        "module =",
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[256], start[64];
        snprintf(text, sizeof(text), "[domain a]\nkernel=k\n%s\n[domain b]\nkernel=k\n", bad[i]);
        assert_int_equal(parse(text), ERR_FORMAT);
        snprintf(start, sizeof(start), "a.conf:3: domain \"a\": %.*s = \"", (int)strcspn(bad[i], " "), bad[i]);
        assert_memory_equal(errors, start, strlen(start));
        assert_non_null(strstr(errors, "allowed is"));
        assert_int_equal(config.error_count, 1);
        assert_true(config.domains[0]->bad);
        assert_memory_equal(config.domains[0]->error, errors, strlen(config.domains[0]->error));
        assert_false(config.domains[1]->bad); /* the other one is not touched */
    }
    assert_int_equal(parse("[domain a]\nkernel=k\nmemory = 1024G\nvcpus=32\ncpus=0-31\npriority=0\n"), OK);
}

static void test_long_values(void **state)
{
    (void)state;
    char text[8192];
    int used = snprintf(text, sizeof(text), "[domain a]\nkernel=k\ncmdline = ");
    memset(text + used, 'x', 2047);
    strcpy(text + used + 2047, "\n");
    assert_int_equal(parse(text), OK);
    assert_int_equal(strlen(config.domains[0]->cmdline), 2047);
    memset(text + used, 'x', 2048);
    strcpy(text + used + 2048, "\n");
    assert_int_equal(parse(text), ERR_FORMAT);
    assert_non_null(strstr(errors, "(2048 characters): allowed is up to 2047 characters"));
    memset(text + used, 'x', 5000);
    strcpy(text + used + 5000, "\n");
    assert_int_equal(parse(text), ERR_FORMAT);
    assert_non_null(strstr(errors, "a.conf:3: domain \"a\": the line has 5010 characters"));
    used = snprintf(text, sizeof(text), "[domain a]\nkernel = ");
    memset(text + used, 'p', 96);
    strcpy(text + used + 96, "\n");
    assert_int_equal(parse(text), ERR_FORMAT);
    assert_non_null(strstr(errors, "allowed is a path of 1 to 95 characters"));
    used = snprintf(text, sizeof(text), "[domain a]\nkernel=k\n");
    for (unsigned i = 0; i < 16; i++) {
        used += snprintf(text + used, sizeof(text) - (size_t)used, "module = m%u\n", i);
        assert_int_equal(parse(text), i < 15 ? OK : ERR_FORMAT);
    }
    assert_int_equal(config.domains[0]->module_count, 16);
    assert_int_equal(parse("[domain a]\nkernel=k\nmodule=\"m with arguments\"\n"), OK);
}

static void test_twice(void **state)
{
    (void)state;
    assert_errors("[domain a]\nkernel=k\nvcpus=1\nvcpus=2\n",
                  "a.conf:4: domain \"a\": vcpus is given twice (first in line 3); remove one of the two\n");
    assert_errors(
        "[domain a]\nkernel=k\n[domain b]\nkernel=k\n[domain a]\nkernel=other\nbroken\n",
        "a.conf:5: section [domain a]: this domain is defined twice (first in line 1); the second one is ignored: give it another name\n"
        "a.conf:7: \"broken\": a line is a section, \"key = value\" or a comment\n");
    assert_int_equal(config.domain_count, 2);
    assert_string_equal(config.domains[0]->modules[0].path, "k");
}

static void test_together(void **state)
{
    (void)state;
    assert_errors("\n[domain a]\nmemory=1G\n", "a.conf:2: domain \"a\": kernel is missing: name the file to boot, or say firmware = bios to "
                  "start what is on its first disk\n");
    assert_errors("[domain a]\nkernel=k\ncpus=0-3\nvcpus=2\n",
                  "a.conf:3: domain \"a\": cpus names 4 CPUs for 2 vcpus; at most as many as vcpus are allowed\n");
    assert_errors("[domain a]\nkernel=k\ndedicated=yes\n",
                  "a.conf:3: domain \"a\": dedicated = yes needs the key cpus, with a CPU for each vcpu\n");
    assert_errors("[domain a]\nkernel=k\ncpus=1\nvcpus=2\ndedicated=yes\n",
                  "a.conf:5: domain \"a\": dedicated = yes needs a CPU for each vcpu: cpus names 1 for 2 vcpus\n");
    assert_errors("[host]\nfocus=lunux\n[domain linux]\nkernel=k\n",
                  "a.conf:2: focus = \"lunux\": there is no such domain; did you mean \"linux\"?\n");
}

static void test_dedicated(void **state)
{
    (void)state;
    assert_errors(
        "[domain a]\nkernel=k\ncpus=0-1\nvcpus=2\ndedicated=yes\n[domain b]\nkernel=k\ncpus=1\n[domain c]\nkernel=k\ncpus=2\n",
        "a.conf:8: domain \"b\": cpus: CPU 1 is dedicated to domain \"a\" (line 3); choose another CPU\n");
    assert_true(!config.domains[0]->bad && config.domains[1]->bad && !config.domains[2]->bad);
    assert_errors(
        "[domain a]\nkernel=k\ncpus=1\n[domain b]\nkernel=k\ncpus=1\ndedicated=yes\n",
        "a.conf:6: domain \"b\": cpus: CPU 1 is wanted as dedicated, but is also used by domain \"a\" (line 3); choose another CPU\n");
    assert_errors("[domain a]\nkernel=k\ncpus=1\ndedicated=yes\n[domain b]\nkernel=k\ncpus=1\ndedicated=yes\n",
                  "a.conf:7: domain \"b\": cpus: CPU 1 is dedicated to domain \"a\" (line 3); choose another CPU\n");
    assert_int_equal(parse("[domain a]\nkernel=k\ncpus=1\n[domain b]\nkernel=k\ncpus=1\n"), OK);
}

static void test_machine(void **state)
{
    (void)state;
    assert_int_equal(parse("[domain a]\nkernel=k\ncpus=1\n[domain b]\nkernel=k\ncpus=1-2\nvcpus=2\n"), OK);
    config_check_machine(&config, "a.conf", 2, 1ull << 30, &report);
    assert_string_equal(errors, "a.conf:6: domain \"b\": cpus: there is no CPU 2; this machine has 2 (0 to 1)\n");
    assert_true(!config.domains[0]->bad && config.domains[1]->bad);
}

/* Parses without an error, then checks it against a machine. */
static void assert_machine_errors(const char *text, unsigned cpu_count, uint64_t memory, const char *expected)
{
    assert_int_equal(parse(text), OK);
    config_check_machine(&config, "a.conf", cpu_count, memory << 20, &report);
    assert_string_equal(errors, expected);
}

static void test_memory(void **state)
{
    (void)state;
    static const char three[] =
        "[domain a]\nkernel=k\nmemory=100M\n[domain b]\nkernel=k\nmemory=401M\n[domain c]\nkernel=k\nmemory=99M\n";
    assert_machine_errors(three, 1, 602, "");
    assert_machine_errors(three, 1, 501,
                          "a.conf:6: domain \"b\": memory = 401M is too much: of the 501M that this machine has for domains, those "
                          "before it take 100M; give it or them less, or the machine more\n");
    assert_true(!config.domains[0]->bad && config.domains[1]->bad && !config.domains[2]->bad);
    static const char disk[] = "[domain a]\nkernel=k\nmemory=100M\ndisk=d,dev:x\n";
    assert_machine_errors(disk, 1, 116, "");
    assert_machine_errors(disk, 1, 115,
                          "a.conf:3: domain \"a\": memory = 100M is too much: of the 115M that this machine has for domains, those "
                          "before it take 16M; give it or them less, or the machine more\n");
}

static void test_no_cpu_left(void **state)
{
    (void)state;
    static const char text[] = "[domain a]\nkernel=k\ncpus=0-1\nvcpus=2\ndedicated=yes\nnet=lan\n[domain b]\nkernel=k\n";
    assert_machine_errors(text, 3, 1024, "");
    assert_machine_errors(text, 2, 1024,
                          "a.conf:6: domain \"a\": disks and networks need drivers-dom, and no CPU is left for that: all 2 CPUs of "
                          "this machine are dedicated to domains; leave one of them without dedicated = yes\n"
                          "a.conf:7: domain \"b\": no CPU is left for it: all 2 CPUs of this machine are dedicated to other domains; leave one of them without dedicated = yes\n");
}

#define A "[domain a]\nkernel=k\n"
#define B "[domain b]\nkernel=k\n"
static void test_shared_devices(void **state)
{
    (void)state;
    assert_errors(A "disk=r,x.img\n" B "disk=r,file:./x.img\n",
                  "a.conf:6: domain \"b\": disk = r: domain \"a\" (line 3) uses file:./x.img too; two domains may share a disk only if "
                  "both have it read-only (\",ro\")\n");
    assert_errors(A "disk=r,dev:nvme0,ro\n" B "disk=r,dev:nvme0\n",
                  "a.conf:6: domain \"b\": disk = r: domain \"a\" (line 3) uses dev:nvme0 too; two domains may share a disk only if "
                  "both have it read-only (\",ro\")\n");
    assert_int_equal(parse(A "disk=r,x.img,ro\n" B "disk=r,x.img,ro\n"), OK);
    assert_int_equal(parse(A "disk=r,x.img\n" B "disk=r,y.img\n"), OK);
    assert_errors(A "disk=r,x.img\ndisk=r,y.img\n",
                  "a.conf:4: domain \"a\": disk = r: this domain has a disk of this name already (line 3); choose another name\n");
    assert_errors(A "disk=0123456789012345678,x.img\n",
                  "a.conf:3: domain \"a\": disk = 0123456789012345678: \"a.0123456789012345678\", by which drivers-dom finds the file's "
                  "disk, has 21 characters; at most 20 are allowed: choose a shorter name\n");
    assert_int_equal(parse(A "disk=0123456789012345678,dev:x\n"), OK);
    assert_errors(A "net=lan,mac=52:54:00:00:00:01\n" B "net=other,mac=52:54:00:00:00:01\n",
                  "a.conf:6: domain \"b\": net = other: domain \"a\" (line 3) has the same mac; each card needs its own: choose another, or leave mac out\n");
    assert_int_equal(parse(A "net=lan\nnet=lan\n" B "net=lan\n"), OK);
}

static void test_sections(void **state)
{
    (void)state;
    assert_errors("[host]\nvcpus=2\n" A "focus=a\n", "a.conf:2: \"vcpus\" is a key of a domain, not of [host]; move the line to the section of a domain\n"
                  "a.conf:5: domain \"a\": \"focus\" is a key of [host], not of a domain; move the line to the section [host]\n");
    assert_errors("[host]\nfocus=a\n" A "console=no\n", "a.conf:2: focus = \"a\": this domain has console = no (line 5); remove one of the two\n");
    assert_errors("[domain drivers-dom]\n", "a.conf:1: section [domain drivers-dom]: this name is taken by a part of the hypervisor; choose another one\n");
}

static void test_many_domains(void **state)
{
    (void)state;
    static char text[64 * 64];
    size_t used = 0;
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "[domain d%u]\nkernel=k\n", i);
    }
    assert_int_equal(parse(text), OK);
    snprintf(text + used, sizeof(text) - used, "[domain more]\nkernel=k\n");
    assert_int_equal(parse(text), ERR_FORMAT);
    assert_non_null(strstr(errors, "more than 63 domains"));
}

/* Run time: one more domain beside those of the file, or nothing has changed. */
static void test_add(void **state)
{
    (void)state;
    static const char file[] = "[domain a]\nkernel = k\ncpus = 0\ndedicated = yes\n[domain b]\nkernel = k\nautostart = no\n[domain c]\nmemory = 1\n";
    static const char good[] = "[domain new]\nkernel = \"k\"\ncmdline = \"x # y\"\n", clash[] = "[domain n]\nkernel = k\ncpus = 0\n";
    const struct config_report report = {collect, NULL};
    (void)!parse(file);
    unsigned count = config.domain_count, wrong = config.error_count;
    struct config_domain *domain = config_add(&config, NULL, good, strlen(good), &report);
    assert_non_null(domain);
    assert_string_equal(domain->cmdline, "x # y");
    assert_int_equal(config.domain_count, count + 1);
    errors[0] = 0;
    assert_null(config_add(&config, NULL, clash, strlen(clash), &report));
    assert_string_equal(errors, "domain \"n\": cpus: CPU 0 is dedicated to domain \"a\" (line 3); choose another CPU\n");
    assert_null(config_add(&config, NULL, good, strlen(good), &report)); /* the name is taken */
    assert_int_equal(config.domain_count, count + 1);
    config_remove(&config, domain);
    config_remove(&config, config.domains[1]);
    assert_int_equal(config.domain_count, count - 1);
    domain = config_add_section(&config, "a.conf", file, strlen(file), "b", &report);
    assert_non_null(domain);
    assert_false(domain->autostart);
    assert_null(config_add_section(&config, "a.conf", file, strlen(file), "none", &report));
    assert_int_equal(config.domain_count, count);
    assert_int_equal(config.error_count, wrong);
}

static bool change(unsigned domain, const char *key, const char *value)
{
    errors[0] = 0;
    return config_change(&config, config.domains[domain], key, value, &report);
}

/* A key of a domain that exists: the file's values and checks, or nothing has changed. */
static void test_change(void **state)
{
    (void)state;
    assert_int_equal(parse("[domain a]\nkernel=k\nmemory=8M\n[domain b]\nfirmware=bios\nmemory=8M\ncpus=0\ndedicated=yes\n"), OK);
    struct config_domain *a = config.domains[0], *b = config.domains[1];
    assert_true(change(0, "memory", "1G"));
    assert_true(change(0, "memory", "512M")); /* more than once */
    assert_true(change(0, "vcpus", "32"));
    assert_true(a->memory == 512ull << 20 && a->vcpus == 32);
    assert_false(change(0, "vcpus", "33"));
    assert_string_equal(errors, "domain \"a\": vcpus = \"33\" (2 characters): allowed is a number from 1 to 32\n");
    assert_false(change(0, "memory", "8"));
    assert_string_equal(errors, "domain \"a\": memory = \"8\" (1 characters): allowed is a size from 1M to 1024G, such as 256M or 1G\n");
    assert_false(change(1, "memory", "2M"));
    assert_string_equal(errors, "domain \"b\": memory = 2M: firmware needs at least 4M\n");
    assert_false(change(1, "vcpus", "2"));
    assert_non_null(strstr(errors, "dedicated = yes needs a CPU for each vcpu"));
    assert_true(a->memory == 512ull << 20 && a->vcpus == 32 && b->memory == 8ull << 20 && b->vcpus == 1 && !a->bad && !b->bad);
    assert_int_equal(config.error_count, 0);
}

/* A CPU that a command has chosen goes before the key cpus. */
static void test_pins(void **state)
{
    (void)state;
    static const char wants[] = "[domain n]\nkernel = k\ncpus = 1\ndedicated = yes\n";
    assert_int_equal(parse("[domain a]\nkernel=k\nvcpus=3\ncpus=0\n[domain b]\nkernel=k\n"), OK);
    config.domains[0]->pins[1] = 2;
    assert_int_equal(config_cpu_of(config.domains[0], 0), 0);
    assert_int_equal(config_cpu_of(config.domains[0], 1), 1);
    assert_int_equal(config_cpu_of(config.domains[0], 2), 0);
    assert_int_equal(config_cpu_of(config.domains[1], 0), -1);
    errors[0] = 0;
    assert_null(config_add(&config, NULL, wants, strlen(wants), &report));
    assert_non_null(strstr(errors, "CPU 1 is wanted as dedicated, but is also used by domain \"a\""));
    config.domains[0]->pins[1] = 0;
    assert_non_null(config_add(&config, NULL, wants, strlen(wants), &report));
}

static void test_files(void **state)
{
    (void)state;
    static const char *const image[] = { "guests/vmlinuz", "boot.commands", NULL };
    assert_int_equal(parse("[host]\ncommands = boot.comands\nfile = guests/vmlinuz\nfile = guests/initrd\n[domain a]\nkernel = none\n"), OK);
    config_check_files(&config, "a.conf", image, &report);
    assert_string_equal(errors,
        "a.conf:2: commands = \"boot.comands\": the boot image has no such file; did you mean \"boot.commands\"?\n"
        "a.conf:4: file = \"guests/initrd\": the boot image has no such file; build the image anew, or put a line \"load FILE NAME\" into its "
        "manifest\n");
    assert_int_equal(config.error_count, 2);
}

static void test_truncated(void **state)
{
    (void)state;
    static const char text[] =
        "[host]\nfocus = one\n[domain one]\nkernel = a/b\ncmdline = \"x \\\"y\\\" z\" # c\nmemory = 12M\ncpus = 0-1,3\nvcpus = 3\n";
    for (size_t size = 0; size < sizeof(text); size++) {
        (void)!parse_bytes(text, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full), cmocka_unit_test(test_firmware),        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_unknown_key), cmocka_unit_test(test_kills),       cmocka_unit_test(test_devices),
        cmocka_unit_test(test_values),       cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_twice),       cmocka_unit_test(test_together),     cmocka_unit_test(test_dedicated),
        cmocka_unit_test(test_machine),     cmocka_unit_test(test_memory), cmocka_unit_test(test_no_cpu_left),
        cmocka_unit_test(test_shared_devices), cmocka_unit_test(test_sections), cmocka_unit_test(test_many_domains), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_add), cmocka_unit_test(test_change), cmocka_unit_test(test_pins), cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
