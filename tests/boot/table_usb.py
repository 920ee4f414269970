# SPDX-License-Identifier: MIT
"""Boot tests of USB keyboards: QEMU sends keys to the keyboard that came last, which is the USB one while it is plugged in."""

from . import screen
from .table import BOCHS_VMX, QEMU, SUCCESS, add
from .table_terminal import NOBODY, type_keys

NO_PS2 = ('-machine', 'i8042=off')
XHCI = NO_PS2 + ('-device', 'qemu-xhci,id=xhci')
KEYBOARD = XHCI + ('-device', 'usb-kbd,id=keyboard,bus=xhci.0')
FOUND = r'^drivers-dom: PCI 00:0\d\.0: a USB keyboard \(0627:0001\) at port \d'


def unplug(monitor, build):
    monitor.call('device_del', id='keyboard')
    return screen.read(monitor, build)


def plug(monitor, build):
    monitor.call('device_add', driver='usb-kbd', id='again', bus='xhci.0')
    return screen.read(monitor, build)


# --- typed on it, pulled out, put back, typed again ---
add('usb-keyboard/%s' % QEMU, QEMU, text=NOBODY, monitor=True, timeout=90, emulator_args=KEYBOARD,
    dialogue=((b'a USB keyboard', lambda monitor, build: ''), (b'bulkhead> ', type_keys('help pin\n')), (b'moves a vcpu', unplug), (b'is gone', plug),
              (b'a USB keyboard', type_keys('poweroff\n'))),
    expect=(r'^drivers-dom: the terminal is COM1, the screen, USB keyboards', FOUND, r'the USB keyboard at port \d is gone',
            r'^screen: bulkhead> help pin$', SUCCESS))

# --- behind a hub, behind an IOMMU, beside the stick that was booted; drivers-dom is killed and finds it again ---
HUB = ('-device', 'usb-hub,bus=usb.0,port=3,id=hub', '-device', 'usb-kbd,bus=usb.0,port=3.2')
add('usb-keyboard-hub/%s' % QEMU, QEMU, text='[host]\nkeep-running = yes\ndrivers-restart = 6000\n', monitor=True, timeout=90,
    arguments=('--boot', 'usb', '--iommu'), emulator_args=NO_PS2 + HUB,
    dialogue=((b'at a hub', lambda monitor, build: ''), (b'has ended: killed', lambda monitor, build: ''), (b'at a hub', type_keys('help pin\n')),
              (b'moves a vcpu', type_keys('poweroff\n'))),
    expect=(r'a USB hub with 8 ports', r"a USB keyboard \(0627:0001\) at a hub's port 2", r'^screen: bulkhead> help pin$', SUCCESS))

# --- another controller: Bochs's, whose only keyboard is a keypad. It is found; nobody types on it ---
add('usb-keyboard/%s' % BOCHS_VMX, BOCHS_VMX, text=NOBODY, cpus=1, timeout=120, emulator_args=('usb_xhci: enabled=1, port3=keypad',),
    dialogue=((b'a USB keyboard', b'poweroff\n'),), expect=(r'a USB keyboard \(04b4:0101\) at port 3', SUCCESS))
