# SPDX-License-Identifier: MIT
"""What the screen of a QEMU machine shows, as text: VGA text from its memory, a frame buffer by comparing with the
glyphs of the font."""

import json
import os
import re
import socket
import tempfile

COLUMNS = 80
FONT_WIDTH, FONT_HEIGHT = 8, 16
VGA_MODE = (720, 400)  # what QEMU draws for 80 x 25 characters


class Monitor:
    """QEMU's monitor behind `-qmp unix:PATH,server=on,wait=off`."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.file = self.socket.makefile('rw')
        self.file.readline()
        self.call('qmp_capabilities')

    def call(self, command, **arguments):
        self.file.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if 'error' in answer:
                raise RuntimeError('%s: %s' % (command, answer['error']['desc']))
            if 'return' in answer:
                return answer['return']

    def human(self, line):
        return self.call('human-monitor-command', **{'command-line': line})

    def close(self):
        self.file.close()
        self.socket.close()


def font(build):
    """{rows of a cell, as bytes: character}, from the header that the kernel is built with."""
    with open(os.path.join(build, 'include', 'font.h'), encoding='utf-8') as file:
        text = file.read()
    first = int(re.search(r'FONT_FIRST (\w+)', text).group(1), 16)
    cells = re.findall(r'^    \{ (.*) \},$', text, re.M)
    return {bytes(int(row, 16) for row in cell.split(', ')): chr(first + number) for number, cell in enumerate(cells)}


def read_ppm(data):
    """(width, height, brightness of each pixel's green)."""
    match = re.match(rb'P6\s+(\d+)\s+(\d+)\s+255\s', data)
    width, height = int(match.group(1)), int(match.group(2))
    return width, height, data[match.end() + 1::3]


def read_pixels(width, height, green, glyphs):
    scale = min(width // (COLUMNS * FONT_WIDTH), height // (25 * FONT_HEIGHT))
    lines = []
    for row in range(height // (FONT_HEIGHT * scale)):
        line = ''
        for column in range(COLUMNS):
            cell = bytearray()
            for y in range(FONT_HEIGHT):
                start = (row * FONT_HEIGHT + y) * scale * width + column * FONT_WIDTH * scale
                bits = green[start:start + FONT_WIDTH * scale:scale]
                cell.append(sum((0x80 >> x) for x in range(FONT_WIDTH) if bits[x] > 0x40))
            line += glyphs.get(bytes(cell), '\N{REPLACEMENT CHARACTER}')
        lines.append(line.rstrip())
    return '\n'.join(lines)


def read(monitor, build):
    """The lines on the screen."""
    with tempfile.TemporaryDirectory(prefix='bulkhead-screen-') as folder:
        shot, memory = os.path.join(folder, 'shot.ppm'), os.path.join(folder, 'memory')
        monitor.call('screendump', filename=shot)
        with open(shot, 'rb') as file:
            width, height, green = read_ppm(file.read())
        if (width, height) != VGA_MODE:
            return read_pixels(width, height, green, font(build))
        monitor.call('pmemsave', val=0xb8000, size=2 * COLUMNS * 25, filename=memory)
        with open(memory, 'rb') as file:
            cells = file.read()[::2].decode('cp437')
        return '\n'.join(cells[at:at + COLUMNS].rstrip() for at in range(0, len(cells), COLUMNS))
