# SPDX-License-Identifier: MIT
"""The shell on the terminal and bulkheadctl in a guest: every command, and what each says when it cannot."""

from .table import BOCHS_VMX, QEMU, SUCCESS, UP, add, domain, linux

PROMPT = b'\rbulkhead> '
DONE = b'ok\r\n' + PROMPT
CHORD = b'\x1d'


def session(*steps):
    """(what is typed, what is waited for then) to the runner's (what is waited for, what is typed then)."""
    return tuple((wait, typed) for (_, wait), (typed, _) in zip(steps, steps[1:]))


def lines(*commands):
    """Typed in one go: the shell keeps what comes while a command is on its way."""
    return b''.join(command.encode() + b'\r' for command in commands)


# A command that cannot be carried out, and the sentence that says why.
REFUSED = (
    ('nonsense', r'there is no command "nonsense"'),
    ('lsit', r'there is no command "lsit"; did you mean "list"\?'),
    ('list x', r'list needs fewer arguments'),
    ('help nothing', r'there is no command "nothing"'),
    ('info nobody', r'there is no domain "nobody"'),
    ('info linx', r'there is no domain "linx"; did you mean "linux"\?'),
    ('create', r'create needs more arguments'),
    ('create x', r'no section \[domain x\]'),
    ('create x memory', r'"memory": an argument is KEY=VALUE'),
    ('create x kernel=nowhere', r'kernel = "nowhere": the boot image has no such file'),
    ('create x colour=blue', r'colour'),
    ('create x kernel=../guests/tests/hello.elf memory=9999G', r'memory'),
    ('create linux', r'domain "linux" exists already and is running'),
    ('start linux', r'domain "linux" is running'),
    ('start', r'start needs more arguments: start NAME'),
    ('pause spin', r'domain "spin" is created'),
    ('resume linux', r'domain "linux" is running'),
    ('shutdown spin', r'domain "spin" is created'),
    ('shutdown linux soon', r'"soon": seconds are a number'),
    ('reboot spin', r'domain "spin" is created'),
    ('reset nobody', r'there is no domain "nobody"'),
    ('destroy nobody', r'there is no domain "nobody"'),
    ('wait spin', r'domain "spin" is created; it must be started'),
    ('wait linux 0', r'domain "linux" is still running after 0 s'),
    ('log nobody', r'there is no domain "nobody"'),
    ('log linux x', r'"x": FROM is the number'),
    ('dmesg x', r'"x": FROM is the number'),
    ('top 0', r'top needs the time between two views'),
    ('exits spin', r'domain "spin" is created; exits are counted while it runs'),
    ('pin linux 5 0', r'"5"'),
    ('pin linux 0 9', r'"9": this machine has the CPUs 0 to 1'),
    ('sched linux 9', r'"9": a priority is a number from 0'),
    ('memory linux 8', r'memory = "8" \(1 characters\): allowed is a size'),
    ('vcpus spin 99', r'vcpus = "99" \(2 characters\): allowed is a number from 1 to 32'),
    ('mem-set linux 8M', r'there is no command "mem-set"; did you mean "memory"'),
    ('poweroff soon', r'"soon": seconds are a number'),
    ('console nobody', r'there is no console of a domain "nobody"'),
    ('info "linux', r'the closing " of a word is missing'),
    ('exit', r'this shell does not end'),
)

MANAGED = '[host]\nkeep-running = yes\nfile = ../guests/tests/hello.elf\n' + \
    linux('linux', cmdline='console=ttyS0 panic=-1 quiet', on_reboot='destroy') + domain('spin', 'spin', cmdline='3',
        autostart='no')

add('manage/%s' % QEMU, QEMU, text=MANAGED, timeout=100, dialogue=session(
    (b'', b'guest:/'),
    (CHORD, b'"help" lists the commands.\r\n' + PROMPT),
    (lines(*[command for command, _ in REFUSED]), b'this shell does not end'),
    # Keys: completion, cursor, history.
    (b'paus\tli\t\r', DONE),
    (b'lixst\x1b[D\x1b[D\x7f\r', b'spin'),
    (b'\x1b[A\x1b[A\x1b[H\x1b[3~\x1b[3~\x1b[3~\x1b[3~\x1b[3~resume\r', DONE),
    (lines('list -j', 'info', 'info linux', 'devices', 'exits linux', 'sched linux 3', 'pin linux 0 1',
        'help create'), b'on-crash'),
    (lines('start spin', 'wait spin 30', 'log spin'), b'# passed: 0 failed'),
    (lines('start spin', 'reboot spin 0', 'reset spin', 'shutdown spin 0', 'wait spin 20', 'destroy spin',
        'create spin', 'destroy spin', 'info spin'),
     b'there is no domain "spin"'),
    (lines('create other kernel=../guests/tests/hello.elf memory=32M debug-exit=yes', 'wait other 30', 'log other',
        'destroy other'), b'# passed: 0 failed'),
    (b'top 1\r', b'q ends this view'),
    (b'', b'drivers-dom'),
    (b'', b'q ends this view'),
    (b'q', PROMPT),
    (b'console linux\r', b'console of linux'),
    (b'echo con$((1))sole\n', b'con1sole'),
    (CHORD, PROMPT),
    (lines('dmesg', 'shutdown linux 60', 'wait linux 90', 'log linux', 'list'), b'ended'),
    (b'poweroff\r', b''),
), expect=tuple(r'^error: .*' + sentence for _, sentence in REFUSED) + (
    r'^linux +paused +192 +1', r'^\{"ok":true,"result":\[\{"name":"linux","state":"running","memory":192',
        r'^virtualization: +AMD-V',
    r'^kernel: +\.\./guests/linux/vmlinuz', r'^cpuid +\d+ +\d', r'^debug exit, status 0$', r'^tick 6 of 6',
        r'guest +monitor +driver +exits +memory',
    r'^bulkhead: AMD-V/NPT, 2 CPUs', r'^linux +ended +192 .*power off', SUCCESS))

# One short command at a time: that emulator's serial port loses what is more than its FIFO holds.
add('manage/%s' % BOCHS_VMX, BOCHS_VMX, timeout=150, text='[host]\nkeep-running = yes\n' + domain('spin', 'spin',
    cmdline='15'), dialogue=session(
    (b'', b'tick 1 of'),
    (CHORD, b'"help" lists the commands.\r\n' + PROMPT),
    (b'nonsense\r', b'there is no command'),
    (b'pause spin\r', DONE),
    (b'list\r', PROMPT),
    (b'exits spin\r', b'msr-write'),
    (b'resume spin\r', DONE),
    (b'wait spin 90\r', b'\r\n' + PROMPT),
    (b'log spin\r', b'# passed: 0 failed'),
    (b'destroy spin\r', DONE),
    (b'list\r', b'none'),
    (b'poweroff\r', b''),
), expect=(r'^error: there is no command "nonsense"', r'^spin +paused +32', r'^io +\d+ +\d',
    r'^debug exit, status 0$', r'^tick 30 of 30', SUCCESS))

# The same without a person, by a guest; `sleep` is not waited for, so that an old answer is on the way when the next
# command is given.
SCRIPT = '; '.join((
    'bulkheadctl list', 'bulkheadctl -j start spin', 'bulkheadctl wait spin 30', 'bulkheadctl log spin | tail -n 1',
    'bulkheadctl start nobody', 'echo refused: $?', 'bulkheadctl --timeout 1 sleep 3', 'echo late: $?',
    'bulkheadctl info spin -j', 'bulkheadctl destroy spin', 'bulkheadctl list',
    'bulkheadctl --device /dev/nowhere list', 'echo nowhere: $?'))
add('bulkheadctl/%s' % QEMU, QEMU, timeout=120, text=linux('control', SCRIPT, cmdline='console=ttyS0 panic=-1 quiet',
    control='yes') +
    domain('spin', 'spin', cmdline='2', autostart='no'),
    expect=(UP, r'control +running +192', r'\{"ok":true,"result":null\}', r'debug exit, status 0$',
        r'# passed: 0 failed',
            r'error: there is no domain "nobody"', r'refused: 1$', r'error: the manager does not answer in time',
                r'late: 2$',
            r'\{"ok":true,"result":\{"name":"spin","state":"ended"', r'nowhere: 2$', SUCCESS))

# The same shell in a guest, on its terminal, where the lines are edited by bulkheadctl itself; it ends by a command, by Ctrl-D, by a
# signal, and without input; the guest's terminal is as before.
add('bulkheadctl-shell/%s' % QEMU, QEMU, timeout=90, text=linux('control', cmdline='console=ttyS0 panic=-1 quiet', control='yes') +
    domain('spin', 'spin', cmdline='2', autostart='no', console='no'), dialogue=session(
    (b'', b'guest:/'),
    (b'bulkheadctl\n', PROMPT),
    (b'lis\t\r', b'spin'),
    (b'', PROMPT),
    (b'paus\tspin\r', b'is created'),
    (b'', PROMPT),
    (b'lixst\x1b[D\x1b[D\x7f\x1b[F -j\r', b'{"ok":true,"result":[{"name":"control"'),
    (b'', PROMPT),
    (b'start spin\r', DONE),
    (b'wait spin 60\r', b'debug exit, status 0\r\n' + PROMPT),
    (b'dmesg\r', b'AMD-V/NPT'),
    (b'', PROMPT),
    (b'sleep 50\r\x03', PROMPT),
    (b'top 1\r', b'q ends this view'),
    (b'', b'drivers-dom'),
    (b'', b'q ends this view'),
    (b'q', PROMPT),
    (b'console spin\r', b'shown on the machine'),
    (b'', PROMPT),
    (b'exit\r', b'guest:/'),
    (b'echo sta$((1))tus $?; bulkheadctl\n', PROMPT),
    (b'\x04', b'guest:/'),
    (b'(sleep 3; killall bulkheadctl) & echo again $?; bulkheadctl\n', PROMPT),
    (b'', b'guest:/'),
    (b'echo killed $?; echo lines: $(stty -a | grep -c " icanon "); bulkheadctl </dev/null; echo none $?; echo list | bulkheadctl; echo piped $?; poweroff -f\n', b''),
), expect=(r'^error: domain "spin" is created', r'^sta1tus 0$', r'^again 0', r'^killed 143', r'^lines: 1', r'^usage: bulkheadctl', r'^none 2', r'^piped 2', SUCCESS))
