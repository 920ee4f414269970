/* SPDX-License-Identifier: MIT
 * Arbitrary bytes as configuration: errors are counted and reported alike, and a domain without one can be started. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"

static void count(void *context, const char *text)
{
    ++*(unsigned *)context;
    if (strlen(text) < 10 || strlen(text) >= CONFIG_ERROR_SIZE) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;
    unsigned errors = 0;
    const struct config_report report = {count, &errors};
    enum status status = config_parse(&config, "fuzz.conf", (const char *)data, size, &report);
    if ((status == OK) != (errors == 0) || config.error_count != errors) {
        abort();
    }
    config_check_machine(&config, "fuzz.conf", 2, 1ull << 30, &report);
    for (unsigned i = 0; i < config.domain_count; i++) {
        const struct config_domain *domain = config.domains[i];
        if (!domain->bad &&
            (domain->modules[0].path[0] == 0 || domain->vcpus == 0 || domain->vcpus > MAX_VCPUS ||
             domain->cpu_count > domain->vcpus || domain->memory == 0 || domain->memory % (1 << 20) != 0)) {
            abort();
        }
    }
    config_free(&config);
    return 0;
}
