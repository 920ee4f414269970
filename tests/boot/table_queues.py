# SPDX-License-Identifier: MIT
"""Boot test of disks with several queues: an unmodified Linux guest with two CPUs has a queue for each, both CPUs write and
read back at the same time, each queue's interrupts come, and all goes on while drivers-dom is killed again and again."""

from .table import QEMU, SUCCESS, add, linux
from .table_drivers import empty

# work PLACE MASK: on the CPU of the mask, in blocks of its own. Requests go through the queue of the CPU that makes them.
RUN = ("work() { for i in $(seq 12); do "
       "dd if=/dev/urandom of=/tmp/$1 bs=64k count=4 2>/dev/null; "
       "taskset $2 dd if=/tmp/$1 of=/dev/vda oflag=direct bs=4k seek=$(($1*512)) 2>/dev/null; "
       "taskset $2 dd if=/dev/vda iflag=direct bs=4k skip=$(($1*512)) count=64 2>/dev/null | cmp - /tmp/$1 || echo differs; "
       "done; }; echo queues: $(ls /sys/block/vda/mq | wc -l); work 0 1 & work 1 2; wait; "
       "echo used: $(awk '/req/ && $2 + $3 > 200 { n++ } END { print n }' /proc/interrupts)")

add('linux-queues/' + QEMU, QEMU, timeout=150, files={'queues.img': empty(10)},
    text='[host]\ndrivers-restart = 500000+1000us*200\n' + linux('queues', RUN, vcpus=2, disk='data,./queues.img'),
    expect=(r'queues: 2\b', r'used: 2\b', r'command ended with status 0', r'restarts, [1-9]\d* of them with disk requests in flight', SUCCESS),
    reject=(r'bulkhead: panic', r'^(\[\w+\] )?differs', r'I/O error', r'command ended with status [1-9]'))
