/* SPDX-License-Identifier: MIT
 * The keys of the configuration: a table for each section, and who reads a value. */
#pragma once

#include "config_parser.h"

#define YES_NO "yes or no"

/* The setter returns false if the value is not allowed. */
struct config_key {
    const char *name; /* null: behind the last one */
    bool (*set)(struct config_parser *parser, const char *value);
    const char *allowed; /* for the message */
    bool repeatable;
};

extern const struct config_key config_domain_table[], config_host_table[];

/* config_device_keys.c */
bool config_set_disk(struct config_parser *parser, const char *value);
bool config_set_net(struct config_parser *parser, const char *value);
bool config_set_hvc(struct config_parser *parser, const char *value);
bool config_set_rng(struct config_parser *parser, const char *value);
