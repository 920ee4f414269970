# SPDX-License-Identifier: MIT
"""Boot tests of drivers-dom with bare-metal guests: rings, kills, hostile guests, bad disks."""

import os
import re

from . import disk
from .table import BOCHS_VMX, PASSED, QEMU, SUCCESS, add, domain

CYLINDER = 16 * 63 * 512  # Bochs wants whole ones
READY = r'drivers-dom: ready'


def empty(cylinders):
    return lambda build: bytes(CYLINDER * cylinders)


# --- the guests' own virtio drivers ---
for host in (QEMU, BOCHS_VMX):
    image = 'virtio-%s.img' % host
    add('virtio/%s' % host, host, text=domain('virtio', 'virtio', disk='data,./' + image, net='lan'), timeout=60 if host == QEMU else 150,
        files={image: empty(8)}, expect=(READY, PASSED, SUCCESS))

# --- kills: drivers-dom dies at many moments of two guests' work; each write is there once, as the guests and the disks say ---
TWO_WRITERS = ''.join(domain(name, 'writer', cmdline='strict net', disk='data,./%%s-%s.img' % name, net='lan') for name in ('one', 'two'))


def writers(name, text, kills=0, **options):
    images = ['%s-%s.img' % (name, guest) for guest in ('one', 'two')]
    report = r'%d restarts, \d+ of them with disk requests in flight, 0 before all disks went on' % kills

    def after(folder, console):
        wrong = [line for image in images for line in disk.check_writer(os.path.join(folder, image))]
        memory = re.search(r'free memory (\d+) -> (\d+) KiB, kernel pool (\d+) -> (\d+) pages, handles (\d+) -> (\d+)', console)
        # Pages of tables: two more or less, depending on where in memory drivers-dom lies.
        if not memory or any(abs(int(memory.group(i)) - int(memory.group(i + 1))) > slack for i, slack in ((1, 0), (3, 2), (5, 0))):
            wrong.append('before and after: %s' % (memory and memory.group(0)))
        return wrong

    add(name + '/' + QEMU, QEMU, text=text + TWO_WRITERS % (name, name), files={image: empty(8) for image in images}, after=after,
        dialogue=((report.split(',')[0].encode(), b'q'),), expect=(PASSED, report, SUCCESS), reject=(r'bulkhead: panic', r'^(\[\w+\] )?not ok'), **options)


writers('kill', '[host]\ndrivers-restart = 0+330us*150\n', kills=150, timeout=150)
writers('sweep', '[host]\ndrivers-restart = 0+50us*1000\n', kills=1000, timeout=900, on_demand=True)
