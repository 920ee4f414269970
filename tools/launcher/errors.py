# SPDX-License-Identifier: MIT
"""Exit statuses, and the one exception that ends the launcher with a message."""

STATUS_SUCCESS = 0
STATUS_FAILURE = 1
STATUS_USAGE = 2
STATUS_HOST = 3
STATUS_TIMEOUT = 124
STATUS_INTERRUPTED = 130


class LaunchError(Exception):
    def __init__(self, message, status=STATUS_USAGE):
        super().__init__(message)
        self.status = status
