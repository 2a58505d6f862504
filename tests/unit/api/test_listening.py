"""Servers listen in both families where one socket can do so, and in IPv4 elsewhere."""

import socket
from types import TracebackType

import pytest

from trainingrun_api.listening import every_address, family


class Socket:
    """Of a machine where IPv6 sockets take IPv4 too, or do not."""

    def __init__(self, only: int) -> None:
        self._only = only

    def __enter__(self) -> "Socket":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def getsockopt(self, level: int, option: int) -> int:
        assert (level, option) == (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        return self._only


@pytest.mark.parametrize(
    ("only", "address", "kind"),
    [
        pytest.param(0, "::", socket.AF_INET6, id="both families"),
        pytest.param(1, "0.0.0.0", socket.AF_INET, id="each by itself"),
        pytest.param(None, "0.0.0.0", socket.AF_INET, id="no IPv6"),
    ],
)
def test_every_address_is_that_of_both_families_where_there_are_both(
    monkeypatch: pytest.MonkeyPatch, only: int | None, address: str, kind: socket.AddressFamily
) -> None:
    def made(family: int, type: int) -> Socket:
        assert family == socket.AF_INET6
        if only is None:
            raise OSError("address family not supported")
        return Socket(only)

    monkeypatch.setattr(socket, "socket", made)
    assert every_address() == address
    assert family(address) is kind
