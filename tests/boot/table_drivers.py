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


writers('kill', '[host]\ndrivers-restart = 0+250us*200\n', kills=200, timeout=150)
writers('sweep', '[host]\ndrivers-restart = 0+50us*1000\n', kills=1000, timeout=900, on_demand=True)

# --- hostile rings: the guest's devices refuse it by name and rule; a neighbour writes all the time; drivers-dom does not end ---
RULES = (r'is not guest memory', r'a chain longer than the queue size', r'next \d+ is outside of the queue', r'head \d+ is outside of the queue',
         r'is made available, but the device still has it', r'avail\.idx is \d+, \d+ ahead', r'a readable descriptor behind a writable one',
         r'a chain of 4 GiB or more', r'an indirect table of 1000 bytes', r'the indirect table at 0x[0-9a-f]+ is not in guest memory',
         r'an indirect table in an indirect table', r'next 64 in an indirect table of 64')


def hostile_rings(host, rounds, passes, timeout):
    images = ['ring-%s-%s.img' % (name, host) for name in ('bad', 'good')]
    text = (domain('good', 'writer', cmdline='strict net passes=%d' % passes, disk='data,./' + images[1], net='lan') +
            domain('bad', 'hostile_ring', vcpus=2, cmdline='strict rounds=%d' % rounds, disk='data,./' + images[0], net='lan', hvc='yes', rng='yes', control='yes'))
    add('hostile-ring/' + host, host, text=text, files={image: empty(8) for image in images}, timeout=timeout,
        after=lambda folder, console: disk.check_writer(os.path.join(folder, images[1])),
        expect=(PASSED, SUCCESS, r'net receive: 2\d of 23 malformed', r'disk: 23 of 23 malformed', r'net send: 2\d of 23 malformed',
                                  r'console send: 2\d of 23', r'port messages received: 2\d of 23', r'port messages sent: 2\d of 23', r'control receive: 2\d of 23',
                                  r'control send: 2\d of 23', r'random numbers: 23 of 23', r'^(\[good\] )?# passed: 0 failed', r'^(\[bad\] )?# passed: 0 failed') +
        tuple(r'guest bad, (disk data|net\w* \w+): queue \d: .*' + rule for rule in RULES),
        reject=(r'bulkhead: panic', r'drivers-dom has ended', r'^(\[\w+\] )?not ok', r'of domain good: '))


hostile_rings(QEMU, 40, 90, 200)
hostile_rings(BOCHS_VMX, 4, 2, 400)

# --- bad disks: what is wrong is named, other disks go on; one that is taken away in the middle, too ---
GPT_HEADER = b'EFI PART' + bytes([0, 0, 1, 0, 92, 0, 0, 0])


def bad_gpt(build):
    """A signature and nothing right behind it; the disk ends in its table."""
    return bytes(512) + GPT_HEADER + b'\xff' * 496 + bytes(2048)


def attach(name, file):
    return ['--emulator-arg=' + word for word in ('-drive', 'file=FOLDER/%s,if=none,format=raw,id=%s' % (file, name), '-device',
                                                  'virtio-blk-pci,drive=%s,id=dev-%s,serial=%s' % (name, name, name))]


add('bad-disks/' + QEMU, QEMU, text=domain('good', 'writer', cmdline='strict passes=10', disk='data,./bad-good.img') +
    domain('bad', 'virtio', cmdline='strict', disk='data,part:DATA', on_reboot='destroy'), timeout=120, status=1,
    files={'bad-good.img': empty(8), 'gpt.img': bad_gpt, 'noise.img': lambda build: bytes(i * i * 7 >> 3 & 255 for i in range(70000)) + bytes(188),
           'short.img': lambda build: bytes(512)},
    arguments=tuple(attach('gpt', 'gpt.img') + attach('noise', 'noise.img') + attach('short', 'short.img')),
    after=lambda folder, console: disk.check_writer(os.path.join(folder, 'bad-good.img')),
    expect=(r'virtio-blk\d: primary partition table: ', r'waits for part:DATA: no GPT partition has this label', r'passes, \d+ writes: 0 errors', r'^domain good: ended: debug exit, status 0'),
    reject=(r'bulkhead: panic', r'drivers-dom has ended', r'was not given'))
