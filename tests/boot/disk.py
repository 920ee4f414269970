# SPDX-License-Identifier: MIT
"""Disk images for boot tests: an ext4 file system that a guest writes to, looked at from outside afterwards."""

import hashlib
import os
import re
import struct
import subprocess
import tempfile

SIZE = 16 * 63 * 512 * 48  # whole cylinders, which Bochs wants
PATH = '/sbin:/usr/sbin:' + os.environ.get('PATH', '')


def tool(*line):
    return subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, PATH=PATH))


def ext4(build, folder=None):
    """Its bytes; with the files of `folder`."""
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(SIZE)
        made = tool('mkfs.ext4', '-q', '-F', *(['-d', folder] if folder else []), file.name)
        if made.returncode != 0:
            raise RuntimeError('mkfs.ext4: %s' % made.stdout.decode(errors='replace'))
        with open(file.name, 'rb') as image:
            return image.read()


def check(image, console, pattern=r'([0-9a-f]{32})  /mnt/f'):
    """The file /f has the checksum that the guest printed, and fsck finds nothing."""
    wrong = []
    found = re.search(pattern, console)
    if not found:
        return ['the guest printed no checksum']
    fsck = tool('fsck.ext4', '-n', '-f', image)
    if fsck.returncode != 0:
        wrong.append('fsck.ext4: status %d' % fsck.returncode)
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, 'f')
        dumped = tool('debugfs', '-R', 'dump /f %s' % out, image)
        if not os.path.exists(out):
            return wrong + ['debugfs: %s' % dumped.stdout.decode(errors='replace').strip()]
        with open(out, 'rb') as file:
            outside = hashlib.md5(file.read()).hexdigest()
    if outside != found.group(1):
        wrong.append('/f: the guest wrote %s, outside it is %s' % (found.group(1), outside))
    return wrong


# --- what tests/guests/writer.c leaves ---
WRITER_BLOCK, WRITER_BLOCKS = 4096, 500
MASK = (1 << 64) - 1


def writer_block(block, sequence):
    words = [block, sequence] + [((sequence << 24 & MASK) ^ block << 12 ^ i) * 0x9e3779b97f4a7c15 & MASK for i in range(2, WRITER_BLOCK // 8)]
    return struct.pack('<%dQ' % len(words), *words)


def check_writer(image):
    """Each block of the image is as the guest wrote it last, by the table that it wrote behind them."""
    wrong, written = [], 0
    with open(image, 'rb') as file:
        blocks = [file.read(WRITER_BLOCK) for _ in range(WRITER_BLOCKS + 1)]
    sequences = struct.unpack('<%dQ' % (WRITER_BLOCK // 8), blocks[WRITER_BLOCKS])
    for block in range(WRITER_BLOCKS):
        expected = writer_block(block, sequences[block]) if sequences[block] else bytes(WRITER_BLOCK)
        written += sequences[block] != 0
        if blocks[block] != expected:
            there = struct.unpack('<2Q', blocks[block][:16])
            wrong.append('%s: block %d should be of write %d, it is block %d of write %d' % ((os.path.basename(image), block, sequences[block]) + there))
    if written < WRITER_BLOCKS // 2:
        wrong.append('%s: only %d blocks were written' % (os.path.basename(image), written))
    return wrong[:3]
