/* SPDX-License-Identifier: MIT
 * Inside the configuration parser: what its parts share. */
#pragma once

#include "config.h"

enum section_kind { SECTION_NONE, SECTION_HOST, SECTION_DOMAIN, SECTION_SKIPPED };

#define VALUE_SIZE (START_CMDLINE + 64)

struct config_parser {
    struct config *config;
    const char *file;
    const struct config_report *report;
    unsigned line;
    enum section_kind section;
    struct config_domain *domain; /* SECTION_DOMAIN */
};

/* Reports "FILE:LINE: message" (with the domain's name in between, if domain is not null) and marks the domain. */
void config_error(struct config_parser *parser, struct config_domain *domain, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* One "key = value" line in a section. */
void config_key(struct config_parser *parser, const char *key, const char *value);
unsigned config_domain_keys(void); /* how many keys a domain has */
/* Another value for a key of parser->domain that was given or not; false: it is not allowed, and this has been said. */
bool config_key_again(struct config_parser *parser, const char *key, const char *value);

/* All lines of a text. */
void config_lines(struct config_parser *parser, const char *text, size_t size);

/* What concerns several keys of domain `index`, or it and the domains before it. */
void config_check_domain(struct config_parser *parser, unsigned index);
/* After the last line: what concerns several keys or several domains. */
void config_check(struct config_parser *parser);
/* The devices of domain `index`, by themselves and beside those of the domains before it. */
void config_check_devices(struct config_parser *parser, unsigned index);
