# SPDX-License-Identifier: MIT
"""Boot tests: the whole system on emulated machines."""
