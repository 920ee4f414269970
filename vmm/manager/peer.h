/* SPDX-License-Identifier: MIT
 * Paravirtual domains that name each other as peers (key `peer`, abi/hypercall.h): an event each way, and the right to grant memory. */
#pragma once

#include "domain.h"

/* domain_start() of a paravirtual domain: its pv page, and the page of its peers. */
must_use enum status peer_equip(struct manager *manager, struct domain *domain);
/* domain_start(), when its vcpus exist: links with those peers that run. */
must_use enum status peer_connect(struct manager *manager, struct domain *domain);
/* domain_free(): its peers are told that it is gone. */
void peer_disconnect(const struct manager *manager, struct domain *domain);
