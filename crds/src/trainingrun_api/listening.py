"""Where the servers of both images listen: at every address, of IPv4 and IPv6, for a cluster has either."""

import socket


def every_address() -> str:
    """What to bind to: the wildcard of IPv6, which takes IPv4 as well, where this machine does it so."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as candidate:
            both = not candidate.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:  # no IPv6
        both = False
    return "::" if both else "0.0.0.0"


def family(address: str) -> socket.AddressFamily:
    """Of the sockets for an address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET
