# SPDX-License-Identifier: MIT
"""Boot tests of guests that start from their own disk, by SeaBIOS and the boot loader that is there."""

from . import bootable
from .table import QEMU, SUCCESS, UP, add


def guest(name, memory, image, **keys):
    lines = ['[domain %s]' % name, 'firmware = bios', 'memory = ' + memory, 'disk = c,./' + image]
    return '\n'.join(lines + ['%s = %s' % (key.replace('_', '-'), value) for key, value in keys.items()]) + '\n'


SCRIPT = 'grep -o "vda1 /mnt ext2" /proc/mounts'
LINUX = (r'SeaBIOS \(version', r'GRUB on its own disk', UP, r'vda1 /mnt ext2', r'command ended with status 0')

add('firmware-linux/%s' % QEMU, QEMU, text=guest('linux', '192M', 'firmware-linux.img', vcpus=2), timeout=120, expect=LINUX + (SUCCESS,),
    files={'firmware-linux.img': lambda build: bootable.linux(build, SCRIPT)})
