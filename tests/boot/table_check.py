# SPDX-License-Identifier: MIT
"""Typical mistakes in configurations, met by the manager: all of them in one boot, since each spoils only its own
domain."""

import re

import check

from .table import QEMU, add


def joined():
    """The configurations one behind the other. Lines have other numbers then."""
    return '\n'.join(text for _, text in check.load())


def without_lines(text):
    return re.sub(r'line \d+', 'line N', text)


def all_said(folder, console):
    console = without_lines(console)
    texts = [text for _, config in check.load() for text in check.expected(config, 'boot')]
    return ['no "%s"' % text for text in texts if without_lines(text) not in console]


# The good ones of the domains run and end well.
add('mistakes/%s' % QEMU, QEMU, text=joined(), status=(1, 2), memory='1024M', allow_missing=True, after=all_said,
    expect=[r'^domain %s: ended: debug exit, status 0' % name
            for name in ('first', 'original', 'elder', 'control', 'other', 'again', 'linux')])
