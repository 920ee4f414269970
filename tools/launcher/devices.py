# SPDX-License-Identifier: MIT
"""The disks and networks that a configuration names: what the emulated machine must have for them."""

import os
import re

from . import files
from .errors import LaunchError

SERIAL_MAX = 20  # of an ATA, NVMe or virtio disk


class Disk:
    """where: "FILE:LINE" for messages; serial: by which drivers-dom finds the disk; path: its file here, or None."""

    def __init__(self, where, serial, path, module, read_only):
        self.where, self.serial, self.path, self.module, self.read_only = where, serial, path, module, read_only


def parse(config):
    """(disks, number of nets). Mistakes in the text are the manager's to report."""
    disks, nets, domain = [], 0, ''
    for number, line in enumerate(files.config_lines(config), 1):
        section = re.match(r'\s*\[\s*domain\s+(\S+?)\s*\]', line)
        if section:
            domain = section.group(1)
        if re.match(r'\s*net\s*=', line):
            nets += 1
        match = re.match(r'\s*disk\s*=\s*([^\s,#;]+)\s*,\s*([^\s,#;]+)(?:\s*,\s*(ro))?', line)
        if match:
            disks.append(disk(config, number, domain, *match.groups()))
    check_shared(disks)
    return disks, nets


def check_shared(disks):
    """No emulator lets two disks write to one file."""
    first = {}
    for disk in disks:
        if disk.path:
            other = first.setdefault(os.path.realpath(disk.path), disk)
            if other is not disk and not (other.read_only and disk.read_only):
                raise LaunchError('%s: %s is the file of another disk too (%s); two disks may share a file only if both are '
                                  'read-only (",ro")' % (disk.where, os.path.normpath(disk.path), other.where))


def disk(config, number, domain, name, source, read_only):
    where = '%s:%d' % (config, number)
    serial = '%s.%s' % (domain, name)
    path = module = None
    kind, _, rest = source.partition(':')
    if kind == 'ram':
        module = rest
    elif kind not in ('dev', 'part'):
        path = os.path.join(os.path.dirname(config), rest if kind == 'file' else source)
        wrong = files.problem(path)
        if wrong:
            raise LaunchError('%s: disk = %s,%s: %s' % (where, name, source, wrong))
        if len(serial) > SERIAL_MAX:
            raise LaunchError('%s: the names of domain and disk, "%s", are longer than %d characters together, which is what a '
                              "disk's serial number holds" % (where, serial, SERIAL_MAX))
    return Disk(where, serial, path, module, bool(read_only))
