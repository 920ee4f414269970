# SPDX-License-Identifier: MIT
"""Rules of --forward: a port of this machine that leads into the emulated machine's user network."""

import argparse
import re
import socket

from .errors import LaunchError, STATUS_HOST

RULE = re.compile(r'(tcp|udp):([0-9.]*):([0-9]{1,5})-([0-9.]*):([0-9]{1,5})')
KINDS = {'tcp': socket.SOCK_STREAM, 'udp': socket.SOCK_DGRAM}


def parse(text):
    match = RULE.fullmatch(text)
    if not match or not all(0 < int(match.group(port)) < 65536 for port in (3, 5)):
        raise argparse.ArgumentTypeError("'%s': allowed is tcp:ADDRESS:PORT-GUEST:PORT or the same with udp, "
                                         'e.g. tcp:127.0.0.1:2222-10.0.2.15:22' % text)
    return text


def check(rules, nets):
    """Raises LaunchError if a rule's port is taken, or if there is no network that it could lead to."""
    if rules and not nets:
        raise LaunchError('--forward leads into the network, and no domain of the configuration has one: net = uplink')
    for rule in rules:
        kind, address, port = RULE.fullmatch(rule).groups()[:3]
        with socket.socket(socket.AF_INET, KINDS[kind]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, int(port)))
            except OSError as error:
                raise LaunchError('--forward %s: port %s of this machine cannot be used: %s; choose another one' %
                                  (rule, port, error.strerror or error), STATUS_HOST)
