"""Addresses of this machine, for servers that must answer at all of them."""

import pytest

from trainingrun_api.listening import every_address

LOOPBACKS = [
    "127.0.0.1",
    pytest.param(
        "[::1]", marks=pytest.mark.skipif(every_address() != "::", reason="no IPv6 on this machine")
    ),
]
"""As they stand in a URL."""
