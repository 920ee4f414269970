# SPDX-License-Identifier: MIT
"""Configurations with typical mistakes, *.conf: each names what must be said of it, in lines "# expect: TEXT".
They are tried in a folder of the build folder, where their paths lead to the test guests."""

import glob
import os
import re

HERE = os.path.dirname(os.path.realpath(__file__))


def load():
    """[(name, text)], in order of their names."""
    found = []
    for path in sorted(glob.glob(os.path.join(HERE, '*.conf'))):
        with open(path, encoding='utf-8') as file:
            found.append((os.path.splitext(os.path.basename(path))[0], file.read()))
    return found


def expected(text, place):
    """What must be said; place: 'check' or 'boot', for what only one of them says so."""
    return re.findall(r'^# expect(?: %s)?: (.*)$' % place, text, re.M)
