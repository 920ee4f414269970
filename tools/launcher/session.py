# SPDX-License-Identifier: MIT
"""One run of an emulator: moves the serial console between it, the user and the log, and reads the result."""

import ctypes
import os
import pty
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import tty

from .errors import LaunchError, STATUS_FAILURE, STATUS_HOST, STATUS_SUCCESS, STATUS_TIMEOUT, STATUS_USAGE

STAYS_ON = re.compile(rb'bulkhead: the machine stays on')
CANNOT_RUN = re.compile(rb'bulkhead: cannot (run|start)')
# Lines by which the manager or the kernel ends a run. The last one before the machine went off counts, so that
# a guest that prints such a line gains nothing.
RESULTS = (
    (re.compile(rb'bulkhead: all domains ended: success'), STATUS_SUCCESS),
    (re.compile(rb'bulkhead: domain failure'), STATUS_FAILURE),
    (re.compile(rb'bulkhead: configuration error'), STATUS_USAGE),
    (CANNOT_RUN, STATUS_HOST),
    (re.compile(rb'bulkhead: panic'), STATUS_FAILURE),
    (re.compile(rb'kernel: the manager has ended'), STATUS_FAILURE),
)
CONTROL = re.compile(rb'\x1b\[[0-9;?=]*[A-Za-z]')
LINGER = 10     # seconds of silence after a result in which the machine should have gone off
READER_LINGER = 1  # it has said what it has to say, and only waits for somebody to read it
LOGS_KEPT = 100
ESCAPE = 0x01   # Ctrl-A
HELP = b'\r\nCtrl-A x: quit the emulator   Ctrl-A Ctrl-A: send Ctrl-A   Ctrl-A h: this help\r\n'


def die_with_parent():
    """In the child: the emulator never outlives the launcher, even if that is killed."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def new_log(folder, options):
    os.makedirs(folder, exist_ok=True)
    old = sorted((os.path.join(folder, name) for name in os.listdir(folder) if name.startswith('run-')),
                 key=os.path.getmtime)
    for path in old[:-LOGS_KEPT]:
        os.unlink(path)
    stem = os.path.splitext(os.path.basename(options.config))[0]
    return os.path.join(folder, 'run-%s-%s-%s-%d.log' % (time.strftime('%Y%m%d-%H%M%S'), stem, options.host, os.getpid()))


class Emulator:
    """The process and the file descriptors of its serial line."""

    def __init__(self, host, image, options, scratch):
        self.master = None
        self.errors = open(os.path.join(scratch, 'emulator.out'), 'w+b')
        terminal = None
        if host.serial == 'pty':
            self.master, slave = pty.openpty()
            tty.setraw(slave)
            terminal = os.ttyname(slave)
        command = host.command(image, options, scratch, terminal)
        piped = subprocess.PIPE if host.serial == 'stdio' else None
        try:
            self.process = subprocess.Popen(command, stdin=piped or subprocess.DEVNULL, stdout=piped or self.errors,
                                            stderr=self.errors, start_new_session=True, preexec_fn=die_with_parent)
        except OSError as error:
            raise LaunchError('%s: %s' % (command[0], error.strerror), STATUS_HOST)
        # The launcher keeps the terminal's other end open, so that reading it never fails before the emulator has it.
        self.slave = slave if host.serial == 'pty' else None
        self.read_fd = self.master if piped is None else self.process.stdout.fileno()
        self.write_fd = self.master if piped is None else self.process.stdin.fileno()
        os.set_blocking(self.read_fd, False)
        os.set_blocking(self.write_fd, False)

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def messages(self):
        self.errors.seek(0)
        return self.errors.read()


class Session:
    def __init__(self, emulator, log, options):
        self.emulator = emulator
        self.log = log
        self.deadline = time.monotonic() + options.timeout if options.timeout else None
        self.headless = options.headless
        self.line = b''
        self.result = None
        self.result_time = None
        self.linger = LINGER
        self.output_time = time.monotonic()
        self.timed_out = False
        self.quit = False
        self.escaped = False
        self.pending = b''  # typed, but not yet taken by the emulator

    def output(self, data):
        self.output_time = time.monotonic()
        self.log.write(data)
        self.log.flush()
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            self.quit = True
        except OSError as error:
            raise LaunchError('the console output cannot be written: %s' % error.strerror, STATUS_HOST)
        lines = (self.line + data).split(b'\n')
        self.line = lines.pop()[-4096:]
        for line in lines:
            self.look_at(line.strip())

    def look_at(self, line):
        line = CONTROL.sub(b'', line)
        for pattern, status in RESULTS:
            if pattern.match(line):
                self.result = status
                self.result_time = time.monotonic()
                self.linger = READER_LINGER if pattern is CANNOT_RUN else LINGER
        if self.result == STATUS_USAGE and STAYS_ON.match(line):
            self.linger = READER_LINGER

    def input(self, data):
        send = bytearray()
        for byte in data:
            if self.escaped:
                self.escaped = False
                if byte == ord('x'):
                    self.quit = True
                elif byte == ESCAPE or byte == ord('a'):
                    send.append(ESCAPE)
                elif byte == ord('h'):
                    sys.stdout.buffer.write(HELP)
                    sys.stdout.buffer.flush()
            elif byte == ESCAPE:
                self.escaped = True
            else:
                send.append(byte)
        self.pending += bytes(send)

    def write_serial(self):
        try:
            self.pending = self.pending[os.write(self.emulator.write_fd, self.pending):]
        except BlockingIOError:
            pass
        except OSError:
            self.pending = b''  # it has just ended; the main loop sees that

    def read_serial(self):
        """False at the end of the stream."""
        try:
            data = os.read(self.emulator.read_fd, 65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if data:
            self.output(data)
        return bool(data)

    def over(self):
        now = time.monotonic()
        if self.deadline is not None and now >= self.deadline:
            self.timed_out = True
        lingers = self.headless and self.result is not None and now - max(self.output_time, self.result_time) > self.linger
        return self.timed_out or self.quit or lingers

    def pump(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.emulator.read_fd, selectors.EVENT_READ, 'serial')
            if not self.headless:
                try:
                    selector.register(sys.stdin.fileno(), selectors.EVENT_READ, 'user')
                except (PermissionError, ValueError):
                    pass  # a regular file or a closed one: nobody types
            while not self.over():
                ended = self.emulator.process.poll() is not None
                if self.pending:
                    self.write_serial()
                for key, _ in selector.select(0 if ended else 0.02 if self.pending else 0.2):
                    if key.data == 'serial':
                        if not self.read_serial():
                            selector.unregister(key.fd)
                            if self.emulator.master is None:
                                self.emulator.process.wait(5)
                                return
                    else:
                        data = os.read(key.fd, 1024)
                        if data:
                            self.input(data)
                        else:
                            selector.unregister(key.fd)
                if ended:
                    while self.emulator.master is not None and select_ready(self.emulator.read_fd):
                        if not self.read_serial():
                            break
                    return


def select_ready(fd):
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(0))


def run(host, image, options, log_folder):
    path = options.log or new_log(log_folder, options)
    scratch = tempfile.mkdtemp(prefix='bulkhead-run-')
    saved = None
    emulator = None
    try:
        with open(path, 'wb') as log:
            emulator = Emulator(host, image, options, scratch)
            if not options.headless and sys.stdin.isatty():
                saved = termios.tcgetattr(sys.stdin)
                print('bulkhead: host %s, %d CPUs; Ctrl-A x quits' % (options.host, options.cpus))
                sys.stdout.flush()
                tty.setraw(sys.stdin)
            session = Session(emulator, log, options)
            session.pump()
            return conclude(session, emulator, options, path, saved)
    except OSError as error:
        raise LaunchError('%s: %s' % (error.filename or path, error.strerror), STATUS_HOST)
    finally:
        if emulator is not None:
            emulator.kill()
        if saved is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
        shutil.rmtree(scratch, ignore_errors=True)


def conclude(session, emulator, options, log, saved):
    """The exit status, and a line on stderr for all that the console did not say itself."""
    ended = emulator.process.poll() is not None
    emulator.kill()
    session.look_at(session.line.strip())
    if saved is not None:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
    if session.timed_out:
        print('\nbulkhead: time-out after %g s; log: %s' % (options.timeout, log), file=sys.stderr)
        return STATUS_TIMEOUT
    if session.result is not None:
        if not ended and not session.quit and session.linger != READER_LINGER:
            print('bulkhead: the machine did not power off', file=sys.stderr)
        return session.result
    if session.quit:
        return STATUS_SUCCESS
    text = emulator.messages().decode(errors='replace')
    print('\nbulkhead: the machine ended without a result; log: %s\n%s' % (log, tail(text)), file=sys.stderr)
    return STATUS_FAILURE if os.path.getsize(log) else STATUS_HOST


def tail(text, lines=15):
    return '\n'.join(text.strip().splitlines()[-lines:])
