# SPDX-License-Identifier: MIT
"""`bulkhead check`: what the manager will say about a configuration, said here. Its own reader of configurations is
compiled for this machine; only what it cannot see, the files, is looked at by this program."""

import os
import re
import subprocess
import sys

from . import files, image
from .errors import LaunchError, STATUS_HOST, STATUS_SUCCESS, STATUS_USAGE

PROGRAM = os.path.join('host', 'check-config')
MACHINE_TAKES = 8 << 20  # the kernel, its pool, what the firmware keeps; the manager's own count may be a little less
MIB = 1 << 20
COMMANDS_MAX = 1 << 20  # vmm/manager/script.c
LINE_MAX = 4000         # vmm/manager/request.h


def make_program(root, build):
    """The program, built if it is missing or old."""
    program = os.path.join(build, PROGRAM)
    clean = {name: value for name, value in os.environ.items() if name not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL')}
    try:
        made = subprocess.run(['make', '-s', '-C', root, 'O=' + build, program], stdin=subprocess.DEVNULL, env=clean,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        if os.path.exists(program):
            return program
        raise LaunchError('make is needed to build %s: %s' % (program, files.reason(error)), STATUS_HOST)
    if made.returncode != 0:
        raise LaunchError('%s could not be built:\n%s' % (program, made.stdout.decode(errors='replace')), STATUS_HOST)
    return program


def ask(program, config, text, cpus, memory):
    """[[kind, part...]]: the program's lines."""
    try:
        result = subprocess.run([program, config, str(cpus), str(memory)], input=text, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
    except (OSError, ValueError) as error:
        raise LaunchError('%s: %s' % (program, error), STATUS_HOST)
    if result.returncode != 0:
        raise LaunchError('%s ended with status %d: %s' %
                          (program, result.returncode, result.stderr.decode(errors='replace').strip()), STATUS_HOST)
    lines = result.stdout.decode(errors='surrogateescape').split('\n')
    return [line.split('\t', 1 if line.startswith('error') else 4) for line in lines if line]


def command_errors(where, path, file):
    """Errors of a file of commands, as far as they can be seen without a manager."""
    if os.path.getsize(file) > COMMANDS_MAX:
        return ['%scommands = %s: the file has %d bytes, and a file of commands at most 1 MiB of text; is it the right one?' %
                (where, path, os.path.getsize(file))]
    with open(file, 'rb') as stream:
        lines = stream.read().split(b'\n')
    wrong = [number for number, line in enumerate(lines, 1) if len(line.strip()) > LINE_MAX or b'\0' in line]
    return ['%scommands = %s: line %d of the file is longer than %d bytes or has a zero byte; a file of commands has one command '
            'a line' % (where, path, wrong[0], LINE_MAX)] if wrong else []


def file_errors(config, named, memory, taken):
    """Errors of the files that the configuration names, and `taken`, bytes of the machine's memory, with those that go into
    the boot image."""
    errors, seen, used = [], set(), {}
    for domain, line, key, path in named:
        where = '%s:%s: %s' % (config, line, 'domain "%s": ' % domain if domain else '')
        file = files.firmware(config, path) if key == 'firmware' else os.path.join(os.path.dirname(config), path)
        disk, read_only = key.startswith('disk'), key == 'disk,ro'
        key = 'disk' if disk or key == 'ram' else key
        wrong = files.problem(file, may_be_empty=key in ('module', 'file', 'commands'))
        if wrong:
            errors.append('%s%s = %s: %s' % (where, key, path, wrong))
            continue
        real = os.path.realpath(file)
        if key == 'commands':
            errors += command_errors(where, path, file)
        if not disk:
            more = 0 if real in seen else os.path.getsize(file)
            if taken + more > memory:
                errors.append('%s%s = %s: the file has %dM, and is loaded into memory: the machine has %dM, with %dM taken by the '
                              'hypervisor and the files before it; make it smaller, attach it as a disk, or give the machine more' %
                              (where, key, path, more // MIB, memory // MIB, taken // MIB))
                continue
            taken += more
            seen.add(real)
        else:
            other_line, other_path, both = used.setdefault(real, (line, path, read_only))
            # The same text twice has been found by the manager's check.
            if other_path != path and not (both and read_only):
                errors.append('%sdisk: %s is the same file as %s in line %s; two disks may share a file only if both '
                              'are read-only (",ro")' % (where, path, other_path, other_line))
    return errors, taken


def own_files(build):
    """Bytes of the hypervisor's own programs in the boot image."""
    names = (os.path.join(build, name) for name in ('manager.elf', 'vmm.elf', 'drivers-dom.elf'))
    return sum(os.path.getsize(name) for name in names if os.path.exists(name))


def line_number(error):
    match = re.search(r':(\d+): ', error)
    return int(match.group(1)) if match else 0


def run(root, build, config, cpus, memory):
    text = files.read_config(config)
    program = make_program(root, build)
    shown = config if len(os.fsencode(config)) < 200 else os.path.basename(config)
    lines = ask(program, shown, text, 0, 0)
    named = [parts[1:] for parts in lines if parts[0] == 'file' and parts[3] not in ('net', 'device')]
    named += [['', number, key, path] for number, key, path in image.named_files(config) if key in ('commands', 'file')]
    errors, taken = file_errors(config, named, memory, MACHINE_TAKES + own_files(build))
    left = max(memory - taken, 0)
    lines = ask(program, shown, text, cpus, left)
    errors = sorted([parts[1] for parts in lines if parts[0] == 'error'] + errors, key=line_number)
    for error in errors:
        print('bulkhead: %s' % error, file=sys.stderr)
    domains = [parts for parts in lines if parts[0] == 'domain']
    machine = 'a machine with %dM and %d CPU%s (--memory, --cpus)' % (memory // MIB, cpus, 's' * (cpus > 1))
    if errors:
        print('bulkhead: %s: %d error%s, checked for %s' % (config, len(errors), 's' * (len(errors) > 1), machine),
              file=sys.stderr)
        return STATUS_USAGE
    print('%s: no errors: %d domain%s, %dM of about %dM for domains, %d vcpus, on %s' %
          (config, len(domains), 's' * (len(domains) != 1), sum(int(parts[3]) for parts in domains) // MIB, left // MIB,
           sum(int(parts[4]) for parts in domains), machine))
    return STATUS_SUCCESS
