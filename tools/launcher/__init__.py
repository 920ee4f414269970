# SPDX-License-Identifier: MIT
"""Parts of tools/bulkhead."""
