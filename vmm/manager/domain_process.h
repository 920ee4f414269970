/* SPDX-License-Identifier: MIT
 * The monitor process of a domain, and what the halves of domain building share. */
#pragma once

#include "domain.h"

/* Maps program, data, heap, stacks, start pages and files of a created domain. */
must_use enum status domain_process_build(const struct manager *manager, struct domain *domain);

/* Memory that is given back when the domain is taken apart. */
must_use enum status domain_take(struct domain *domain, uint64_t size, uint64_t align, struct extent *piece);
/* Bytes of guest RAM below 4 GiB. */
uint64_t domain_low_memory(const struct domain *domain);
/* Waits a millisecond. Events that arrive meanwhile are there afterwards, but do not end the wait. */
void domain_wait_ms(const struct manager *manager);
/* Writes "FILE:LINE: domain NAME: message" to domain->reason; returns status. The line is that of the key. */
enum status domain_fail(const struct manager *manager, struct domain *domain, enum status status, const char *key,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));
