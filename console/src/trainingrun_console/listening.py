"""The socket of a service, which is there before anything else is begun: whoever starts a second console
hears of it at once."""

import errno
import http.client
import json
import socket
from contextlib import closing, suppress

from trainingrun_client.errors import InputError

LOOPBACK = "127.0.0.1"
EVERYWHERE = "::", "0.0.0.0"  # in a pod, whose callers prove who they are
PATIENCE_SECONDS = 2.0
TITLE = "TrainingRun console"


def listen(host: str, port: int) -> socket.socket:
    """Listens; where the host is empty, on all addresses of the machine.

    Raises InputError: the address is none of this machine's, or the port is taken.
    """
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server((EVERYWHERE[0], port), family=socket.AF_INET6, dualstack_ipv6=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host or EVERYWHERE[1], port), family=family)
    except OSError as error:
        raise InputError(_told(error, host, port)) from error


def url(host: str, port: int) -> str:
    """For people and browsers."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_console(host: str, port: int) -> bool:
    """Whether a console answers there."""
    with (
        suppress(OSError, ValueError, LookupError, TypeError, http.client.HTTPException),
        closing(http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)) as connection,
    ):
        connection.request("GET", "/openapi.json")
        described = json.loads(connection.getresponse().read(1 << 22))
        return bool(described["info"]["title"] == TITLE)
    return False


def _told(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EACCES:
        return f"port {port} is not for you to take: name one from 1024 on by --port"
    if error.errno != errno.EADDRINUSE:
        return f"nothing can listen on {host or 'this machine'}, port {port}: {error.strerror}"
    shown = host or LOOPBACK
    if is_console(shown, port):
        return (
            f"a console is served on port {port} already: go on with {url(shown, port)}/ in the browser that "
            "is logged in there, end it, or start this one with another --port"
        )
    return f"port {port} is taken by another program: name another by --port, or --port 0 for any"
