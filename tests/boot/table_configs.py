# SPDX-License-Identifier: MIT
"""The example configurations of configs/, booted as they are, but for a command that the guests run instead of a
shell."""

import os
import re

from .table import QEMU, SUCCESS, add

CONFIGS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))), 'configs')


def example(name, run=''):
    """Its text, as it must be in a folder of the build folder."""
    with open(os.path.join(CONFIGS, name), encoding='utf-8') as file:
        text = file.read().replace('../build/', '../')
    command = r'\1 bulkhead.run="%s"' % run
    return re.sub(r'^(cmdline = .*)$', command, text, flags=re.M) if run else text


MEET = ('n=$(cut -c17 /sys/class/net/eth1/address); m=$((3-n)); ip addr add 10.9.0.$n/24 dev eth1; '
        'for i in $(seq 90); do ping -c 1 -W 1 10.9.0.$m >/dev/null && break; done; '
        'ping -c 3 10.9.0.$m && echo $n reached $m; '
        'udhcpc -q -n -i eth0 >/dev/null 2>&1 && ping -c 1 10.0.2.2 && echo $n is out; sleep 8')
add('config-switch/%s' % QEMU, QEMU, text=example('switch.conf', MEET), memory='1024M', timeout=240,
    expect=(r'1 reached 2', r'2 reached 1', r'1 is out', r'2 is out', SUCCESS))
add('config-realtime/%s' % QEMU, QEMU, text=example('realtime.conf', 'echo I ran'), memory='1024M', timeout=240,
    expect=(r'\[control\] I ran', r'\[best\] I ran', r'\[effort\] I ran', SUCCESS), reject=(r'bulkhead: panic', r'bulkhead: .*\.conf:\d+'))
add('config-service-only/%s' % QEMU, QEMU, text=example('service-only.conf'), timeout=60, expect=(r'drivers-dom: ready', r'none', SUCCESS),
    dialogue=((b'bulkhead> ', b'list\n'), (b'none', b'poweroff\n')))
