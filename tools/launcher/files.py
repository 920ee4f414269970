# SPDX-License-Identifier: MIT
"""Files that a configuration names: what is wrong with one, said so that its reader knows what to do."""

import difflib
import os
import stat

from .errors import LaunchError, STATUS_HOST


BIOS = '/usr/share/seabios/bios-256k.bin'


def firmware(config, name):
    """The file that `firmware = NAME` means. "bios" is the packaged SeaBIOS."""
    if name != 'bios':
        return os.path.join(os.path.dirname(config), name)
    if not os.path.isfile(BIOS):
        raise LaunchError('%s: firmware = bios: SeaBIOS is missing: apt-get install seabios, or run tools/setup run' %
                          config, STATUS_HOST)
    return BIOS


def reason(error):
    """What the system says of an error, as the end of a sentence."""
    return getattr(error, 'strerror', None) or str(error)


def hint(path):
    """What may have been meant by a path that leads nowhere."""
    folder, name = os.path.split(os.path.normpath(path))
    if folder and not os.path.isdir(folder):
        made = ' ("make guests" makes it)' if '/build/guests' in os.path.abspath(folder) else ''
        return '; there is no folder %s%s' % (folder, made)
    try:
        near = difflib.get_close_matches(name, os.listdir(folder or '.'), 1)
    except OSError:
        return ''
    if near:
        return '; did you mean "%s"?' % near[0]
    return '; paths are relative to the configuration\'s own folder'


def problem(path, may_be_empty=False):
    """None if it is a file with contents that can be read."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return '%s is a folder, not a file' % os.path.normpath(path)
        if not stat.S_ISREG(status.st_mode):
            return '%s is not a regular file' % os.path.normpath(path)
        if status.st_size == 0 and not may_be_empty:
            return '%s is empty' % os.path.normpath(path)
        with open(path, 'rb'):
            return None
    except FileNotFoundError:
        return 'no such file: %s%s' % (os.path.normpath(path), hint(path))
    except (OSError, ValueError) as error:
        return '%s cannot be read: %s' % (os.path.normpath(path), reason(error))


def read_config(config):
    """Its bytes."""
    try:
        with open(config, 'rb') as file:
            return file.read()
    except IsADirectoryError:
        raise LaunchError('%s is a folder; a configuration is a text file, such as configs/default.conf' % config)
    except FileNotFoundError:
        raise LaunchError('no such configuration: %s%s' % (config, hint(config) if os.path.dirname(config) else ''))
    except (OSError, ValueError) as error:
        raise LaunchError('%s: the configuration cannot be read: %s' % (config, reason(error)))


def config_lines(config):
    return read_config(config).decode(errors='surrogateescape').splitlines()
