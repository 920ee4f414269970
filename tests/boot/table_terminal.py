# SPDX-License-Identifier: MIT
"""Boot tests of the terminal: the shell on screen and keyboard, virtio consoles, control channels, random numbers."""

from . import screen
from .table import QEMU, SUCCESS, add, linux

KEYS = {' ': 'spc', '\n': 'ret', '-': 'minus', '.': 'dot', '/': 'slash', '\x1d': 'ctrl-bracket_right'}
NOBODY = '[host]\nkeep-running = yes\n'


def type_keys(text):
    """A function for a dialogue: reads the screen, then types on the machine's keyboard."""
    def act(monitor, build):
        seen = screen.read(monitor, build)
        for key in text:
            monitor.call('send-key', keys=[{'type': 'qcode', 'data': part} for part in KEYS.get(key, key).split('-')])
        return seen
    return act


# --- the shell where there is no serial line: VGA text and a frame buffer ---
SHELL = ((b'bulkhead> ', type_keys('help pin\n')), (b'moves a vcpu', type_keys('poweroff\n')))
for name, firmware, memory in (('text', 'bios', '512M'), ('pixels', 'uefi', '768M')):
    add('screen-shell-%s/%s' % (name, QEMU), QEMU, text=NOBODY, firmware=firmware, memory=memory, monitor=True, timeout=90, dialogue=SHELL,
        expect=(r'^drivers-dom: the terminal is COM1, the screen, a PS/2 keyboard', r'^screen: bulkhead> help pin$', SUCCESS))

# --- nothing could be started: somebody has the time to read why, and a shell; unless the configuration says otherwise ---
WRONG = '[domain web]\nkernel = ../guests/tests/hello.elf\nmemory = 32\n'
MESSAGE = r'bulkhead: stays-on\S*\.conf:\d: domain "web": memory = "32"'
add('stays-on/%s' % QEMU, QEMU, text=WRONG, monitor=True, timeout=90, status=2, dialogue=(
    (b'a PS/2 keyboard', type_keys('list\n')), (b'ended', type_keys('poweroff\n'))),
    expect=(r'^' + MESSAGE, r'^screen: ' + MESSAGE, r'^screen: bulkhead: the machine stays on', r'^bulkhead: configuration error'))
add('stays-off/%s' % QEMU, QEMU, text='[host]\nkeep-running = no\n' + WRONG.replace('web', 'off'), timeout=60, status=2, reject=(
    r'the machine stays on', r'did not power off', r'bulkhead: panic'), expect=(r'domain "off": memory = "32"', r'^bulkhead: configuration error'))

# --- devices of guests ---
UP = r'Bulkhead guest: user space is up'
add('hvc-rng/%s' % QEMU, QEMU, text=linux('linux', 'echo hello $((2+3)) times >/dev/hvc0; cat /sys/class/misc/hw_random/rng_current; '
    'echo random: $(dd if=/dev/hwrng bs=100 count=10 2>/dev/null | wc -c)', hvc='yes', rng='yes'), timeout=120,
    expect=(UP, r'^\[linux\.hvc0\] hello 5 times', r'virtio_rng', r'random: 1000', 'command ended with status 0', SUCCESS))

# --- a control channel: commands in a row, drivers-dom being killed meanwhile; each has its answer, once ---
MANY = 'echo answers: $(for i in $(seq 40); do bulkheadctl -j info linux | grep -c running; done | grep -c ^1$); bulkheadctl list'
for name, host in (('control', ''), ('control-killed', '[host]\ndrivers-restart = 2500\n')):
    add('%s/%s' % (name, QEMU), QEMU, text=host + linux('linux', MANY, control='yes'), timeout=120,
        expect=(UP, r'answers: 40$', 'command ended with status 0', SUCCESS) + ((r'drivers-dom has ended: killed',) if host else ()))
