# SPDX-License-Identifier: MIT
"""Disks that start by themselves: an operating system with its own boot loader, as an installer would leave it. Made without root."""

import os
import shutil
import struct
import subprocess
import tempfile

from .disk import tool

SECTOR = 512
CYLINDER = 16 * 63 * SECTOR  # Bochs wants whole ones
FIRST = 2048                 # sector of the partition; the boot loader lies before it
GRUB = '/usr/lib/grub/i386-pc'
# What Linux runs is in a file of the disk: GRUB would put a command with spaces in quotes of its own.
GRUB_CFG = b"""echo "GRUB on its own disk"
linux /boot/vmlinuz console=ttyS0 panic=-1 'bulkhead.run=mount${IFS}-oro${IFS}/dev/vda1${IFS}/mnt&&.${IFS}/mnt/script'
initrd /boot/initrd
boot
"""
# Each module is a program or a RAM disk; what to do with it is in its arguments. GRUB must not take the $ for its own.
MACH_CFG = b"""echo "GRUB on its own disk"
multiboot /boot/gnumach.gz console=com0
module /boot/records records '$(ramdisk-create)'
module /boot/task task '${host-port}' '${device-port}' '$(task-create)' '$(task-resume)'
boot
"""
MEMTEST_CFG = b"""echo "GRUB on its own disk"
linux /boot/memtest console=ttyS0,115200
boot
"""
PARTITION = struct.Struct('<B3sB3sII')
ANY_CHS = b'\xfe\xff\xff'    # "see the sector numbers"


def run(*line):
    made = tool(*line)
    if made.returncode != 0:
        raise RuntimeError('%s: %s' % (' '.join(line), made.stdout.decode(errors='replace')))


def with_partition(boot_code, loader, kind, contents):
    """A disk with one active partition. boot_code: up to 440 bytes; loader: what lies behind the first sector."""
    if len(loader) > (FIRST - 1) * SECTOR:
        raise RuntimeError('a boot loader of %d bytes does not fit before the partition' % len(loader))
    entry = PARTITION.pack(0x80, ANY_CHS, kind, ANY_CHS, FIRST, len(contents) // SECTOR)
    first = boot_code[:440].ljust(440, b'\0') + b'BLKH\0\0' + entry.ljust(64, b'\0') + b'\x55\xaa'
    image = (first + loader).ljust(FIRST * SECTOR, b'\0') + contents
    return image.ljust(-(-len(image) // CYLINDER) * CYLINDER, b'\0')


def ext2(files, size):
    """files: {path in the file system: file here or bytes}."""
    with tempfile.TemporaryDirectory() as folder:
        tree, image = os.path.join(folder, 'tree'), os.path.join(folder, 'image')
        for name, source in files.items():
            path = os.path.join(tree, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if isinstance(source, bytes):
                with open(path, 'wb') as file:
                    file.write(source)
            else:
                shutil.copy(source, path)
        with open(image, 'wb') as file:
            file.truncate(size)
        run('mke2fs', '-q', '-F', '-t', 'ext2', '-d', tree, image)
        with open(image, 'rb') as file:
            return file.read()


def grub(modules):
    """(first sector, what lies behind it) of GRUB for a PC's BIOS; the rest of it is in the first partition."""
    with tempfile.TemporaryDirectory() as folder:
        core = os.path.join(folder, 'core.img')
        run('grub-mkimage', '-O', 'i386-pc', '-o', core, '-p', '(hd0,msdos1)/boot/grub', 'biosdisk', 'part_msdos', *modules)
        with open(core, 'rb') as file, open(os.path.join(GRUB, 'boot.img'), 'rb') as boot:
            return boot.read(), file.read()


def linux(build, script):
    """Debian's kernel on an ext2 file system, started by GRUB from the disk's first sector."""
    folder = os.path.join(build, 'guests/linux')
    files = {'boot/vmlinuz': os.path.join(folder, 'vmlinuz'), 'boot/initrd': os.path.join(folder, 'initrd'),
             'boot/grub/grub.cfg': GRUB_CFG, 'script': script.encode() + b'\n'}
    first, core = grub(['ext2', 'normal', 'linux', 'echo'])
    return with_partition(first, core, 0x83, ext2(files, 40 << 20))


def memtest(build):
    files = {'boot/memtest': os.path.join(build, 'guests/memtest/memtest86+x64.bin'), 'boot/grub/grub.cfg': MEMTEST_CFG}
    first, core = grub(['ext2', 'normal', 'linux', 'echo'])
    return with_partition(first, core, 0x83, ext2(files, 8 << 20))


def mach(build):
    """GNU Mach, as packaged, with a program of ours as its first task. It has no driver of a virtio disk: GRUB reads all
    of it, and a RAM disk: one empty record, then the text that the program expects."""
    folder = os.path.join(build, 'guests/mach')
    files = {'boot/gnumach.gz': os.path.join(folder, 'gnumach.gz'), 'boot/task': os.path.join(folder, 'task'),
             'boot/records': bytes(SECTOR) + b'Mach' * SECTOR, 'boot/grub/grub.cfg': MACH_CFG}
    first, core = grub(['ext2', 'normal', 'multiboot', 'gzio', 'echo'])
    return with_partition(first, core, 0x83, ext2(files, 8 << 20))


def ipxe(build):
    """iPXE's CD, which starts as a disk as well. It gathers randomness from some thousand ticks of the RTC."""
    with open('/usr/lib/ipxe/ipxe.iso', 'rb') as file:
        image = file.read()
    return image.ljust(-(-len(image) // CYLINDER) * CYLINDER, b'\0')


SYSLINUX = '/usr/lib/syslinux'


def syslinux(build, settings):
    """SYSLINUX on a FAT file system as its installer leaves it, with its shell: what runs in real mode, reads its disk by INT 13h,
    writes by INT 10h and reads keys by INT 16h, as DOS does."""
    sectors = 16 * 63 * 16
    with tempfile.TemporaryDirectory() as folder:
        image, config = os.path.join(folder, 'fat'), os.path.join(folder, 'syslinux.cfg')
        with open(config, 'w', encoding='ascii') as file:
            file.write(settings)
        with open(image, 'wb') as file:
            file.truncate(sectors * SECTOR)
        run('mformat', '-i', image, '-h', '16', '-s', '63', '-H', str(FIRST), '-T', str(sectors), '-v', 'BULKHEAD', '::')
        names = ('rosh', 'ls', 'dir', 'cat', 'pwd', 'libcom32', 'libutil', 'poweroff', 'reboot', 'meminfo')
        modules = [os.path.join(SYSLINUX, 'modules/bios', name + '.c32') for name in names]
        run('mcopy', '-i', image, config, *modules, '::/')
        run('syslinux', '-i', image)
        with open(image, 'rb') as file, open(os.path.join(SYSLINUX, 'mbr/mbr.bin'), 'rb') as first:
            return with_partition(first.read(), b'', 0x01, file.read())
