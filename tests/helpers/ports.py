"""Ports of this machine for servers that cannot take any that is free and tell which."""

import random
import socket
from contextlib import closing

PORTS = range(20000, 30000)
"""Below those that the kernel gives to outgoing connections, which would take the port of a dead server."""


def free_port() -> int:
    """A port that nobody listens on."""
    for port in random.sample(PORTS, len(PORTS)):
        with closing(socket.socket()) as candidate:
            if candidate.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")
