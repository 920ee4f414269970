# SPDX-License-Identifier: MIT
"""Boot tests of guests that start from their own disk, by SeaBIOS and the boot loader that is there."""

from . import bootable
from .table import BOCHS_VMX, FAILURE, QEMU, SUCCESS, UP, add


def guest(name, memory, image, **keys):
    lines = ['[domain %s]' % name, 'firmware = bios', 'memory = ' + memory, 'disk = c,./' + image]
    return '\n'.join(lines + ['%s = %s' % (key.replace('_', '-'), value) for key, value in keys.items()]) + '\n'


SCRIPT = 'grep -o "vda1 /mnt ext2" /proc/mounts'
LINUX = (r'SeaBIOS \(version', r'GRUB on its own disk', UP, r'vda1 /mnt ext2', r'command ended with status 0')

add('firmware-linux/%s' % QEMU, QEMU, text=guest('linux', '192M', 'firmware-linux.img', vcpus=2), timeout=150,
    expect=LINUX + (SUCCESS,),
    files={'firmware-linux.img': lambda build: bootable.linux(build, SCRIPT)})

# Two operating systems from their own disks at a time: Linux counts, while GNU Mach's first task (tests/mach) goes
# through all that it asks of its kernel, until somebody answers it at COM1. It ends by a reset, with the keyboard
# controller.
COUNT = SCRIPT + '; for i in $(seq 15); do echo alive $i; sleep 1; done'
MACH = (r'GNU Mach 1\.8', r'RTC time is 20\d\d-', r'3 threads go on side by side', r'the second task is running',
        r'mach: good bye, world', r'# passed: 0 failed',
        r'^domain mach: ended: reset by the keyboard controller', FAILURE)


def mach(image):
    """Each test has an image of its own: they run at the same time."""
    return guest('mach', '64M', image, on_reboot='destroy')


add('firmware-two/%s' % QEMU, QEMU, memory='768M', timeout=240, status=1,
    text='[host]\nfocus = mach\n' + mach('firmware-mach.img') + guest('linux', '192M', 'firmware-beside.img'),
    files={'firmware-mach.img': bootable.mach, 'firmware-beside.img': lambda build: bootable.linux(build, COUNT)},
    dialogue=((b'who is there?', b''), (b'alive ', b'world\r')),
    expect=LINUX + MACH + (r'^domain linux: ended: power off', r'alive 1\b(.|\n)*mach: good bye, world(.|\n)*alive 15'))
add('firmware-mach/%s' % BOCHS_VMX, BOCHS_VMX, text=mach('bochs-mach.img'), timeout=300, status=1,
    files={'bochs-mach.img': bootable.mach}, dialogue=((b'who is there?', b'world\r'),), expect=MACH)

# What runs in real mode all the time. SYSLINUX gets commands, typed at COM1 as if at a keyboard; its serial console may
# put a cursor movement into the middle of a word. Its reset goes through the firmware's restart vector.
ROSH = 'DEFAULT rosh.c32\nPROMPT 0\n'
add('firmware-real-mode/%s' % QEMU, QEMU, timeout=60, status=1,
    text=guest('dos', '16M', 'firmware-dos.img', on_reboot='destroy'),
    files={'firmware-dos.img': lambda build: bootable.syslinux(build, ROSH)},
    dialogue=((b'rosh:', b'dir\r'), (b'rosh:', b'reboot\r')),
    expect=(r'^domain dos: ended: reset', r'\.c32', FAILURE))

# A program without an operating system: it looks for memory and devices by itself.
add('firmware-memtest/%s' % QEMU, QEMU, timeout=60, text=guest('memtest', '32M', 'firmware-memtest.img'), status=(0, 1),
    files={'firmware-memtest.img': bootable.memtest},
    dialogue=((b'64 bit pattern', b'\x1d'), (b'bulkhead> ', b'destroy memtest\r')),
    expect=(r'Memtest86\+', r'Errors: +0', r'^domain memtest: ended: '), reject=(r'Errors: +[1-9]',))

# A boot loader for networks: SeaBIOS, ISOLINUX, then its own driver of the virtio network card. There is nothing to
# load; so it goes back to the firmware, which has no other disk.
add('firmware-ipxe/%s' % QEMU, QEMU, timeout=120, status=(0, 1),
    text=guest('ipxe', '32M', 'firmware-ipxe.img', net='uplink'), files={'firmware-ipxe.img': bootable.ipxe},
    dialogue=((b'No bootable device', b'\x1d'), (b'bulkhead> ', b'destroy ipxe\r')),
    expect=(r'using virtio-net', r'net0: 10\.0\.2\.15/255\.255\.255\.0 gw 10\.0\.2\.2', r'^domain ipxe: ended: '))
