# SPDX-License-Identifier: MIT
"""Writes a disk image for USB sticks: GPT, a partition for GRUB's core (BIOS), an EFI system partition with
everything else (UEFI 2.10, 5.3 and 13.3). Neither root's rights nor loop devices are needed."""

import binascii
import os
import shutil
import struct
import subprocess
import tempfile
import uuid

from .errors import LaunchError, STATUS_HOST

SECTOR = 512
CYLINDER = 16 * 63 * SECTOR   # Bochs wants whole ones
ALIGN = 2048                  # sectors: 1 MiB
ENTRIES, ENTRY_SIZE = 128, 128
TABLE = ENTRIES * ENTRY_SIZE // SECTOR
GRUB_FIRST, GRUB_SECTORS = ALIGN, ALIGN
EFI_FIRST = GRUB_FIRST + GRUB_SECTORS
SPARE = 8 << 20               # room on the stick for what its owner changes
FAT32_LEAST = 65525 + 1024    # clusters of one sector; fewer would be FAT16, which not all firmware takes
TYPE_BIOS_BOOT = uuid.UUID('21686148-6449-6e6f-744e-656564454649')
TYPE_EFI = uuid.UUID('c12a7328-f81f-11d2-ba4b-00a0c93ec93b')

TOOLS = (('grub-mkimage', 'grub-common'), ('mformat', 'mtools'))
GRUB_FOLDER = '/usr/lib/grub/i386-pc'
GRUB_PREFIX = '(,gpt2)/boot/grub'  # on the disk that the BIOS has started
GRUB_CORE = ('biosdisk part_gpt fat normal configfile multiboot2 serial terminal echo sleep halt test '
             'search search_label').split()
# GRUB 2: where boot.img has the first sector of the core, and diskboot.img (that sector) the list of the others.
BOOT_CODE = 440
BOOT_SECTOR_AT = 0x5c
CORE_LIST_AT = SECTOR - 12
CORE_SEGMENT = 0x820


def run(command, **options):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            **options)
    if result.returncode != 0:
        raise LaunchError('%s failed:\n%s' % (command[0], result.stdout.decode(errors='replace')), STATUS_HOST)


def folder_size(tree):
    """Bytes that the tree takes in clusters of 4 KiB, folders included."""
    total = 0
    for folder, folders, files in os.walk(tree):
        sizes = [os.path.getsize(os.path.join(folder, name)) for name in files]
        total += 4096 * (1 + len(folders)) + sum(size // 4096 * 4096 + 4096 for size in sizes)
    return total


def write_fat(tree, path, offset, sectors):
    """A FAT32 file system with the tree's contents."""
    target = '%s@@%d' % (path, offset)
    environment = dict(os.environ, MTOOLS_SKIP_CHECK='1')
    run(['mformat', '-i', target, '-F', '-T', str(sectors), '-h', '16', '-s', '63', '-H', str(offset // SECTOR),
         '-v', 'BULKHEAD', '::'], env=environment)
    folders = [os.path.join(tree, name) for name in sorted(os.listdir(tree))]
    run(['mcopy', '-i', target, '-s', '-Q'] + folders + ['::/'], env=environment)


def partition(kind, first, sectors, name):
    return struct.pack('<16s16sQQQ72s', kind.bytes_le, uuid.uuid4().bytes_le, first, first + sectors - 1, 0,
                       name.encode('utf-16-le'))


def gpt_header(own, other, table, last, disk, entries):
    def pack(crc):
        return struct.pack('<8s4sIIIQQQQ16sQIII', b'EFI PART', b'\0\0\1\0', 92, crc, 0, own, other, 2 + TABLE,
                           last - TABLE - 1, disk.bytes_le, table, ENTRIES, ENTRY_SIZE, binascii.crc32(entries))
    return pack(binascii.crc32(pack(0))).ljust(SECTOR, b'\0')


def mbr(boot_code, total):
    """Protective; some BIOSes start only disks with an active entry, and get an empty one."""
    covering = struct.pack('<B3sB3sII', 0, b'\0\2\0', 0xee, b'\xff\xff\xff', 1, min(total - 1, 0xffffffff))
    active = struct.pack('<B3sB3sII', 0x80, b'\0\0\0', 0, b'\0\0\0', 0, 1)
    return boot_code[:BOOT_CODE].ljust(446, b'\0') + covering + active + bytes(32) + b'\x55\xaa'


def grub():
    """(boot code of the MBR, core), with the sectors that each has to load."""
    with tempfile.TemporaryDirectory(prefix='bulkhead-') as scratch:
        return grub_in(os.path.join(scratch, 'core.img'))


def grub_in(core_path):
    run(['grub-mkimage', '-O', 'i386-pc', '-d', GRUB_FOLDER, '-p', GRUB_PREFIX, '-o', core_path] + GRUB_CORE)
    try:
        with open(os.path.join(GRUB_FOLDER, 'boot.img'), 'rb') as file:
            boot = bytearray(file.read())
        with open(core_path, 'rb') as file:
            core = bytearray(file.read())
    except OSError as error:
        raise LaunchError('%s: %s: apt-get install grub-pc-bin, or run tools/setup run' %
                          (error.filename, error.strerror), STATUS_HOST)
    core += bytes(-len(core) % SECTOR)
    rest = len(core) // SECTOR - 1
    sector = struct.unpack_from('<Q', boot, BOOT_SECTOR_AT)[0]
    segment = struct.unpack_from('<H', core, CORE_LIST_AT + 10)[0]
    if sector != 1 or segment != CORE_SEGMENT:
        raise LaunchError('%s: no boot.img and diskboot.img that this tool knows' % GRUB_FOLDER, STATUS_HOST)
    if len(core) > GRUB_SECTORS * SECTOR:
        raise LaunchError("GRUB's core does not fit into its partition of %d KiB" % (GRUB_SECTORS * SECTOR >> 10),
                          STATUS_HOST)
    struct.pack_into('<Q', boot, BOOT_SECTOR_AT, GRUB_FIRST)
    struct.pack_into('<QHH', core, CORE_LIST_AT, GRUB_FIRST + 1, rest, CORE_SEGMENT)
    return bytes(boot), bytes(core)


def write(tree, loader, out):
    """tree: the folders of the EFI system partition, without /EFI/BOOT."""
    os.makedirs(os.path.join(tree, 'EFI/BOOT'))
    shutil.copy(loader, os.path.join(tree, 'EFI/BOOT/BOOTX64.EFI'))
    sectors = max((folder_size(tree) + SPARE) // SECTOR * 33 // 32, FAT32_LEAST)
    total = EFI_FIRST + sectors + TABLE + 1
    total += -total % (CYLINDER // SECTOR)
    last = total - 1
    sectors = last - TABLE - EFI_FIRST
    boot, core = grub()
    disk = uuid.uuid4()
    entries = (partition(TYPE_BIOS_BOOT, GRUB_FIRST, GRUB_SECTORS, 'GRUB') +
               partition(TYPE_EFI, EFI_FIRST, sectors, 'BULKHEAD')).ljust(ENTRIES * ENTRY_SIZE, b'\0')
    part = out + '.part'
    with open(part, 'wb') as file:
        file.truncate(total * SECTOR)
        for sector, data in ((0, mbr(boot, total)), (1, gpt_header(1, last, 2, last, disk, entries)), (2, entries),
                             (GRUB_FIRST, core), (last - TABLE, entries),
                             (last, gpt_header(last, 1, last - TABLE, last, disk, entries))):
            file.seek(sector * SECTOR)
            file.write(data)
    write_fat(tree, part, EFI_FIRST * SECTOR, sectors)
    os.replace(part, out)
