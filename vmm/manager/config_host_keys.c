/* SPDX-License-Identifier: MIT
 * Keys of the section [host]. */
#include <string.h>
#include "config_keys.h"
#include "config_value.h"

#define FILES_MAX (sizeof(((struct config *)0)->files) / sizeof(struct config_file))
_Static_assert(FILES_MAX == 48, "limit in the text below");

static bool set_focus(struct config_parser *parser, const char *value)
{
    return value[0] != 0 && config_value_text(parser->config->focus, sizeof(parser->config->focus), value);
}

/* "MS" or "FIRST+STEPus*COUNT" */
static bool set_drivers_restart(struct config_parser *parser, const char *value)
{
    struct config_kills *kills = &parser->config->drivers_restart;
    const char *end;
    uint64_t number, count;
    *kills = (struct config_kills){ .first = 0 };
    if (!config_value_number_at(value, 0, CONFIG_MAX_KILL_US, &end, &number)) {
        return false;
    }
    if (*end == 0) {
        kills->first = number * 1000;
        kills->enabled = number > 0 && kills->first <= CONFIG_MAX_KILL_US;
        return kills->enabled;
    }
    kills->first = number;
    if (*end != '+' || !config_value_number_at(end + 1, 1, CONFIG_MAX_KILL_US, &end, &kills->step) ||
        strncmp(end, "us*", 3) != 0 || !config_value_number(end + 3, 1, 1000000, &count)) {
        return false;
    }
    kills->count = (unsigned)count;
    kills->enabled = true;
    return true;
}

static bool set_keep_running(struct config_parser *parser, const char *value)
{
    bool given = config_value_flag(value, &parser->config->keep_running);
    parser->config->off_after_errors = given && !parser->config->keep_running;
    return given;
}

static bool set_commands(struct config_parser *parser, const char *value)
{
    return value[0] != 0 && config_value_text(parser->config->commands, sizeof(parser->config->commands), value);
}

/* For the image builder, and checked for being there: domains find files by their names. */
static bool set_file(struct config_parser *parser, const char *value)
{
    struct config *config = parser->config;
    if (config->file_count == FILES_MAX) {
        return false;
    }
    struct config_file *file = &config->files[config->file_count++];
    file->line = parser->line;
    return value[0] != 0 && config_value_text(file->path, sizeof(file->path), value);
}

const struct config_key config_host_table[] = {
    { "focus", set_focus, "the name of a domain: it gets the console's input first", false },
    { "keep-running", set_keep_running, YES_NO, false },
    { "commands", set_commands, "a path of 1 to 95 characters: of a file of commands that are carried out at boot",
      false },
    { "file", set_file, "a path of 1 to 95 characters: of a file for domains that are created later, at most 48 times",
      true },
    { "drivers-restart", set_drivers_restart,
      "a number of milliseconds from 1 to 3600000: drivers-dom is killed and restarted this often; or "
      "FIRST+STEPus*COUNT: COUNT times, each time STEP microseconds later after its start",
      false },
    { 0 },
};
_Static_assert(sizeof(config_host_table) / sizeof(config_host_table[0]) <=
                   sizeof(((struct config *)0)->host_lines) / sizeof(unsigned),
               "host_lines");
