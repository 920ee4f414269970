# SPDX-License-Identifier: MIT
"""Two paravirtual guests on a granted ring."""

from .table import BOCHS_VMX, QEMU, SUCCESS, add

for host in (QEMU, BOCHS_VMX):
    add('ring/%s' % host, host, config='configs/ring.conf', timeout=40 if host == QEMU else 90,
        expect=(r'ring: 1000 answers were right', r'ring: 1000 questions answered', r'^domain ping: ended: ', r'^domain pong: ended: ', SUCCESS))
