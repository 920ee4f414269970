# SPDX-License-Identifier: MIT
"""Boot tests of guests that start from their own disk, by SeaBIOS and the boot loader that is there."""

from . import bootable
from .table import FAILURE, QEMU, SUCCESS, UP, add


def guest(name, memory, image, **keys):
    lines = ['[domain %s]' % name, 'firmware = bios', 'memory = ' + memory, 'disk = c,./' + image]
    return '\n'.join(lines + ['%s = %s' % (key.replace('_', '-'), value) for key, value in keys.items()]) + '\n'


SCRIPT = 'grep -o "vda1 /mnt ext2" /proc/mounts'
LINUX = (r'SeaBIOS \(version', r'GRUB on its own disk', UP, r'vda1 /mnt ext2', r'command ended with status 0')

add('firmware-linux/%s' % QEMU, QEMU, text=guest('linux', '192M', 'firmware-linux.img', vcpus=2), timeout=150, expect=LINUX + (SUCCESS,),
    files={'firmware-linux.img': lambda build: bootable.linux(build, SCRIPT)})

# Two systems from their own disks at a time. SYSLINUX gets commands, typed at COM1 as if at a keyboard, while Linux counts; the
# keyboard buffer of a BIOS holds 15 keys; its serial console may put a cursor movement into the middle of a word. Its reset goes through the firmware's restart vector.
COUNT = SCRIPT + '; for i in $(seq 15); do echo alive $i; sleep 1; done'
ROSH = 'DEFAULT rosh.c32\nPROMPT 0\n'
add('firmware-two/%s' % QEMU, QEMU, memory='768M', timeout=150, status=1,
    text='[host]\nfocus = dos\n' + guest('dos', '16M', 'firmware-dos.img', on_reboot='destroy') + guest('linux', '192M', 'firmware-beside.img'),
    files={'firmware-dos.img': lambda build: bootable.syslinux(build, ROSH),
           'firmware-beside.img': lambda build: bootable.linux(build, COUNT)},
    dialogue=((b'rosh:', b''), (b'alive 2', b'dir\r'), (b'rosh:', b'reboot\r')),
    expect=LINUX + (r'^domain dos: ended: reset', r'^domain linux: ended: power off', r'alive 2(.|\n)*\.c32(.|\n)*alive 15', FAILURE))
