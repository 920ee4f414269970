# SPDX-License-Identifier: MIT
"""Boot tests of drivers-dom with bare-metal guests: rings, kills, hostile guests, bad disks."""

from .table import BOCHS_VMX, PASSED, QEMU, SUCCESS, add, domain

CYLINDER = 16 * 63 * 512  # Bochs wants whole ones
READY = r'drivers-dom: ready'


def empty(cylinders):
    return lambda build: bytes(CYLINDER * cylinders)


# --- the guests' own virtio drivers ---
for host in (QEMU, BOCHS_VMX):
    image = 'virtio-%s.img' % host
    add('virtio/%s' % host, host, text=domain('virtio', 'virtio', disk='data,./' + image, net='lan'), timeout=60 if host == QEMU else 150,
        files={image: empty(8)}, expect=(READY, PASSED, SUCCESS))
