# SPDX-License-Identifier: MIT
"""Boot tests of commands: the life of domains at run time, errors, and that nothing is lost. Driven by files of commands."""

import re

from .table import BOCHS_VMX, FAILURE, QEMU, SUCCESS, add, domain

SPIN, HELLO, REBOOT, TRIPLE, POWEROFF = ('../guests/tests/%s.elf' % name for name in ('spin', 'hello', 'reboot', 'triple', 'poweroff'))
CONFIG_ERROR = r'^bulkhead: configuration error'


def script(name, host, lines, text='', files=(), **keys):
    """A test whose configuration is `text` and a [host] section with this file of commands."""
    commands = 'lifecycle-%s-%s.commands' % (name, host)
    head = '[host]\ncommands = %s\n%s' % (commands, ''.join('file = %s\n' % file for file in files))
    body = ''.join(line + '\n' for line in lines).encode()
    add('lifecycle-%s/%s' % (name, host), host, text=head + text, files={commands: lambda build: body}, **keys)


def answers(console, command):
    """What the command answered, each time, in the manager's log; lines of others may stand in it."""
    return re.findall(r'^bulkhead: \S+:\d+: %s: (.*(?:\n(?!bulkhead: \S+:\d+: ).*)*)' % re.escape(command), console, re.M)


def same(command, keys):
    """What these keys of the first and the last answer to the command say is equal."""
    def look(folder, console):
        results = answers(console, command)
        if len(results) < 2:
            return ['"%s" was not answered twice' % command]
        first, last = ([re.findall('"%s":(\\d+)' % key, result)[:1] for key in keys] for result in (results[0], results[-1]))
        return [] if first == last and [] not in first else ['%s: %s before, %s after' % (command, first, last)]
    return look


MACHINE = ('pages-free', 'pool-used', 'handles', 'events', 'heap-used', 'domains')


def nothing_lost(folder, console):
    return same('info', MACHINE)(folder, console) + same('info drivers-dom', ('kernel-pages', 'handles', 'events'))(folder, console)


def cycles(count, keys):
    """Seven names, so that places are used again in another order."""
    create = 'create %s kernel=%s memory=8M ' + keys
    lines = ['sleep 2', create % ('first', SPIN), 'destroy first', 'info', 'info drivers-dom']
    for i in range(count):
        lines += [create % ('d%d' % (i % 7), SPIN)]
        lines += ['destroy d%d' % ((i - 3) % 7)] if i >= 3 else []
    return lines + ['destroy d%d' % ((count - 1 - i) % 7) for i in range(3)] + ['sleep 1', 'info', 'info drivers-dom']


# --- 1,000 domains come and go, with network card, control channel and console; every page, handle and event comes back ---
script('cycles', QEMU, cycles(1000, 'net=lan control=yes'), files=(SPIN,), timeout=400, memory='256M', expect=(SUCCESS,), after=nothing_lost)
script('cycles', BOCHS_VMX, cycles(20, 'net=lan control=yes'), files=(SPIN,), timeout=300, memory='256M', expect=(SUCCESS,), after=nothing_lost)

# --- every command, and its errors ---
COMMANDS = (
    'list', 'info', 'info spin', 'create x kernel=%s memory=8M debug-exit=yes "cmdline=two words"' % HELLO, 'wait x 20', 'log x', 'start x', 'wait x 20',
    'destroy x', 'pause spin', 'list', 'resume spin', 'top', 'exits spin', 'pin spin 0 1', 'pin spin 0 0', 'sched spin 3', 'start later', 'wait later 20',
    'destroy later', 'create later', 'start later', 'wait later 20', 'create off kernel=%s memory=8M on-shutdown=restart restart-limit=1' % POWEROFF,
    'wait off 20', 'create crash kernel=%s memory=8M on-crash=preserve' % TRIPLE, 'wait crash 20', 'list', 'log crash', 'reset crash', 'wait crash 20',
    'destroy crash', 'reset spin', 'reboot spin 0', 'shutdown off2', 'dmesg', 'devices', 'help', 'help pin', 'sleep 0', 'wait spin 60')
WRONG = (
    ('lst', r'no command \\"lst\\"; did you mean \\"list\\"'), ('destroy spim', r'no domain \\"spim\\"; did you mean \\"spin\\"'),
    ('destroy', r'destroy needs more arguments: destroy NAME'), ('list all', r'list needs fewer arguments'),
    ('create y kernel=foo', r'kernel = \\"foo\\": the boot image has no such file'),
    ('create y kernel=%s memory=9000G' % SPIN, r'memory = \\"9000G\\" \(5 characters\): allowed is'),
    ('create y kernel=%s memory=100G' % SPIN, r'memory = 102400M: only \d+M of this machine.s memory are free'),
    ('create y kernel=%s memry=8M' % SPIN, r'unknown key \\"memry\\"; did you mean \\"memory\\"'),
    ('create y kernel=%s cpus=7' % SPIN, r'there is no CPU 7; this machine has 2'),
    ('create y kernel=%s cpus=0 dedicated=yes' % SPIN, r'CPU 0 is wanted as dedicated|CPU 0 runs \d vcpu'),
    ('create y memory=16M', r'kernel is missing'), ('create y kernel', r'an argument is KEY=VALUE'),
    ('create a/b kernel=x', r'a name has 1 to 31 letters'), ('create spin', r'exists already and is running'),
    ('create nosuch', r'no section \[domain nosuch\]'), ('start spin', r'is running; \\"reset\\" starts it anew'),
    ('resume spin', r'is running; it need not be resumed'), ('pause later', r'is created; only a running domain can be paused'),
    ('shutdown later', r'is created; only a running domain can be shut down'), ('shutdown spin soon', r'seconds are a number from 0 to 86400'),
    ('pin spin 1 0', r'has the vcpus 0 to 0'), ('pin spin 0 2', r'this machine has the CPUs 0 to 1'), ('sched spin 7', r'a number from 0 \(lowest\) to 6'),
    ('exits later', r'is created; exits are counted while it runs'), ('wait later', r'is created; it must be started'), ('wait spin 0', r'is still running after 0 s'),
    ('log spin now', r'FROM is the number'), ('poweroff now', r'seconds are a number'), ('echo "a', r'the closing \\" of a word is missing'))
BOTH = (domain('spin', 'spin', memory='8M', cmdline='3', priority=2) + domain('later', 'hello', memory='8M', autostart='no'))


def all_answered(folder, console):
    """No command but one failed; states as they must be; and each wrong one says what is wrong."""
    wrong = ['"%s" -> no error /%s/' % (line, text) for line, text in WRONG if not re.search(r': error: ".*%s' % text, console)]
    failed = re.findall(r'^bulkhead: \S+lifecycle-commands\S*:\d+: (.*?): error: ', console, re.M)
    wrong += ['"%s" failed' % line for line in failed if line not in [w[0][:70] for w in WRONG] and line != 'shutdown off2']
    states = {state for table in answers(console, 'list') for state in re.findall(r'"name":"(\w+)","state":"(\w+)"', table)}
    wanted = {('spin', 'running'), ('spin', 'paused'), ('later', 'created'), ('later', 'ended'), ('crash', 'preserved')}
    return wrong + ['no domain was seen as %s' % sorted(wanted - states)] * bool(wanted - states)


# The line that may not fail and does makes the result a configuration error.
LINES = ['-' + line for line, _ in WRONG] + list(COMMANDS)
script('commands', QEMU, LINES, text=BOTH, files=(SPIN, HELLO, TRIPLE, POWEROFF), timeout=120, status=2, after=all_answered, expect=(
    r'log crash: ', r'^domain off: restarting after: ', r'^domain off: not restarted: it ended 2 times', CONFIG_ERROR))

# --- restarts wait longer and longer; shutdown ends them; a script's domains do not decide the result ---
script('restarts', QEMU, ('create r kernel=%s memory=8M' % REBOOT, 'sleep 5', 'list', 'shutdown r', 'list', 'wait r 1'), files=(REBOOT,), timeout=90, expect=(
    r'^domain r: restarting after: ', r'^domain r: restarting in 1 s after: ', r'^domain r: restarting in 2 s after: ', SUCCESS))
script('failure', QEMU, ('wait bad 20', 'create fine kernel=%s memory=8M debug-exit=yes' % HELLO, 'wait fine 20'), text=domain('bad', 'triple', memory='8M'),
       files=(HELLO,), timeout=60, status=1, expect=(r'# passed: 0 failed', FAILURE))
