/* SPDX-License-Identifier: MIT
 * Commands for the life of domains. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "command_parts.h"
#include "lifecycle.h"
#include "window.h"

/* Keeps the first sentence. */
static void keep_error(void *context, const char *text)
{
    struct command_call *call = context;
    if (call->error[0] == 0) {
        (void)command_fail(call, "%s", text);
    }
}

/* key=value arguments as a section; false if there is no memory. */
struct text {
    char *out;
    size_t size, used;
};

static void put(struct text *text, const char *from, size_t length)
{
    for (size_t i = 0; i < length && text->used < text->size; i++) {
        text->out[text->used++] = from[i];
    }
}

static void put_quoted(struct text *text, const char *value)
{
    put(text, "\"", 1);
    for (; *value != 0; value++) {
        if (*value == '"' || *value == '\\') {
            put(text, "\\", 1);
        }
        put(text, value, 1);
    }
    put(text, "\"\n", 2);
}

/* One "key = value" line for each argument. False: call->error says which one is none. */
static bool write_section(struct command_call *call, struct text *text)
{
    put(text, "[domain ", 8);
    put(text, call->arguments[0], strlen(call->arguments[0]));
    put(text, "]\n", 2);
    for (unsigned i = 1; i < call->count; i++) {
        const char *argument = call->arguments[i], *equals = strchr(argument, '=');
        if (equals == NULL || equals == argument || *argument == '[' || *argument == '#' || *argument == ';') {
            (void)command_fail(call, "\"%.40s\": an argument is KEY=VALUE, with a key of a domain", argument);
            return false;
        }
        put(text, argument, (size_t)(equals - argument));
        put(text, " = ", 3);
        put_quoted(text, equals + 1);
    }
    return true;
}

static struct config_domain *define_inline(struct command_call *call, const struct config_report *report)
{
    struct config_domain *config = NULL;
    struct text text = { .size = 2 * (size_t)REQUEST_MAX + 8 * REQUEST_WORDS };
    text.out = malloc(text.size);
    if (text.out == NULL) {
        (void)command_fail(call, "the manager's heap is exhausted");
        return NULL;
    }
    if (write_section(call, &text)) {
        config = config_add(&call->manager->config, NULL, text.out, text.used, report);
    }
    free(text.out);
    return config;
}

/* The section of the boot configuration. */
static struct config_domain *define_again(struct command_call *call, const struct config_report *report)
{
    struct manager *manager = call->manager;
    struct config_domain *config = config_add_section(&manager->config, manager->config_file, manager->config_text,
                                                      manager->config_size, call->arguments[0], report);
    if (config == NULL && call->error[0] == 0) {
        (void)command_fail(call,
                           "the boot configuration has no section [domain %.40s]; \"create NAME KEY=VALUE...\" defines "
                           "one, e.g. kernel=PATH memory=256M",
                           call->arguments[0]);
    }
    return config;
}

static bool refuse_known(struct command_call *call)
{
    const struct domain *known = lifecycle_find(call->manager, call->arguments[0]);
    if (known == NULL) {
        return true;
    }
    (void)command_fail(call, "domain \"%s\" exists already and is %s; %s", known->config->name, lifecycle_state(known),
                       lifecycle_alive(known) ? "\"destroy\" ends and forgets it"
                                              : "\"start\" starts it, \"destroy\" forgets it");
    return false;
}

enum command_result command_create(struct command_call *call)
{
    struct manager *manager = call->manager;
    const struct config_report report = { keep_error, call };
    char why[LIFECYCLE_WHY];
    if (!refuse_known(call)) {
        return COMMAND_FAILED;
    }
    struct config_domain *config = call->count > 1 ? define_inline(call, &report) : define_again(call, &report);
    if (config == NULL) {
        return COMMAND_FAILED;
    }
    if (!config_check_added(config, manager->info->cpu_count, &report)) {
        config_remove(&manager->config, config);
        return COMMAND_FAILED;
    }
    struct domain *domain = lifecycle_add(manager, config);
    if (config->autostart && !lifecycle_start(manager, domain, why)) {
        (void)lifecycle_remove(manager, domain, call->error); /* it holds nothing */
        return command_fail(call, "%s", why);
    }
    return COMMAND_DONE;
}

/* start, reset, destroy. */
static enum command_result act(struct command_call *call, bool (*action)(struct manager *, struct domain *, char *why))
{
    char why[LIFECYCLE_WHY];
    struct domain *domain = command_domain(call, 0);
    return domain != NULL ? command_done(call, action(call->manager, domain, why), why) : COMMAND_FAILED;
}

enum command_result command_start(struct command_call *call) { return act(call, lifecycle_start); }
enum command_result command_reset(struct command_call *call) { return act(call, lifecycle_reset); }
enum command_result command_destroy(struct command_call *call) { return act(call, lifecycle_remove); }

static enum command_result set_pause(struct command_call *call, bool on)
{
    char why[LIFECYCLE_WHY];
    struct domain *domain = command_domain(call, 0);
    return domain != NULL ? command_done(call, lifecycle_pause(domain, on, why), why) : COMMAND_FAILED;
}

enum command_result command_pause(struct command_call *call) { return set_pause(call, true); }
enum command_result command_resume(struct command_call *call) { return set_pause(call, false); }

static enum command_result shut_down(struct command_call *call, bool again)
{
    char why[LIFECYCLE_WHY];
    uint64_t seconds;
    struct domain *domain = command_domain(call, 0);
    if (domain == NULL || !command_seconds(call, 1, ~0ull, &seconds)) {
        return COMMAND_FAILED;
    }
    return command_done(call, lifecycle_shutdown(call->manager, domain, seconds, again, why), why);
}

enum command_result command_shutdown(struct command_call *call) { return shut_down(call, false); }
enum command_result command_reboot(struct command_call *call) { return shut_down(call, true); }
