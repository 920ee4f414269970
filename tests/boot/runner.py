# SPDX-License-Identifier: MIT
"""Runs boot tests through tools/bulkhead and judges what they print."""

import concurrent.futures
import os
import re
import subprocess
import tempfile
import threading
import time

from . import screen, table

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
LAUNCHER = os.path.join(ROOT, 'tools', 'bulkhead')
CONTROL = re.compile(r'\x1b\[[0-9;?=]*[A-Za-z]|\r')
CURSOR = re.compile(rb'\x1b\[[0-9]*;[0-9]*H')  # a BIOS may put one into the middle of a word
STATUS_HOST = 3


def list_tests():
    for test in table.TESTS:
        print('%-44s %s' % (test.name, test.host))


def command_line(test, config, log):
    line = [LAUNCHER, 'run', '--config', config, '--host', test.host, '--cpus', str(test.cpus), '--memory', test.memory,
            '--firmware', test.firmware, '--timeout', str(test.timeout), '--log', log]
    line += [] if test.dialogue else ['--headless']
    line += ['--icount'] if test.icount else []
    line += ['--allow-missing'] if test.allow_missing else []
    line += [argument.replace('FOLDER', os.path.dirname(config)) for argument in test.arguments]
    for argument in test.emulator_args + (('-qmp', 'unix:%s,server=on,wait=off' % monitor_path(test)) if test.monitor else ()):
        line += ['--emulator-arg=' + argument]
    return line


def monitor_path(test):
    """Short: the address of a socket has 107 bytes."""
    return os.path.join(tempfile.gettempdir(), 'boot-test-%d-%s' % (os.getpid(), test.name.replace('/', '-')))


def look(test, act, build):
    """The act's text, each line marked: what is expected there is not mistaken for the console's."""
    try:
        monitor = screen.Monitor(monitor_path(test))
        text = act(monitor, build)
        monitor.close()
    except (OSError, RuntimeError, ValueError) as error:
        text = 'monitor: %s' % error
    return ''.join('screen: %s\n' % line for line in text.splitlines())


def judge(test, status, text):
    """A list of what is wrong."""
    wrong = []
    if status not in (test.status if isinstance(test.status, tuple) else (test.status,)):
        wrong.append('status %s, expected %s' % (status, test.status))
    for pattern in test.expect:
        if not re.search(pattern, text, re.M):
            wrong.append('no line /%s/' % pattern)
    for pattern in test.reject:
        found = re.search('.*' + pattern + '.*', text, re.M)
        if found:
            wrong.append('line: %s' % found.group(0).strip())
    return wrong


def talk(process, test, build):
    """Waits for each text behind the one before, and types the answer a moment later, as a person does, or lets the answer act on the
    emulator's monitor. Returns what that saw."""
    seen, looks = b'', ''
    for pattern, answer in test.dialogue:
        while pattern not in seen:
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                return looks
            seen = CURSOR.sub(b'', seen + data)
        seen = seen.split(pattern, 1)[1]
        time.sleep(1)
        if callable(answer):
            looks += look(test, answer, build)
            continue
        try:
            os.write(process.stdin.fileno(), answer)
        except BrokenPipeError:
            return looks
    while os.read(process.stdout.fileno(), 65536):
        pass
    return looks


def launch(test, line, environment, build):
    """Exit status, what the monitor saw, and messages of the launcher. It keeps the time itself; ours is for the case that it hangs."""
    process = subprocess.Popen(line, stdin=subprocess.PIPE if test.dialogue else subprocess.DEVNULL, stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE if test.dialogue else subprocess.DEVNULL, env=environment)
    timer = threading.Timer(test.timeout + 120, process.kill)
    timer.start()
    try:
        looks = talk(process, test, build) if test.dialogue else ''
        errors = process.stderr.read().decode(errors='replace')
        return process.wait(), looks, errors
    finally:
        timer.cancel()


def fill_in(text, values):
    for name, value in values.items():
        text = re.sub(r'\b%s\b' % name, value, text)
    return text


def attempt(test, build, logs, suffix):
    folder = os.path.join(build, 'boot-tests')
    os.makedirs(folder, exist_ok=True)
    stem = test.name.replace('/', '-')
    config = test.config
    beside = test.beside() if test.beside else None
    values = beside.values if beside else {}
    if not config:
        config = os.path.join(folder, stem + '.conf')
        with open(config, 'w', encoding='utf-8') as file:
            file.write(fill_in(test.text, values))
    elif not os.path.isabs(config):
        config = os.path.join(ROOT, config)
    log = os.path.join(logs, 'boot-%s%s.log' % (stem, suffix))
    line = [fill_in(word, values) for word in command_line(test, config, log)]
    environment = dict(os.environ, BULKHEAD_BUILD=build)
    for name, make in test.files.items():
        path = os.path.join(folder, name)
        with open(path, 'wb') as file:
            file.write(make(build))
    status, looks, errors = launch(test, line, environment, build)
    with open(log, 'a', encoding='utf-8') as file:
        file.write('\n' + looks + '\n--- launcher, status %s ---\n%s' % (status, errors))
    with open(log, encoding='utf-8', errors='replace') as file:
        text = CONTROL.sub('', file.read())
    wrong = judge(test, status, text)
    if beside:
        wrong += beside.finish(text)
    if test.after:
        wrong += test.after(folder, text)
    return wrong, status, log


def run_all(total, report, tail, build, logs, only, jobs):
    tests = [t for t in table.TESTS if any(word in t.name for word in only or ())] if only else [t for t in table.TESTS if not t.on_demand]
    if not tests:
        print('no boot test is called that; tests/run --list prints the names')
        total.add('boot', failed=1)
        return
    lock = threading.Lock()

    def one(test):
        begin = time.monotonic()
        wrong, status, log = attempt(test, build, logs, '')
        note = ''
        if wrong and status not in (2, STATUS_HOST):
            # The emulators hang now and then for reasons of their own: one more try, and it is said.
            first = '; '.join(wrong)
            wrong, status, log = attempt(test, build, logs, '-again')
            note = 'second try; the first: ' + first
        with lock:
            total.add('boot/' + test.name, passed=not wrong, failed=bool(wrong))
            report('boot/' + test.name, not wrong, '; '.join(wrong) + (' ' if wrong and note else '') + note, time.monotonic() - begin)
            if wrong:
                print('    log: %s' % log)
                tail(log)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for future in [pool.submit(one, test) for test in sorted(tests, key=lambda t: -t.timeout)]:
            future.result()
