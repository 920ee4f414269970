# SPDX-License-Identifier: MIT
"""Boot tests of the data path's bounds: exits for each request and each packet, and who is entered for doorbells and
interrupts. The guest (tests/guests/datapath.c) judges its own counters: bounds, no times."""

from .table import BOCHS_VMX, PASSED, QEMU, SUCCESS, add, domain
from .table_drivers import READY, empty

LINE = r'^(\[\w+\] )?datapath %s requests '
COUNTS = {QEMU: (300, 960, 150, 480), BOCHS_VMX: (100, 320, 50, 160)}

for host, counts in COUNTS.items():
    image = 'datapath-%s.img' % host
    cmdline = 'strict disk1=%d disk32=%d net1=%d net32=%d' % counts
    add('datapath/%s' % host, host, timeout=90 if host == QEMU else 240, files={image: empty(8)},
        reject=(r'bulkhead: panic', r'not ok'),
        text=domain('one', 'datapath', cmdline=cmdline, disk='data,./' + image, net='lan') +
        domain('two', 'datapath', cmdline='strict echo', net='lan'),
        expect=(READY, PASSED, SUCCESS) + tuple(LINE % name for name in ('disk1', 'disk32', 'net1', 'net32')))
