# SPDX-License-Identifier: MIT
"""A Linux guest that starts its watchdog (ACPI WDAT, driver wdat_wdt) and does not reset it."""

from .table import FAILURE, QEMU, UP, add, linux

add('watchdog/%s' % QEMU, QEMU, timeout=90, status=1, text=linux(
    'linux', 'insmod /lib/modules/watchdog.ko; insmod /lib/modules/wdat_wdt.ko; watchdog -T 2 -t 60 /dev/watchdog; sleep 20; echo too late'),
    expect=(UP, r'^domain linux: ended: watchdog: the guest did not reset it within 2\.0 s', FAILURE), reject=(r'^too late', r'bulkhead: panic'))
