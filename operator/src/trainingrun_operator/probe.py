"""Answers the kubelet's probes from the event loop that does the work: one that hangs does not answer.

kopf has such an endpoint too, but asyncio binds it to IPv4 or IPv6 alone, and a cluster may have either.
"""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from trainingrun_api.listening import every_address, family

PATH = "/healthz"
CLOSING_SECONDS = 1.0


@asynccontextmanager
async def answered(port: int, problems: Callable[[], list[str]]) -> AsyncIterator[None]:
    """While this is entered, GET /healthz is answered with 200, or with 500 and the problems where there are
    any."""

    async def health(request: web.Request) -> web.Response:
        found = problems()
        return web.json_response({"operator": "; ".join(found) or "alive"}, status=500 if found else 200)

    application = web.Application()
    application.router.add_get(PATH, health)
    runner = web.AppRunner(
        application, handle_signals=False, access_log=None, shutdown_timeout=CLOSING_SECONDS
    )
    await runner.setup()
    try:
        address = every_address()
        kind = family(address)
        listening = socket.create_server((address, port), family=kind, dualstack_ipv6=kind is socket.AF_INET6)
        await web.SockSite(runner, listening).start()
        yield
    finally:
        await runner.cleanup()
