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
BOTH = (domain('spin', 'spin', memory='8M', cmdline='6', priority=2) + domain('later', 'hello', memory='8M', autostart='no'))


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

# --- memory, vcpus, CPUs and priority stay as a command has set them, over every kind of restart; what cannot be is refused ---
SIZES = (domain('small', 'hello', memory='8M', autostart='no') + domain('smp', 'smp', memory='8M', autostart='no') +
         domain('spin', 'spin', memory='8M', cmdline='60', autostart='no') + domain('again', 'reboot', memory='8M', restart_limit=2) +
         domain('fixed', 'hello', memory='8M', autostart='no', cpus=2, dedicated='yes') +
         domain('two', 'hello', memory='8M', autostart='no', vcpus=2, cpus='0,1'))
NO_SIZE = (
    ('memory spin 16', r'memory = \\"16\\" \(2 characters\): allowed is a size'), ('memory spin 400G', r'only \d+M are there for \\"spin\\"'),
    ('vcpus spin 0', r'vcpus = \\"0\\" \(1 characters\): allowed is a number from 1 to 32'),
    ('vcpus fixed 2', r'dedicated = yes needs a CPU for each vcpu'), ('vcpus two 1', r'cpus names 2 CPUs for 1 vcpus'),
    ('pin small 0 2', r'CPU 2 is dedicated to another domain'), ('pin fixed 0 1', r'has dedicated CPUs'), ('pin small 1 0', r'has the vcpus 0 to 0'),
    ('create r kernel=%s dedicated=yes cpus=1' % HELLO, r'CPU 1 is wanted as dedicated, but is also used by domain \\"spin\\"'))


def all_sized(folder, console):
    wrong = ['"%s" -> no error /%s/' % (line, text) for line, text in NO_SIZE if not re.search(r': error: ".*%s' % text, console)]
    last = (answers(console, 'list') or [''])[-1]
    rows = {name: (memory, vcpus, cpus) for name, memory, vcpus, cpus in
            re.findall(r'"name":"(\w+)","state":"\w+","memory":(\d+),"vcpus":(\d+),"cpus":"([^"]*)"', last)}
    wanted = {'small': ('24', '1', ''), 'smp': ('8', '2', 'any,0'), 'again': ('12', '1', '1'), 'fixed': ('8', '1', '2'), 'two': ('8', '2', '0,1')}
    wrong += ['%s is %s, expected %s' % (name, rows.get(name), row) for name, row in wanted.items() if rows.get(name) != row]
    return wrong + ['spin is %s' % (rows.get('spin'),)] * (rows.get('spin', ())[:2] != ('16', '2') or not rows['spin'][2].startswith('1,'))


script('size', QEMU, [
    'memory again 12M', 'pin again 0 1', 'memory small 24M', 'start small', 'wait small', 'log small', 'vcpus smp 2', 'start smp', 'wait smp',
    'start spin', 'pin smp 1 0', 'pin spin 0 1', 'sched spin 3', 'memory spin 16M', 'vcpus spin 2', 'info spin', 'reset spin', 'info spin', 'wait again'] +
    ['-' + line for line, _ in NO_SIZE] + ['list', 'shutdown spin 0'], text=SIZES, cpus=3, timeout=120, status=1, after=all_sized, expect=(
        r'usable memory 2[34]\d\d\d KiB', r'memory spin 16M: "domain .*keeps 8M and 1 vcpu until its next start, then it has 16M and 1"',
        r'vcpus spin 2: ".*then it has 16M and 2"', r'"memory-next":16,"vcpus-next":2', r'"priority":3', r'^domain smp: ended: debug exit, status 0', FAILURE))

# --- restarts wait longer and longer; shutdown ends them; a script's domains do not decide the result ---
script('restarts', QEMU, ('create r kernel=%s memory=8M' % REBOOT, 'sleep 5', 'list', 'shutdown r', 'list', 'wait r 1'), files=(REBOOT,), timeout=90, expect=(
    r'^domain r: restarting after: ', r'^domain r: restarting in 1 s after: ', r'^domain r: restarting in 2 s after: ', SUCCESS))
script('failure', QEMU, ('wait bad 20', 'create fine kernel=%s memory=8M debug-exit=yes' % HELLO, 'wait fine 20'), text=domain('bad', 'triple', memory='8M'),
       files=(HELLO,), timeout=60, status=1, expect=(r'# passed: 0 failed', FAILURE))
