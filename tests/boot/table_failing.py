# SPDX-License-Identifier: MIT
"""A boot test of devices that fail: a bad sector, no interrupts, no answers, gone. Their guest sees errors, another's disk goes on."""

import os

from . import disk
from .table import PASSED, QEMU, SUCCESS, add, domain
from .table_drivers import READY, empty
from .table_iommu import CONFINED

VIRTIO = 'virtio-blk-pci,disable-legacy=on,iommu_platform=on'
PORT_SLOT = 0x10
SLOT_CONTROL = 0x54 + 0x18  # QEMU's root port has its PCI Express capability at 0x54
POWER_OFF = 0x0700          # power controller off, indicator off


def drive(name):
    return '-drive', 'if=none,id=%s,format=raw,file=FOLDER/failing-%s.img' % (name, name)


def throttle(rate):
    """As good as no answers, at 1 byte per second; 0: all that it can."""
    def act(monitor, build):
        limits = {'%s%s' % (kind, way): 0 for kind in ('bps', 'iops') for way in ('', '_rd', '_wr')}
        monitor.call('block_set_io_throttle', device='late', **dict(limits, bps=rate))
        return 'throttled to %d' % rate
    return act


def unplug(monitor, build):
    """The slot loses its power: the function is gone at once, whatever its driver is doing. (device_del would ask for a push of the
    attention button; and with ACPI's hot plug QEMU would wait for the firmware's tables to eject it.)"""
    monitor.human('o /w 0xcf8 0x%x' % (0x80000000 | PORT_SLOT << 11 | SLOT_CONTROL))
    monitor.human('o /h 0xcfc 0x%x' % POWER_OFF)
    monitor.human('o /w 0xcf8 0')
    return 'gone: %s' % ('"gone"' not in monitor.human('info qtree'))


BAD_SECTOR = ''.join(',file.inject-error.%d.event=%s,file.inject-error.%d.sector=800,file.inject-error.%d.errno=5' % (i, event, i, i)
                     for i, event in enumerate(('read_aio', 'write_aio')))
EMULATOR = (
    '-drive', 'if=none,id=medium,format=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename=FOLDER/failing-medium.img' + BAD_SECTOR,
    '-device', VIRTIO + ',drive=medium,serial=bad.medium',
    # What a device behind such a bridge sends as an interrupt comes in the bridge's name: it is refused.
    *drive('mute'), '-device', 'pcie-pci-bridge,id=bridge', '-device', 'ahci,id=mute,bus=bridge,addr=1', '-device', 'ide-hd,bus=mute.0,drive=mute,serial=bad.mute',
    *drive('late'), '-device', VIRTIO + ',drive=late,serial=bad.late',
    *drive('vanishing'), '-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off', '-device', 'pcie-root-port,id=rootport,chassis=1,addr=0x%x' % PORT_SLOT, '-device', 'nvme,id=gone,bus=rootport,drive=vanishing,serial=bad.vanishing')
NAMES = ('medium', 'mute', 'late', 'vanishing')
NAMED = (r'drivers-dom: virtio-blk\d: write of 8 sectors at 800 failed: the device reports an error', r'drivers-dom: ahci0: commands are done without an interrupt',
         r'drivers-dom: virtio-blk\d: no answer to a read of 8 sectors at \d+ for 5000 ms: resetting the device',
         r'drivers-dom: virtio-blk\d: read of 8 sectors at \d+ failed: no answer, also not after a reset',
         r'drivers-dom: nvme0: the device has vanished', r'drivers-dom: guest bad, disk vanishing: nvme0 is gone')

add('failing-disks/' + QEMU, QEMU, timeout=180, monitor=True, arguments=('--iommu',) + tuple('--emulator-arg=' + word for word in EMULATOR),
    text=domain('good', 'writer', cmdline='strict', disk='data,./failing-good.img') +
    domain('bad', 'failing') + ''.join('disk = %s,dev:bad.%s\n' % (name, name) for name in NAMES),
    files={'failing-%s.img' % name: empty(8) for name in NAMES + ('good',)},
    dialogue=((b'late: at work', throttle(1)), (b'late: has failed', throttle(0)), (b'vanishing: at work', unplug), (b'domain bad: ended', b'q')),
    after=lambda folder, console: disk.check_writer(os.path.join(folder, 'failing-good.img')),
    expect=CONFINED + (READY, r'^(\[good\] )?# passed: 0 failed', r'^(\[bad\] )?# passed: 0 failed', SUCCESS, r'^screen: gone: True') + NAMED,
    reject=(r'bulkhead: panic', r'drivers-dom has ended', r'^(\[\w+\] )?not ok'))
