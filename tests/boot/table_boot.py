# SPDX-License-Identifier: MIT
"""Every way to boot, what the screen shows, and what a machine says that cannot run the hypervisor."""

import os
import shutil
import subprocess
import sys
import tempfile

from . import screen
from .table import BOCHS_VMX, PASSED, QEMU, SUCCESS, add, domain

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
GRUB, OURS = r'^boot: BIOS by GRUB', r'^boot: UEFI by BOOTX64\.EFI'
EFI_PARTITION = '@@2M'

# --- a USB stick ---
for boot in ('usb', 'usb-ehci'):
    add('boot-%s/%s' % (boot, QEMU), QEMU, text=domain('hello', 'hello'), arguments=('--boot', boot), timeout=60,
        expect=(GRUB, PASSED, SUCCESS))
    add('boot-%s-uefi/%s' % (boot, QEMU), QEMU, text=domain('hello', 'hello'), arguments=('--boot', boot),
        firmware='uefi', timeout=60,
        expect=(r"^Bulkhead's UEFI loader", r'\\bulkhead\\hello\.elf, ', OURS, PASSED, SUCCESS))
add('boot-disk/%s' % BOCHS_VMX, BOCHS_VMX, text=domain('hello', 'hello'), arguments=('--boot', 'disk'), timeout=90,
    expect=(GRUB, PASSED, SUCCESS))


# --- a stick from which a file is missing: the loader says so ---
def stick_without_guest(build):
    """Bytes of an image for a USB stick."""
    with tempfile.TemporaryDirectory() as folder:
        config, path = os.path.join(folder, 'stick.conf'), os.path.join(folder, 'stick.img')
        with open(config, 'w', encoding='utf-8') as file:
            file.write('[domain hello]\nkernel = hello.elf\n')
        shutil.copy(os.path.join(build, 'guests/tests/hello.elf'), folder)
        launcher = [sys.executable, os.path.join(ROOT, 'tools/bulkhead'), 'image', '--usb', '--config', config]
        subprocess.run(launcher + ['--out', path], check=True, env=dict(os.environ, BULKHEAD_BUILD=build))
        subprocess.run(['mdel', '-i', path + EFI_PARTITION, '::/bulkhead/hello.elf'], check=True)
        with open(path, 'rb') as file:
            return file.read()


add('loader-missing-file/%s' % QEMU, QEMU, text=domain('hello', 'hello'), firmware='uefi', timeout=60, status=3,
    files={'missing-file.img': stick_without_guest}, arguments=('--boot', 'usb', '--image', 'FOLDER/missing-file.img'),
    expect=(r'^bulkhead: cannot start: \\bulkhead\\hello\.elf: no such file',))


# --- machines that cannot run it: a sentence that says what to do ---
def refused(name, host, expect, *arguments, **options):
    add('refused-%s/%s' % (name, host), host, text=domain('hello', 'hello'), emulator_args=arguments, status=3,
        expect=(expect,), **options)


CANNOT = r'^bulkhead: cannot run here: '
refused('no-npt', QEMU, CANNOT + r'virtualization: .*no nested paging', '-cpu', 'max,-npt')
refused('no-xsave', QEMU, CANNOT + r'CPU: this CPU has no XSAVE', '-cpu', 'max,-xsave')
refused('no-long-mode', QEMU, CANNOT + r'this CPU lacks long mode or NX', '-cpu', 'max,-lm')
refused('no-ept', BOCHS_VMX, CANNOT + r"virtualization: this CPU's VT-x lacks",
        'cpu: model=core2_penryn_t9600, count=1, ips=50000000')
add('refused-memory/%s' % QEMU, QEMU, text=domain('hello', 'hello', initrd='./large-file'), memory='64M', status=3,
    timeout=60,
    files={'large-file': lambda build: bytes(80 << 20)},
    expect=(r'bulkhead: cannot start: the boot loader could not load large-file', r'out of memory'))


# --- the screen: boot messages up to a reason to stop, and a panic (a machine check that the monitor injects into the CPU
# that runs no guest), when drivers-dom has had the screen in between ---
def break_down(monitor, build):
    monitor.human('mce 1 0 0xb200000000000000 0 0 0')
    return ''


def show_and_quit(monitor, build):
    text = screen.read(monitor, build)
    monitor.call('quit')
    return text


STOPPED = (r'^screen: Bulkhead$', r'^screen: acpi: no IOMMU: .*$',
           r'^screen: bulkhead: cannot run here: virtualization: this CPU has no AMD-V',
           r'enable SVM mode in its setup', r'^screen: boot: the machine stops')
PANIC = (r'^screen: bulkhead: panic on CPU 1: machine check', r'^screen: rax [0-9a-f]{16} rbx',
         r'^screen: kernel: stopped')
for firmware, kind in (('bios', 'VGA text, 80 x 25'), ('uefi', r'frame buffer, \d+ x \d+')):
    add('screen-stop-%s/%s' % (firmware, QEMU), QEMU, text=domain('hello', 'hello'), firmware=firmware, timeout=60,
        status=3, monitor=True, emulator_args=('-cpu', 'max,-svm'), dialogue=((b'switched off in', show_and_quit),),
        expect=STOPPED + (r'^screen: screen: ' + kind,))
    add('screen-panic-%s/%s' % (firmware, QEMU), QEMU, text=domain('spin', 'spin', cmdline='9', cpus='0'),
        firmware=firmware, timeout=90, status=1, monitor=True, arguments=('--boot', 'usb'),
        dialogue=((b'tick 1 of', break_down), (b'is reset in', show_and_quit)), expect=PANIC, reject=())
