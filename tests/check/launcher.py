# SPDX-License-Identifier: MIT
"""The launcher's own tests: every mistake gets its sentence, and nothing a traceback."""

import glob
import os
import socket
import subprocess
import time

from . import expected, load

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
LAUNCHER = os.path.join(ROOT, 'tools', 'bulkhead')
SMALL = '[domain a]\nkernel = ../guests/tests/hello.elf\nmemory = 32M\nnet = lan\n'


def run(build, arguments, shell=''):
    """Exit status and all that is said. shell: redirections, e.g. '>&-'."""
    line = ['sh', '-c', 'exec "$@" ' + shell, 'sh', LAUNCHER] + arguments
    result = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=120,
                            env=dict(os.environ, BULKHEAD_BUILD=build))
    return result.returncode, result.stdout.decode(errors='replace')


def judge(said, status, wanted_status, texts):
    wrong = [] if status == wanted_status else ['status %s, expected %s' % (status, wanted_status)]
    wrong += ['no "%s"' % text for text in texts if text not in said]
    if 'Traceback' in said or 'Exception' in said:
        wrong.append('a traceback')
    return wrong + ([said.strip()[-400:]] if wrong else [])


def mistakes(build, folder):
    """(name, what is wrong) for each configuration with a mistake."""
    for name, text in load():
        path = os.path.join(folder, name + '.conf')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        status, said = run(build, ['check', path])
        wrong = judge(said, status, 2, expected(text, 'check') + ['%s: 1 error, checked for a machine with' % path])
        yield 'check/' + name, wrong


def examples(build):
    """The configurations that come with the sources are right."""
    for path in sorted(glob.glob(os.path.join(ROOT, 'configs', '*.conf'))):
        status, said = run(os.path.join(ROOT, 'build'), ['check', path, '--memory', '2G', '--cpus', '4'])
        # Guests that this build has not made are files that are not there, and nothing else may be wrong.
        others = [line for line in said.splitlines()
                  if line.startswith('bulkhead: ') and 'no such file' not in line and ' error' not in line]
        wrong = others + judge(said, status, 2 if 'no such file' in said else 0, [])
        yield 'check/configs/' + os.path.basename(path), wrong


def table(folder, taken):
    """(name, arguments, redirections, status, texts) of wrong uses of the launcher."""
    small = os.path.join(folder, 'small.conf')
    out = os.path.join(folder, 'out.iso')
    return (
        ('no-config', ['image', '--config', folder + '/smal.conf', '--out', out], '', 2,
         ['no such configuration', 'did you mean "small.conf"?']),
        ('config-is-folder', ['check', folder], '', 2, ['is a folder']),
        ('config-not-text', ['check', folder + '/binary.conf'], '', 2, ['character code', 'a configuration is text']),
        ('config-not-utf8', ['image', '--config', folder + '/latin.conf', '--out', out], '', 2, ['no such file']),
        ('empty-config', ['check', os.devnull], '', 2, ['no domain is defined']),
        ('out-is-folder', ['image', '--config', small, '--out', folder], '', 2, ['is a folder; --out names the file']),
        ('out-not-writable', ['image', '--config', small, '--out', '/proc/none/x.iso'], '', 3, ['/proc/none']),
        ('no-build', ['image', '--config', small, '--out', out], 'NOBUILD', 2, ['not built yet: run make first']),
        ('image-is-folder', ['run', '--image', folder], '', 2, ['is a folder']),
        ('log-is-folder', ['run', '--config', small, '--headless', '--log', folder], '', 3, ['Is a directory']),
        ('log-disk-full', ['run', '--config', small, '--headless', '--timeout', '20', '--log', '/dev/full'], '', 3,
         ['/dev/full: No space left']),
        ('stdout-full', ['check', small], '>/dev/full', 3, ['No space left']),
        ('stdout-closed', ['check', small], '>&-', 0, []),
        ('port-taken', ['run', '--config', small, '--headless', '--forward',
                        'tcp:127.0.0.1:%d-10.0.2.15:22' % taken], '', 3,
         ['port %d of this machine cannot be used' % taken]),
        ('forward-nonsense', ['run', '--forward', 'nonsense'], '', 2, ['allowed is tcp:ADDRESS:PORT-GUEST:PORT']),
        ('forward-no-net', ['run', '--config', folder + '/misspelt-key.conf', '--forward', 'tcp::2222-:22'], '', 2,
         ['net = uplink']),
        ('commands-too-large', ['check', folder + '/large-commands.conf'], '', 2,
         [':2: commands = large.commands: the file has 2097152 bytes, and a file of commands at most 1 MiB of text']),
        ('commands-not-text', ['check', folder + '/binary-commands.conf'], '', 2,
         [':2: commands = binary.conf: line 1 of the file is longer than 4000 bytes or has a zero byte']),
        ('file-too-large', ['check', folder + '/large-file.conf'], '', 2,
         [':2: file = large: the file has 3072M, and is loaded into memory: the machine has 1024M', '1 error']),
        ('no-time', ['run', '--timeout', 'soon'], '', 2, ['a number of seconds']),
    )


def misuse(build, folder):
    contents = {'small.conf': SMALL.encode(), 'binary.conf': bytes(range(256)),
                'latin.conf': SMALL.replace('hello', 'h\xe9llo').encode('latin-1')}
    for name, key in (('large-commands', 'commands = large.commands'), ('binary-commands', 'commands = binary.conf'),
                      ('large-file', 'file = large')):
        contents[name + '.conf'] = ('[host]\n%s\n%s' % (key, SMALL)).encode()
    for name, data in contents.items():
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(data)
    for name, size in (('large.commands', 2 << 20), ('large', 3 << 30)):
        with open(os.path.join(folder, name), 'wb') as file:
            file.truncate(size)
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        for name, arguments, shell, wanted, texts in table(folder, listener.getsockname()[1]):
            empty = shell == 'NOBUILD'
            status, said = run(os.path.join(folder, 'empty') if empty else build, arguments, '' if empty else shell)
            yield 'launcher/' + name, judge(said, status, wanted, texts)


def run_all(total, report, build):
    folder = os.path.join(build, 'check-tests')
    os.makedirs(folder, exist_ok=True)
    begin = time.monotonic()
    for part in (mistakes(build, folder), misuse(build, folder), examples(build)):
        for name, wrong in part:
            total.add(name, passed=not wrong, failed=bool(wrong))
            if wrong:
                report(name, False, '; '.join(wrong), time.monotonic() - begin)
    failed = any(name.startswith(('check/', 'launcher/')) for name in total.failures)
    report('check, launcher', not failed, '', time.monotonic() - begin)
