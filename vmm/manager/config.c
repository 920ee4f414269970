/* SPDX-License-Identifier: MIT
 * The configuration file: lines and sections. Keys are in config_keys.c, whole-file checks in config_check.c. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config_parser.h"

void config_error(struct config_parser *parser, struct config_domain *domain, unsigned line, const char *format, ...)
{
    char text[CONFIG_ERROR_SIZE];
    int used = parser->file != NULL ? snprintf(text, sizeof(text), "%s:%u: ", parser->file, line) : 0;
    if (used >= (int)sizeof(text) / 2) { /* an absurd file name must not hide the message */
        used = snprintf(text, sizeof(text), "configuration:%u: ", line);
    }
    if (domain != NULL) {
        used += snprintf(text + used, sizeof(text) - (size_t)used, "domain \"%s\": ", domain->name);
    }
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
    va_end(args);
    parser->config->error_count++;
    if (domain != NULL) {
        if (!domain->bad) {
            snprintf(domain->error, sizeof(domain->error), "%s", text);
        }
        domain->bad = true;
    }
    parser->report->error(parser->report->context, text);
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static const char *skip_blanks(const char *at)
{
    while (is_blank(*at)) {
        at++;
    }
    return at;
}

static void trim_end(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && is_blank(text[length - 1])) {
        text[--length] = 0;
    }
}

/* The last character of the quoted text that begins at `at`. */
static char *quoted_end(char *at)
{
    for (at++; *at != 0 && *at != '"'; at++) {
        at += *at == '\\' && at[1] != 0;
    }
    return *at == 0 ? at - 1 : at;
}

/* Cuts a comment: # or ; at the start or behind white space, but not inside a quoted value. */
static void strip_comment(char *line)
{
    bool key = true;
    for (char *at = line; *at != 0; at++) {
        if ((*at == '#' || *at == ';') && (at == line || is_blank(at[-1]))) {
            *at = 0;
            return;
        }
        if (*at == '=' && key) {
            char *value = (char *)skip_blanks(at + 1);
            at = *value == '"' ? quoted_end(value) : at;
            key = false;
        }
    }
}

/* The value without its quotes. False if they are not closed or something follows them. */
static bool unquote(char *value)
{
    if (*value != '"') {
        return true;
    }
    char *out = value;
    const char *in = value + 1;
    while (*in != 0 && *in != '"') {
        in += *in == '\\' && (in[1] == '"' || in[1] == '\\');
        *out++ = *in++;
    }
    bool closed = *in == '"' && *skip_blanks(in + 1) == 0;
    *out = 0;
    return closed;
}

static bool is_name(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length < NAME_SIZE &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == length;
}

static struct config_domain *find_domain(const struct config *config, const char *name)
{
    for (unsigned i = 0; i < config->domain_count; i++) {
        if (strcmp(config->domains[i]->name, name) == 0) {
            return config->domains[i];
        }
    }
    return NULL;
}

/* A new domain with the defaults. */
static struct config_domain *add_domain(struct config_parser *parser, const char *name)
{
    struct config_domain *domain = calloc(1, sizeof(*domain));
    unsigned *lines = calloc(config_domain_keys(), sizeof(*lines));
    if (domain == NULL || lines == NULL) {
        free(domain);
        free(lines);
        config_error(parser, NULL, parser->line, "domain \"%s\": the manager's heap is exhausted", name);
        return NULL;
    }
    strncpy(domain->name, name, NAME_SIZE - 1);
    domain->file = parser->file;
    domain->line = parser->line;
    domain->key_lines = lines;
    domain->module_count = 1;
    domain->memory = CONFIG_DEFAULT_MEMORY;
    domain->vcpus = 1;
    domain->priority = CONFIG_DEFAULT_PRIORITY;
    domain->console = true;
    domain->autostart = true;
    domain->on_reboot = ACTION_RESTART;
    parser->config->domains[parser->config->domain_count++] = domain;
    return domain;
}

static void begin_domain(struct config_parser *parser, const char *name)
{
    struct config *config = parser->config;
    parser->section = SECTION_SKIPPED;
    if (!is_name(name)) {
        config_error(parser, NULL, parser->line,
                     "section [domain %s]: a name has 1 to %u letters, digits or any of _-.", name, NAME_SIZE - 1);
        return;
    }
    if (strcmp(name, "manager") == 0 || strcmp(name, "drivers-dom") == 0) {
        config_error(parser, NULL, parser->line,
                     "section [domain %s]: this name is taken by a part of the hypervisor; choose another one", name);
        return;
    }
    const struct config_domain *first = find_domain(config, name);
    if (first != NULL) {
        config_error(parser, NULL, parser->line,
                     "section [domain %s]: this domain is defined twice (first in line %u); the second one is ignored: "
                     "give it another name",
                     name, first->line);
        return;
    }
    if (config->domain_count == CONFIG_MAX_DOMAINS) {
        config_error(parser, NULL, parser->line, "section [domain %s]: more than %u domains", name, CONFIG_MAX_DOMAINS);
        return;
    }
    parser->domain = add_domain(parser, name);
    parser->section = parser->domain != NULL ? SECTION_DOMAIN : SECTION_SKIPPED;
}

/* "[host]" or "[domain NAME]"; line begins with '['. */
static void section_line(struct config_parser *parser, char *line)
{
    char *end = strchr(line, ']');
    parser->domain = NULL;
    parser->section = SECTION_SKIPPED;
    if (end == NULL || *skip_blanks(end + 1) != 0) {
        config_error(parser, NULL, parser->line, "\"%.60s\": a section is [host] or [domain NAME], alone on its line",
                     line);
        return;
    }
    *end = 0;
    char *kind = (char *)skip_blanks(line + 1);
    trim_end(kind);
    if (strcmp(kind, "host") == 0) {
        parser->section = SECTION_HOST;
    } else if (strncmp(kind, "domain", 6) == 0 && is_blank(kind[6])) {
        begin_domain(parser, skip_blanks(kind + 6));
    } else if (strcmp(kind, "domain") == 0) {
        config_error(parser, NULL, parser->line, "section [domain]: its name is missing: [domain NAME]");
    } else {
        static const char *const kinds[] = { "host", "domain", NULL };
        kind[strcspn(kind, " \t")] = 0;
        const char *meant = config_suggest(kind, kinds);
        config_error(parser, NULL, parser->line, "section [%.60s]: allowed are [host] and [domain NAME]%s%s%s", kind,
                     meant != NULL ? "; did you mean \"" : "", meant != NULL ? meant : "", meant != NULL ? "\"?" : "");
    }
}

#define FOUND_SIZE 61 /* of a value in a message */

static void key_line(struct config_parser *parser, char *line)
{
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        config_error(parser, parser->domain, parser->line,
                     "\"%.60s\": a line is a section, \"key = value\" or a comment", line);
        return;
    }
    *equals = 0;
    char *value = (char *)skip_blanks(equals + 1);
    trim_end(line);
    if (parser->section == SECTION_SKIPPED) {
        return;
    }
    if (parser->section == SECTION_NONE) {
        config_error(parser, NULL, parser->line,
                     "key \"%.60s\" stands before the first section; a file begins with [host] or [domain NAME]", line);
        return;
    }
    char found[FOUND_SIZE];
    snprintf(found, sizeof(found), "%s", value); /* unquote() writes over it */
    if (!unquote(value)) {
        config_error(parser, parser->domain, parser->line,
                     "%.60s = %s: the closing \" of the value is missing, or something follows it; inside quotes \\\" "
                     "stands for \"",
                     line, found);
        return;
    }
    config_key(parser, line, value);
}

/* One line without its line end, in a buffer of VALUE_SIZE + 128 bytes. */
static void parse_line(struct config_parser *parser, char *line)
{
    for (const char *at = line; *at != 0; at++) {
        if ((unsigned char)*at < ' ' && *at != '\t') {
            config_error(parser, parser->domain, parser->line, "character code %u: a configuration is text",
                         (unsigned char)*at);
            return;
        }
    }
    strip_comment(line);
    trim_end(line);
    char *start = (char *)skip_blanks(line);
    if (*start == '[') {
        section_line(parser, start);
    } else if (*start != 0) {
        key_line(parser, start);
    }
}

#define LINE_SIZE (VALUE_SIZE + 128)

/* Copies the line at text[0, length) and parses it. */
static void take_line(struct config_parser *parser, const char *text, size_t length)
{
    char line[LINE_SIZE] = "";
    if (length > 0 && text[length - 1] == '\r') {
        length--;
    }
    if (length >= sizeof(line)) {
        config_error(parser, parser->domain, parser->line, "the line has %lu characters; at most %u are allowed",
                     (unsigned long)length, LINE_SIZE - 1);
        return;
    }
    if (memchr(text, 0, length) != NULL) {
        config_error(parser, parser->domain, parser->line, "character code 0: a configuration is text");
        return;
    }
    memcpy(line, text, length);
    line[length] = 0;
    parse_line(parser, line);
}

void config_lines(struct config_parser *parser, const char *text, size_t size)
{
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* byte-order mark */
        text += 3;
        size -= 3;
    }
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end != NULL ? (size_t)(end - text) : size;
        parser->line++;
        take_line(parser, text, length);
        length += end != NULL;
        text += length;
        size -= length;
    }
}

enum status config_parse(struct config *config, const char *file, const char *text, size_t size,
                         const struct config_report *report)
{
    struct config_parser parser = { .config = config, .file = file, .report = report };
    memset(config, 0, sizeof(*config));
    config_lines(&parser, text, size);
    config_check(&parser);
    return config->error_count == 0 ? OK : ERR_FORMAT;
}

void config_free(struct config *config)
{
    for (unsigned i = 0; i < config->domain_count; i++) {
        free(config->domains[i]->key_lines);
        free(config->domains[i]);
    }
    config->domain_count = 0;
}
