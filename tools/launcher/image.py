# SPDX-License-Identifier: MIT
"""Builds the boot image: GRUB (BIOS and UEFI), the hypervisor's programs, the configuration and the files it names."""

import os
import re
import shutil
import subprocess
import tempfile

from . import devices, files, tree, usb
from .errors import LaunchError, STATUS_HOST

# kernel/include/abi/info.h: BOOT_NAME_SIZE with its final zero, BOOT_MAX_MODULES.
NAME_MAX = 95
MODULES_MAX = 48

ISO_TOOLS = (('grub-mkrescue', 'grub-common'), ('xorriso', 'xorriso'), ('mformat', 'mtools'))
GRUB_MODULES = ('normal configfile multiboot2 iso9660 fat serial terminal echo sleep halt search test true all_video '
                'part_acorn part_amiga part_apple part_bsd part_dfly part_dvh part_gpt part_msdos part_plan part_sun part_sunpc')


def named_files(config):
    """(line number, key, path as written) of every file that the configuration names. What else is wrong with the text
    is the manager's to say, at boot, with file and line."""
    found = []
    for number, line in enumerate(files.config_lines(config), 1):
        match = re.match(r'\s*(kernel|firmware|initrd|module|commands|file)\s*=\s*([^\s;#]\S*)', line)
        if match:
            found.append((number, match.group(1), match.group(2)))
    return found


def collect(build, config, allow_missing, drivers_dom):
    """[(module name, file)]: the fixed modules first."""
    modules = []
    shown = os.path.basename(config)  # what the manager calls the file in its messages
    if not re.fullmatch(r'[\w.+-]{1,80}', shown, re.ASCII):
        shown = 'configuration'
    for name, file in (('manager', os.path.join(build, 'manager.elf')), ('vmm', os.path.join(build, 'vmm.elf')),
                       ('config:' + shown, config)):
        modules.append((name, file))
    names = dict(modules)
    disks, _ = devices.parse(config)
    named = named_files(config)
    modules.append(('drivers-dom', os.path.join(build, drivers_dom)))
    if disks:
        named += [(int(disk.where.rsplit(':', 1)[1]), 'disk', disk.module) for disk in disks if disk.module]
    for number, key, path in named:
        where = '%s:%d: %s = %s' % (config, number, key, path)
        if len(os.fsencode(path)) > NAME_MAX:
            raise LaunchError('%s: the path is longer than %d bytes' % (where, NAME_MAX))
        file = files.firmware(config, path) if key == 'firmware' else os.path.join(os.path.dirname(config), path)
        if names.get(path) == file:
            continue
        if path in names:
            raise LaunchError('%s: the boot image has another file of that name, %s; write ./%s for yours' %
                              (where, names[path], path))
        wrong = files.problem(file, may_be_empty=key in ('module', 'file', 'commands'))
        if wrong:
            if allow_missing:
                continue
            raise LaunchError('%s: %s' % (where, wrong))
        names[path] = file
        modules.append((path, file))
    if len(modules) > MODULES_MAX:
        raise LaunchError('%s: names more than %d files' % (config, MODULES_MAX - 3))
    return modules


def build(build_folder, config, out, allow_missing=False, stick=False, drivers_dom='drivers-dom.elf'):
    """stick: a disk image for USB sticks, else a hybrid ISO."""
    kernel, loader = os.path.join(build_folder, 'kernel.elf'), os.path.join(build_folder, 'BOOTX64.EFI')
    for file in (kernel, loader, os.path.join(build_folder, 'manager.elf'), os.path.join(build_folder, 'vmm.elf')):
        if not os.path.exists(file):
            raise LaunchError('%s: not built yet: run make first' % file)
    for tool, package in usb.TOOLS if stick else ISO_TOOLS:
        if shutil.which(tool) is None:
            raise LaunchError('%s is missing: apt-get install %s, or run tools/setup run' % (tool, package), STATUS_HOST)
    modules = collect(build_folder, config, allow_missing, drivers_dom)
    folder = os.path.dirname(os.path.abspath(out))
    os.makedirs(folder, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise LaunchError('%s: no permission to write into this folder' % folder, STATUS_HOST)
    with tempfile.TemporaryDirectory(prefix='bulkhead-') as root:
        try:
            tree.write(root, kernel, modules)
        except OSError as error:
            raise LaunchError('the image cannot be put together in %s (TMPDIR): %s: %s' %
                              (root, error.filename, files.reason(error)), STATUS_HOST)
        if stick:
            usb.write(root, loader, out)
        else:
            make_iso(root, out)


def make_iso(root, out):
    part = out + '.part'
    command = ['grub-mkrescue', '-o', part, '--install-modules=' + GRUB_MODULES, '--fonts=', '--locales=', '--themes=',
               root, '--', '-volid', 'BULKHEAD']
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        said = result.stdout.decode(errors='replace').splitlines()
        said = [line for line in said if re.search('FAILURE|FATAL|rror', line)] or said
        raise LaunchError('grub-mkrescue cannot write %s:\n%s' % (out, '\n'.join(said[-8:])), STATUS_HOST)
    os.replace(part, out)
