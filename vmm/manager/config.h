/* SPDX-License-Identifier: MIT
 * The configuration: a text file with sections [host] and [domain NAME] of "key = value" lines. Pure: no system calls.
 *
 * Why not libinih, which is packaged: its object file calls fopen, fgets and fclose, reads the ctype tables and the
 * stack guard through TLS (%fs) and uses SSE registers, which in ring 3 hold a guest's values (check: nm -u and objdump
 * of libinih.a, Debian 12). It also hands on no position inside a line, which the messages here need.
 *
 * Syntax: a comment begins with # or ; at the start of a line or behind white space. A value may be enclosed in double
 * quotes, inside which \" and \\ stand for " and \. A key with several values is repeated (module). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/hypercall.h"
#include "abi/channel.h"
#include "abi/info.h"
#include "abi/layout.h"
#include "abi/status.h"
#include "start.h"

#define CONFIG_MAX_DOMAINS      (MAX_DOMAINS - 1) /* all but the manager */
#define CONFIG_MAX_MODULES      (START_MAX_MODULES - 1)
#define CONFIG_DEFAULT_MEMORY   (256ull << 20)
#define CONFIG_MAX_MEMORY       (1ull << 40)
#define CONFIG_SERVICE_MEMORY   (16ull << 20) /* of drivers-dom, without RAM disks */
#define CONFIG_FIRMWARE_MEMORY  (4ull << 20)  /* the least that a domain with firmware may have */
#define CONFIG_DEFAULT_PRIORITY 1
#define CONFIG_MAX_PRIORITY     (PRIORITIES - 2) /* the highest is the manager's */
#define CONFIG_ERROR_SIZE       512
#define CONFIG_MISSING_SIZE     200
#define CONFIG_MAX_KILL_US      3600000000ull /* of drivers-restart */

/* What happens to a domain that has crashed (on-crash), asked for a reset (on-reboot) or powered off (on-shutdown). */
enum config_action { ACTION_DESTROY, ACTION_RESTART, ACTION_PRESERVE, ACTION_COUNT };

struct config_module {
    char path[BOOT_NAME_SIZE];
    char arguments[sizeof(((struct start_module *)0)->cmdline)];
};

/* A virtual device of a domain that drivers-dom serves. */
struct config_device {
    enum channel_type type;
    char name[NAME_SIZE]; /* disk: as configured; net: "net" and a number; "hvc0", "rng0" */
    char source[128];     /* disk: SOURCE; net: the switch; else empty */
    bool read_only, has_mac;
    uint8_t mac[6];
    uint16_t vlan; /* 0: none */
    uint64_t rate; /* bytes per second; 0: unlimited */
    unsigned line;
};

struct config_domain {
    char name[NAME_SIZE];
    const char *file;              /* which defines it, for messages; null: a command does */
    unsigned line;                 /* of its section */
    bool bad;                      /* something is wrong with it: it must not be started */
    char error[CONFIG_ERROR_SIZE]; /* the first thing that is wrong */
    unsigned *key_lines;           /* where each key was given (0: not), by its number in the key table */
    struct config_module modules[1 + CONFIG_MAX_MODULES]; /* 0: the kernel; 1: the initrd if has_initrd; then modules */
    unsigned module_count;
    bool has_initrd;
    bool firmware; /* modules[0] is firmware, which starts the guest from its disk */
    char cmdline[START_CMDLINE];
    struct config_device devices[START_MAX_CHANNELS];
    unsigned device_count;
    char peers[PV_MAX_PEERS][NAME_SIZE]; /* other paravirtual domains */
    unsigned peer_count;
    uint64_t memory; /* bytes, a multiple of 1 MiB */
    unsigned vcpus;
    uint8_t cpus[MAX_CPUS];  /* pinning: vcpu i runs on cpus[i % cpu_count] */
    unsigned cpu_count;      /* 0: not pinned */
    uint8_t pins[MAX_VCPUS]; /* by command: vcpu i runs on pins[i] - 1, whatever cpus says; 0: as cpus says */
    bool dedicated;          /* nothing else runs on its CPUs */
    uint8_t priority;
    bool console, debug_exit, trace;
    bool autostart; /* at boot, or when it is created */
    bool control;   /* it gets a control channel */
    enum config_action on_crash, on_reboot, on_shutdown;
    unsigned restart_limit; /* restarts in a row after quick ends; 0: no limit */
};

struct config {
    struct config_domain *domains[CONFIG_MAX_DOMAINS];
    unsigned domain_count;
    unsigned host_lines[8]; /* as key_lines */
    struct config_kills { /* fault injection: drivers-dom is killed `first` + k * `step` microseconds after its start */
        uint64_t first, step;
        unsigned count; /* so many times; 0: always again */
        bool enabled;
    } drivers_restart;
    char focus[NAME_SIZE]; /* the domain that gets console input first; empty: the first one with a console */
    bool keep_running;     /* the machine stays on when no domain runs */
    bool off_after_errors; /* keep-running = no: it goes off even if the configuration has errors that somebody should
                              read */
    char commands[BOOT_NAME_SIZE]; /* file of commands to carry out at boot; empty: none */
    struct config_file {
        unsigned line;
        char path[BOOT_NAME_SIZE];
    } files[BOOT_MAX_MODULES]; /* for domains that are created later */
    unsigned file_count;
    unsigned error_count;
};

/* Gets each error as a sentence that begins with FILE:LINE. */
struct config_report {
    void (*error)(void *context, const char *text);
    void *context;
};

/* Parses and checks the whole file. What is wrong with a domain marks it as bad and leaves the others alone. Null
 * pointers in `config` need not be set before. ERR_FORMAT if anything was wrong, ERR_MEMORY if the heap is exhausted.
 */
must_use enum status config_parse(struct config *config, const char *file, const char *text, size_t size,
                                  const struct config_report *report);
/* Checks what depends on the machine: pinning to CPUs that it has, CPUs left for those that are not pinned, and the sum
 * of all memory; `memory`: bytes that the machine has for domains. Marks domains as bad. */
void config_check_machine(struct config *config, const char *file, unsigned cpu_count, uint64_t memory,
                          const struct config_report *report);
/* The same for one domain that was added: false if it cannot run on this machine, whatever else runs. */
bool config_check_added(struct config_domain *domain, unsigned cpu_count, const struct config_report *report);
/* Files that [host] names and the boot image lacks. names: the image's files, ended by null. */
void config_check_files(struct config *config, const char *file, const char *const *names,
                        const struct config_report *report);
uint64_t config_memory_of(const struct config_domain *domain); /* bytes of the machine for the guest's memory */
/* The CPU on which a vcpu is to run; -1: on any that is dedicated to nobody. */
int config_cpu_of(const struct config_domain *domain, unsigned vcpu);
void config_free(struct config *config);

/* Adds a domain at run time: the one section that `text` has. file: for messages, may be null. Null if something is
 * wrong with it, by itself or beside the others; then config is as before, and `report` has got the sentences. */
struct config_domain *config_add(struct config *config, const char *file, const char *text, size_t size,
                                 const struct config_report *report);
/* The same, from the section [domain NAME] of a whole file, whose other sections do not matter. */
struct config_domain *config_add_section(struct config *config, const char *file, const char *text, size_t size,
                                         const char *name, const struct config_report *report);
/* Gives a key of a domain another value, checked as in the file. False: the domain is as before, and `report` has got
 * the sentences. */
bool config_change(struct config *config, struct config_domain *domain, const char *key, const char *value,
                   const struct config_report *report);
/* Frees a domain and takes it out. */
void config_remove(struct config *config, struct config_domain *domain);

/* The name of the domains' key `index`, with what its value may be; null behind the last key. */
const char *config_domain_key(unsigned index, const char **allowed);
/* Line in which the domain's key was given, or that of its section. */
unsigned config_line_of(const struct config_domain *domain, const char *key);
unsigned config_host_line(const struct config *config, const char *key); /* 0: it was not given */
/* The word of `words` (null-terminated list) that was probably meant, or null. */
const char *config_suggest(const char *word, const char *const *words);
/* The boot image lacks the file: a sentence about that in `what`, of CONFIG_MISSING_SIZE bytes. names: the image's
 * files, ended by null. */
bool config_missing_file(char *what, const char *path, const char *const *names);
