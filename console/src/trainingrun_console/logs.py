"""What the service tells of itself, on standard error: a line for each request, and what goes wrong.

No line holds a query string or a header, where tokens and keys may stand.
"""

import logging
import sys
from time import perf_counter
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trainingrun_api.log_line import FIELDS, JsonFormatter

LOGGER = logging.getLogger("trainingrun_console.requests")
TEXT = "%(asctime)s %(levelname)s %(message)s"
QUIET = ("uvicorn", "alembic", "sqlalchemy", "urllib3", "kubernetes", "asyncio", "websockets")
"""Libraries that are heard from WARNING on; at INFO uvicorn tells query strings."""
PROBES = ("/healthz", "/readyz")
ANSWERS = ("http.response.start", "websocket.http.response.start")
LONGEST_PATH = 200


def configure(style: str, level: str) -> None:
    """As json or text, from a level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(dict) if style == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


class RequestLog:
    """ASGI middleware: a line at the end of each request, but for probes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on as it is."""
        told = scope["type"] in ("http", "websocket") and scope["path"] not in PROBES
        if not told or not LOGGER.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        began, status = perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] in ANSWERS:
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            _tell(scope, status, perf_counter() - began)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    fields = {
        "method": scope.get("method", "WEBSOCKET"),
        "path": quote(scope["path"][:LONGEST_PATH]),  # no line break of a stranger's
        "status": status or None,
        "seconds": round(seconds, 3),
    }
    LOGGER.info("%(method)s %(path)s", fields, extra={FIELDS: fields})
