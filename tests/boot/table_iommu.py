# SPDX-License-Identifier: MIT
"""VT-d: disks and cards behind it, restarts, and a drivers-dom that tries to get out (tests/drivers-dom/hostile.c)."""

import os

from . import disk
from .table import QEMU, REACH, SUCCESS, UP, WRITES, add, domain, linux

CONFINED = (r'iommu: VT-d, 1 unit.*interrupt remapping is on', r'bulkhead: DMA is confined')
REFUSED = r'kernel: (DMA|an interrupt) of device'


def confined(name, bus, nic, text='', expect=()):
    image = 'iommu-%s.img' % name
    add('iommu-%s/%s' % (name, QEMU), QEMU, text=text + linux('linux', WRITES + '; ' + REACH, disk='root,./' + image, net='uplink'),
        arguments=('--iommu', '--disk-bus', bus, '--nic', nic), timeout=150, files={image: disk.ext4},
        after=lambda folder, console: disk.check(os.path.join(folder, image), console), reject=(r'bulkhead: panic', REFUSED),
        expect=CONFINED + (UP, r'drivers-dom: ready', r' 0% packet loss', SUCCESS) + expect)


confined('virtio', 'virtio', 'virtio')
confined('nvme', 'nvme', 'e1000e')
confined('restart', 'virtio', 'virtio', '[host]\ndrivers-restart = 3000\n', (r'drivers-dom has ended: killed',))

HOSTILE = ('--drivers-dom', 'hostile-drivers-dom.elf')
EDU = ('-device', 'edu,dma_mask=0xffffffffffffffff')
# drivers-dom is on CPU 0, as is the guest that must go on.
SERVED = domain('served', 'spin', cmdline='1', disk='d,ram:../guests/tests/hello.elf', cpus=1)
add('iommu-hostile/%s' % QEMU, QEMU, text=domain('good', 'spin', cmdline='9', cpus=0) + SERVED, timeout=90, status=(0, 1, 124),
    arguments=('--iommu',) + HOSTILE, emulator_args=EDU, expect=CONFINED + (
        r'drivers-dom: vcpu 0 at .* which it was not given', r'hostile: CPU: [1-9][0-9]* places refused, [1-9].* granted, 0 written',
        r'hostile: DMA to our own memory works', r'hostile: DMA: read 0 of 8 places', r'hostile: DMA: wrote to 8 places',
        r'kernel: DMA of device 00:0[0-9]\.0 of domain drivers-dom refused: read of 0x100000$',
        r'kernel: DMA of device 00:0[0-9]\.0 of domain drivers-dom refused: write to 0x100000$',
        r'hostile: interrupts: 1 of our own arrived; as another device: status 0, 0 arrived',
        r'hostile: the CPU is ours now',
        r'tick 18 of 18', r'its memory is as it was', r'^domain good: ended: .*status 0'))
# Without an IOMMU the same attack succeeds: the test can tell.
add('iommu-none/%s' % QEMU, QEMU, text=SERVED, timeout=30, status=(0, 1, 124), arguments=HOSTILE, emulator_args=EDU,
    expect=(r'WARNING: no IOMMU', r'hostile: DMA: read [1-9][0-9]* of 8 places'))
