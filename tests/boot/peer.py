# SPDX-License-Identifier: MIT
"""The world outside of the machine, for boot tests: a web server that guests reach as 10.0.2.2, and a client that
reaches one of them through a forwarded port. PORT and FORWARD in a test's configuration and arguments stand for their
numbers."""

import hashlib
import http.client
import http.server
import random
import re
import socket
import threading
import urllib.request

GUEST = '10.0.2.15'  # the first address that the emulators' user networks lease
DATA = random.Random(1).randbytes(200000)


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Peer:
    """names: the guests that must have reported before any may end."""

    def __init__(self, *names):
        self.names, self.reported, self.fetched, self.asked = set(names), set(), None, set()
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                peer.answer(self)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.values = {'PORT': str(self.server.server_port), 'FORWARD': 'tcp:127.0.0.1:%d-%s:80' % (free_port(), GUEST)}
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.server.serve_forever), threading.Thread(target=self.fetch)]
        for thread in self.threads:
            thread.start()

    def answer(self, request):
        """GET /data: what host.sum on the guests' disks is of; GET /done/NAME: NAME has done its part. May it end?"""
        body = DATA
        self.asked.add(request.path)
        found = re.fullmatch('/done/([a-z]+)', request.path)
        if found:
            self.reported.add(found.group(1))
            body = b'yes' if self.reported >= self.names and self.fetched else b'wait'
        request.send_response(200)
        request.send_header('Content-Length', str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def fetch(self):
        """The file that the guest with the first address has written, from its web server."""
        address = 'http://127.0.0.1:%s/f' % self.values['FORWARD'].split(':')[2].split('-')[0]
        while not self.over.is_set() and not self.fetched:
            try:
                with urllib.request.urlopen(address, timeout=20) as answer:
                    length = int(answer.headers.get('Content-Length', '-1'))
                    data = answer.read()
                if length in (-1, len(data)) and data:
                    self.fetched = hashlib.md5(data).hexdigest()
            except (OSError, ValueError, http.client.HTTPException):
                self.over.wait(1)

    def finish(self, console):
        """The machine is off. What is wrong?"""
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        for thread in self.threads:
            thread.join()
        wrong = [] if self.reported >= self.names else ['no report from %s' % ', '.join(sorted(self.names - self.reported))]
        if not self.fetched:
            wrong.append('no guest was reached from outside')
        elif 'wrote %s' % self.fetched not in console:
            wrong.append('the file that came over the network is no guest\'s')
        return wrong
