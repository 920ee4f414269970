# SPDX-License-Identifier: MIT
"""The files of a boot medium: /bulkhead with what is loaded, and the manifest that says so to GRUB and to our UEFI
loader."""

import os
import re
import shutil

MANIFEST = 'manifest'
MANIFEST_HEAD = """# What is loaded from this folder: kernel FILE, load FILE NAME. The hypervisor knows the file by
# the name.
"""
# For GRUB the manifest's words are functions (not called like its own commands). A compressed guest file is the guest's
# business: --nounzip. On UEFI a mode has to be handed over (there is no text mode); on BIOS a switch to graphics
# would make Bochs stop. The kernel's wish for a screen makes `multiboot2` choose graphics: what is said behind it counts.
GRUB_CONFIG = """set timeout=0
if [ "$grub_platform" = efi ]; then
    insmod all_video
    set gfxpayload=keep
fi
serial --unit=0 --speed=115200 --word=8 --parity=no --stop=1
terminal_input console serial
terminal_output console serial
function kernel {
    echo "bulkhead: loading $1"
    if multiboot2 /bulkhead/$1; then true; else set failed="$1"; fi
}
function load {
    echo "bulkhead: loading $1"
    if module2 --nounzip /bulkhead/$1 "$2"; then true; else set failed="$1"; fi
}
source /bulkhead/manifest
if [ "$grub_platform" != efi ]; then
    set gfxpayload=text
fi
if [ -z "$failed" ]; then
    boot
    set failed="the hypervisor"
fi
echo "bulkhead: cannot start: the boot loader could not load $failed; lines above say why."
echo "No such file, damaged medium: write the image again. Out of memory: the machine needs more, or smaller files."
sleep 60
halt
"""


def quote(word):
    return "'" + word.replace("'", "'\\''") + "'"


def file_name(path, taken):
    """The base name, as far as every file system and loader likes it; none of those taken, whatever
    their case."""
    base = re.sub(r'[^A-Za-z0-9._-]', '_', os.path.basename(path)).lstrip('.-')[-60:] or 'file'
    name, number = base, 2
    while name.lower() in taken:
        name, number = '%d-%s' % (number, base), number + 1
    taken.add(name.lower())
    return name


def write(tree, kernel, modules):
    """modules: [(name by which the hypervisor knows it, file)]"""
    os.makedirs(os.path.join(tree, 'boot/grub'))
    folder = os.path.join(tree, 'bulkhead')
    os.makedirs(folder)
    shutil.copy(kernel, os.path.join(folder, 'kernel.elf'))
    taken = {MANIFEST, 'kernel.elf'}
    lines = [MANIFEST_HEAD, 'kernel kernel.elf\n']
    for name, source in modules:
        file = file_name(source, taken)
        shutil.copy(source, os.path.join(folder, file))
        lines.append('load %s %s\n' % (file, quote(name)))
    with open(os.path.join(folder, MANIFEST), 'w', encoding='utf-8', errors='surrogateescape') as file:
        file.writelines(lines)
    with open(os.path.join(tree, 'boot/grub/grub.cfg'), 'w', encoding='utf-8') as file:
        file.write(GRUB_CONFIG)
