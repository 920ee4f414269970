/* SPDX-License-Identifier: MIT
 * The back ends, by channel type. */
#include "backend.h"

const struct backend_ops *const backends[BACKEND_TYPES] = {
    [CHANNEL_NONE] = 0,
    [CHANNEL_NET] = &net_backend,
    [CHANNEL_BLOCK] = &block_backend,
    [CHANNEL_CONSOLE] = &console_backend,
    [CHANNEL_RNG] = &rng_backend,
};
