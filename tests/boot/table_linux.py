# SPDX-License-Identifier: MIT
"""Unmodified Linux guests with disks and networks through drivers-dom: what was written outside is there inside and the
other way round, they reach each other and the world, and the world reaches them; a Debian root file system up to
login."""

import functools
import hashlib
import os
import random
import tempfile

from . import disk
from .peer import DATA, Peer
from .table import BOCHS_VMX, QEMU, SUCCESS, UP, add, linux
from .table_configs import example

# run.sh NAME ADDRESS PEER PORT: on the guest's disk; PEER and its address on the switch lan, or - if it is alone.
SCRIPT = """\
me=$1 own=$2 peer=$3 other=$4 port=$5
fail() { echo "failed: $me: $*"; exit 1; }
try() { for i in $(seq 90); do "$@" && return 0; sleep 1; done; return 1; }
get() { timeout 20 wget -q -O "$2" "http://$1" 2>/dev/null; } # its own -T crashes in Debian's build
may_end() { get "10.0.2.2:$port/done/$me" /tmp/answer && grep -q yes /tmp/answer; }
cd /mnt
md5sum -c sums >/dev/null || fail the data from outside is not what was written
mkdir /tmp/www
dd if=/dev/urandom of=f bs=64k count=@BLOCKS@ 2>/dev/null
sync
echo 3 >/proc/sys/vm/drop_caches
echo "wrote $(md5sum <f | cut -c1-32) $me"
cp f /tmp/www/f
cd /tmp
echo "I am $me" >/tmp/www/name
httpd -h /tmp/www
[ "$peer" = - ] || ip addr add "$own/24" dev eth1
try udhcpc -q -n -i eth0 >/dev/null 2>&1 || fail no DHCP
try get "10.0.2.2:$port/data" /tmp/data || fail the host does not answer
md5sum -c /mnt/host.sum >/dev/null || fail the data from the host are wrong
if [ "$peer" != - ]; then
    try get "$other/name" /tmp/peer || fail the other guest does not answer
    grep -q "I am $peer" /tmp/peer || fail somebody else answers
fi
try may_end || fail the host does not see all
umount /mnt && echo "all right: $me"
"""


def md5(data):
    return hashlib.md5(data).hexdigest()


def image(build, blocks):
    """A file system with data, their checksums, and what the guest does with them."""
    with tempfile.TemporaryDirectory() as folder:
        sums = ''
        for number, size in enumerate((0, 1, 4096, 700001, 1500000)):
            data = random.Random(number).randbytes(size)
            sums += '%s  data%d\n' % (md5(data), number)
            write(folder, 'data%d' % number, data)
        write(folder, 'sums', sums.encode())
        write(folder, 'host.sum', ('%s  /tmp/data\n' % md5(DATA)).encode())
        write(folder, 'run.sh', SCRIPT.replace('@BLOCKS@', str(blocks)).encode())
        return disk.ext4(build, folder)


def write(folder, name, data):
    with open(os.path.join(folder, name), 'wb') as file:
        file.write(data)


def guest(name, image_name, arguments):
    run = 'mount -t ext4 /dev/vda /mnt && cp /mnt/run.sh /tmp && sh /tmp/run.sh %s %s PORT' % (name, arguments)
    return linux(name, run, disk='root,./' + image_name, net='uplink')


def pair(name, host, names, blocks, arguments=(), **options):
    """Guests one and two, or one alone, each with its own disk."""
    images = {domain: 'linux-%s-%s.img' % (name, domain) for domain in names}
    text = ''
    for number, domain in enumerate(names, 1):
        peer = 'two' if domain == 'one' else 'one'
        alone = len(names) == 1
        text += guest(domain, images[domain], '10.9.0.%d %s 10.9.0.%d' % (number, '-' if alone else peer, 3 - number))
        text += '' if alone else 'net = lan\n'

    def after(folder, console):
        wrong = []
        for domain, file in images.items():
            found = disk.check(os.path.join(folder, file), console, r'wrote ([0-9a-f]{32}) %s' % domain)
            wrong += ['%s: %s' % (domain, what) for what in found]
        return wrong

    add('linux-%s/%s' % (name, host), host, text=text, arguments=arguments + ('--forward', 'FORWARD'),
        beside=functools.partial(Peer, *names), after=after,
        files={file: functools.partial(image, blocks=blocks) for file in images.values()},
        reject=(r'bulkhead: panic', r'^(\[\w+\] )?failed: '),
        expect=(UP, r'drivers-dom: ready', SUCCESS) + tuple(r'all right: %s$' % domain for domain in names), **options)


for bus, nic in (('virtio', 'virtio'), ('ahci', 'e1000'), ('nvme', 'e1000e')):
    pair('%s-%s' % (bus, nic), QEMU, ('one', 'two'), 24, arguments=('--disk-bus', bus, '--nic', nic), memory='1024M',
         timeout=240)
# One guest is enough for an emulator that is so slow.
pair('ide-e1000', BOCHS_VMX, ('one',), 4, timeout=500)


# --- a Debian on a virtio disk: the unmodified packages' own init, getty and login ---
def debian(build):
    with open(os.path.join(build, 'guests/debian.img'), 'rb') as file:
        return file.read()


def root_is_clean(folder, console):
    fsck = disk.tool('fsck.ext4', '-n', '-f', os.path.join(folder, 'debian.img'))
    os.unlink(os.path.join(folder, 'debian.img'))
    return [] if fsck.returncode == 0 else ['fsck.ext4: %s' % fsck.stdout.decode(errors='replace')[-300:]]


add('debian/%s' % QEMU, QEMU, text=example('debian.conf').replace('../guests/debian.img', './debian.img'), timeout=240,
    files={'debian.img': debian}, after=root_is_clean,
    expect=(r'Debian GNU/Linux', r'^12\.\d+', r'/dev/vda ext4', SUCCESS), dialogue=(
        (b'login: ', b'root\n'), (b'Password: ', b'bulkhead\n'),
        (b':~# ', b'cat /etc/debian_version; findmnt -no SOURCE,FSTYPE /; touch /was-here; poweroff\n')))
