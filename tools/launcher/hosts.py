# SPDX-License-Identifier: MIT
"""The machines an image can be booted on: what each needs, and its command line."""

import argparse
import fcntl
import os
import re
import shutil
import struct

from . import devices
from .errors import LaunchError, STATUS_HOST

OVMF_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd'
OVMF_VARS = '/usr/share/OVMF/OVMF_VARS_4M.fd'
BOCHS_SHARE = '/usr/share/bochs'


def parse_memory(text):
    """Bytes of '512M' or '2G'."""
    match = re.fullmatch(r'([0-9]+)([MG])', text)
    if not match or int(match.group(1)) == 0:
        raise argparse.ArgumentTypeError("'%s': a number with M or G is allowed, e.g. 512M" % text)
    return int(match.group(1)) << {'M': 20, 'G': 30}[match.group(2)]


def parse_cpus(text):
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError("'%s': 1 to 64 is allowed" % text)
    return int(text)


def parse_seconds(text):
    if not re.fullmatch(r'[0-9]+(\.[0-9]+)?', text) or float(text) == 0:
        raise argparse.ArgumentTypeError("'%s': a number of seconds is allowed, e.g. 60" % text)
    return float(text)


def kvm_nested(path='/dev/kvm'):
    """None if KVM really offers VMX or SVM to its guests, else what is missing."""
    get_api_version, create_vm, get_supported_cpuid = 0xae00, 0xae01, 0xc008ae05
    try:
        kvm = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return '%s: %s' % (path, error.strerror)
    try:
        if fcntl.ioctl(kvm, get_api_version, 0) != 12:
            return '%s: not the stable KVM interface' % path
        os.close(fcntl.ioctl(kvm, create_vm, 0))
        entries = 256
        buffer = bytearray(struct.pack('<II', entries, 0) + bytes(40 * entries))
        fcntl.ioctl(kvm, get_supported_cpuid, buffer)
        count = struct.unpack_from('<I', buffer)[0]
        for i in range(count):
            function, _, _, _, _, ecx, _ = struct.unpack_from('<7I', buffer, 8 + 40 * i)
            if (function == 1 and ecx & (1 << 5)) or (function == 0x80000001 and ecx & (1 << 2)):
                return None
        return '%s: nested virtualization is off (kvm_intel/kvm_amd: nested=1)' % path
    except OSError as error:
        return '%s: it opens, but cannot be used: %s' % (path, error.strerror)
    finally:
        os.close(kvm)


def need_program(name, package):
    if shutil.which(name) is None:
        raise LaunchError('%s is missing: apt-get install %s, or run tools/setup run' % (name, package), STATUS_HOST)


def need_file(path, package):
    if not os.path.exists(path):
        raise LaunchError('%s is missing: apt-get install %s, or run tools/setup run' % (path, package), STATUS_HOST)


class Host:
    """serial: 'stdio' (the emulator's own) or 'pty' (a terminal that the launcher gives it)."""
    serial = 'stdio'

    def check(self, options):
        """Raises LaunchError if this machine cannot run it."""

    def command(self, image, options, scratch, terminal):
        """The command line. scratch: a folder for its files; terminal: the pty of a 'pty' host."""
        raise NotImplementedError


BOOTS = ('iso', 'usb', 'usb-ehci', 'disk')
QEMU_BOOT = {
    'usb': ['-device', 'qemu-xhci,id=usb', '-device', 'usb-storage,bus=usb.0,drive=boot,bootindex=0'],
    'usb-ehci': ['-device', 'usb-ehci,id=usb', '-device', 'usb-storage,bus=usb.0,drive=boot,bootindex=0'],
    'disk': ['-device', 'ide-hd,drive=boot,bootindex=0'],
}


def qemu_boot(image, boot):
    if boot == 'iso':
        return ['-drive', 'if=none,media=cdrom,readonly=on,id=boot,file=' + image.replace(',', ',,'),
                '-device', 'ide-cd,bus=ide.2,drive=boot,bootindex=0']  # before guests' disks that could start, too
    return ['-drive', 'if=none,format=raw,snapshot=on,id=boot,file=' + image.replace(',', ',,')] + QEMU_BOOT[boot]


QEMU_NICS = {'virtio': 'virtio-net-pci', 'e1000': 'e1000', 'e1000e': 'e1000e'}
DISK_BUSES = ('virtio', 'ahci', 'nvme', 'ide')


# A virtio device goes around the IOMMU unless it is told not to, and legacy ones cannot be told.
VIRTIO_IOMMU = ',disable-legacy=on,iommu_platform=on'


def qemu_disks(disks, bus, iommu):
    """On q35 the CD is on the chipset's AHCI; `ahci` disks get a controller of their own."""
    line = ['-device', 'ahci,id=disks'] if disks and bus == 'ahci' else []
    if disks and bus == 'ide':
        line = ['-device', 'piix3-ide,id=disks']
    for number, disk in enumerate(disks):
        name = 'disk%d' % number
        # Files that are only read may be shared; not every kind of disk can be made read-only in QEMU.
        locking = ',file.locking=off' if disk.read_only else ''
        line += ['-drive', 'if=none,format=raw,id=%s,file=%s%s' % (name, disk.path.replace(',', ',,'), locking)]
        where = {'virtio': 'virtio-blk-pci' + (VIRTIO_IOMMU if iommu else ',disable-legacy=on'), 'nvme': 'nvme', 'ahci': 'ide-hd,bus=disks.%d' % number,
                 'ide': 'ide-hd,bus=disks.%d,unit=%d' % (number // 2, number % 2)}[bus]
        line += ['-device', '%s,drive=%s,serial=%s' % (where, name, disk.serial)]
    return line


class Qemu(Host):
    def __init__(self, accel):
        self.accel = accel

    def check(self, options):
        need_program('qemu-system-x86_64', 'qemu-system-x86')
        if options.firmware == 'uefi':
            need_file(OVMF_CODE, 'ovmf')
        if self.accel == 'kvm':
            missing = kvm_nested()
            if missing:
                raise LaunchError('host kvm: %s' % missing, STATUS_HOST)
            if options.icount:
                raise LaunchError('--icount needs an emulated CPU: --host qemu-svm')

    def command(self, image, options, scratch, terminal):
        line = ['qemu-system-x86_64', '-M', 'q35', '-accel', self.accel,
                '-cpu', 'host' if self.accel == 'kvm' else 'max', '-smp', str(options.cpus),
                '-m', str(options.memory >> 20), '-display', 'none', '-monitor', 'none', '-nodefaults', '-vga', 'std',
                '-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console', '-no-reboot']
        line += qemu_boot(image, options.boot)
        if options.icount:
            line += ['-icount', 'shift=0,sleep=off']
        if options.iommu:
            line += ['-device', 'intel-iommu,intremap=on']
        disks, nets = devices.parse(options.config)
        line += qemu_disks([disk for disk in disks if disk.path], options.disk_bus, options.iommu)
        nic = options.nic or 'virtio'
        if nets:
            line += ['-netdev', 'user,id=uplink' + ''.join(',hostfwd=' + rule for rule in options.forward),
                     '-device', QEMU_NICS[nic] + ',netdev=uplink' + (VIRTIO_IOMMU if options.iommu and nic == 'virtio' else '')]
        if options.firmware == 'uefi':
            variables = os.path.join(scratch, 'vars.fd')
            shutil.copy(OVMF_VARS, variables)
            line += ['-drive', 'if=pflash,format=raw,readonly=on,file=' + OVMF_CODE,
                     '-drive', 'if=pflash,format=raw,file=' + variables]
        return line + options.emulator_arg


# sound: without a sound card Bochs's mixer thread may overrun its buffer and end the emulator.
BOCHSRC = """megs: {megs}
cpu: model={model}, count={cpus}, ips=50000000, reset_on_triple_fault=0
romimage: file={share}/BIOS-bochs-latest
vgaromimage: file={share}/VGABIOS-lgpl-latest
vga: extension=none
ata0-master: {drive}
boot: {boot}
com1: enabled=1, mode=term, dev={terminal}
display_library: rfb, options="timeout=0"
clock: sync=none, time0=utc
speaker: enabled=0
sound: driver=dummy
log: {scratch}/bochs.log
debugger_log: -
panic: action=fatal
error: action=report
info: action=ignore
"""


def bochs_geometry(path, where):
    """Bochs wants whole cylinders."""
    cylinders, rest = divmod(os.path.getsize(path), 16 * 63 * 512)
    if rest:
        raise LaunchError('%s: %s: Bochs wants a multiple of 516096 bytes (16 heads, 63 sectors)' % (where, path), STATUS_HOST)
    return 'cylinders=%d, heads=16, spt=63' % cylinders


def bochs_boot(image, boot):
    if boot == 'iso':
        return {'drive': 'type=cdrom, path="%s", status=inserted' % image, 'boot': 'cdrom'}
    return {'drive': 'type=disk, mode=flat, path="%s", %s' % (image, bochs_geometry(image, '--boot disk')), 'boot': 'disk'}


def bochs_disks(disks, scratch):
    """The boot medium is ata0-master. Bochs lets nobody choose serial numbers; the model's name takes their place. It writes a lock
    file beside an image and leaves it there when it is killed: here that is beside a link to the image."""
    places = ('ata0-slave', 'ata1-master', 'ata1-slave')
    if len(disks) > len(places):
        raise LaunchError('%s: Bochs has room for %d disks' % (disks[len(places)].where, len(places)))
    lines = ['ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15\n'] if len(disks) > 1 else []
    for place, disk in zip(places, disks):
        link = os.path.join(scratch, place)
        os.symlink(os.path.abspath(disk.path), link)
        lines.append('%s: type=disk, mode=flat, path="%s", %s, model="%s"\n' %
                     (place, link, bochs_geometry(disk.path, disk.where), disk.serial))
    return lines


def bochs_net(options, scratch):
    """The switch uplink: a card on Bochs's own user network, 10.0.2.0/24 as QEMU's."""
    rules = os.path.join(scratch, 'slirp.conf')
    with open(rules, 'w', encoding='utf-8') as file:
        file.write('# slirp config\n')
        file.writelines('hostfwd = %s\n' % rule for rule in options.forward)
    return ['pci: enabled=1, chipset=i440fx, slot1=e1000\n',
            'e1000: enabled=1, mac=52:54:00:12:34:56, ethmod=slirp, ethdev="%s", script="%s"\n' % (scratch, rules)]


class Bochs(Host):
    serial = 'pty'

    def __init__(self, model):
        self.model = model

    def check(self, options):
        need_program('bochs', 'bochs bochs-term')
        need_file(BOCHS_SHARE + '/BIOS-bochs-latest', 'bochsbios')
        need_file(BOCHS_SHARE + '/VGABIOS-lgpl-latest', 'vgabios')
        if options.firmware == 'uefi':
            raise LaunchError('Bochs has no UEFI firmware here: --firmware bios, or --host qemu-svm', STATUS_HOST)
        if options.boot not in ('iso', 'disk'):
            raise LaunchError("Bochs's BIOS does not start from USB: --boot disk takes the same image", STATUS_HOST)
        if options.nic not in (None, 'e1000'):
            raise LaunchError('Bochs has no network card %s: --nic e1000' % options.nic, STATUS_HOST)
        if options.iommu:
            raise LaunchError('Bochs has no IOMMU: --host qemu-svm', STATUS_HOST)
        if options.icount:
            raise LaunchError('--icount is for QEMU; Bochs counts one TSC tick per instruction anyway')
        if options.cpus > 8:
            raise LaunchError("Bochs's BIOS starts at most 8 CPUs", STATUS_HOST)

    def command(self, image, options, scratch, terminal):
        configuration = os.path.join(scratch, 'bochsrc')
        with open(configuration, 'w', encoding='utf-8') as file:
            file.write(BOCHSRC.format(megs=options.memory >> 20, model=self.model, cpus=options.cpus, share=BOCHS_SHARE,
                                      **bochs_boot(os.path.abspath(image), options.boot), terminal=terminal, scratch=scratch))
            disks, nets = devices.parse(options.config)
            file.writelines(bochs_disks([disk for disk in disks if disk.path], scratch))
            file.writelines(bochs_net(options, scratch) if nets else [])
            file.writelines(line + '\n' for line in options.emulator_arg)
        # Debian's Bochs has its debugger built in: tell it to continue.
        commands = os.path.join(scratch, 'commands')
        with open(commands, 'w', encoding='utf-8') as file:
            file.write('c\n')
        return ['bochs', '-q', '-f', configuration, '-rc', commands]


HOSTS = {
    'kvm': Qemu('kvm'),
    'qemu-svm': Qemu('tcg'),
    'bochs-vmx': Bochs('corei7_skylake_x'),
    'bochs-svm': Bochs('ryzen'),
}


def choose(options):
    name = options.host
    if name == 'auto':
        name = 'kvm' if not options.icount and kvm_nested() is None else 'qemu-svm'
    options.host = name
    HOSTS[name].check(options)
    return HOSTS[name]
