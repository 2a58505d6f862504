"""Server-sent events, as EventSource of browsers reads them.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import random
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trainingrun_console.api.asking import Service, VisibleRun
from trainingrun_console.api.description import COMMON, problems
from trainingrun_console.console import Console
from trainingrun_console.history.records import Run
from trainingrun_console.live.cursor import Cursor, is_told
from trainingrun_console.live.guard import LAST_EVENT_ID, PARAMETER, begun_at, permission
from trainingrun_console.live.subscription import Ending
from trainingrun_console.live.wire import Wire

router = APIRouter(tags=["live"])
CONTENT_TYPE = "text/event-stream"
RETRY_MILLISECONDS = 1000, 3000
"""Before a client comes back; each another time, for all are cut off when the service stops."""
EXAMPLE = 'id: 2-1-0-1769853600000000-1-0\nevent: epoch_end\ndata: {"event":"epoch_end","epoch":1}\n\n'
HEADERS = {
    "Content-Type": CONTENT_TYPE,
    "X-Accel-Buffering": "no",  # proxies that collect answers would hold events back
}
ROUTE: dict[str, Any] = {
    "summary": "What happens, as events",
    "response_class": Response,
    "responses": {
        200: {
            "description": "Messages with their ids, until `training_end`; comments as heartbeats.",
            "content": {CONTENT_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}},
        },
        204: {"description": "The run is over, and its end was told: do not come again."},
        **problems(*COMMON, 400, 404),
    },
}


class EventStream(Response):
    """The answer that goes on. Below Starlette's own, which has several tasks for each client."""

    def __init__(self, console: Console, run: Run, cursor: Cursor) -> None:
        self._console, self._run, self._cursor = console, run, cursor
        self.status_code, self.background = HTTPStatus.OK, None
        self.init_headers(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the run, the client or the service ends."""
        hub, wire = self._console.hub, Wire.of(scope)
        allowed = permission(HTTPConnection(scope), self._console, self._run)
        subscription = await hub.subscribe(self._run.run_id, self._cursor, allowed=allowed, abort=wire.abort)
        leaving = asyncio.create_task(_left(receive))
        leaving.add_done_callback(lambda _: hub.close(subscription))
        wire.stopping = lambda: hub.close(subscription, Ending.CLOSING)
        wire.stream()
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            await send(_body(f"retry: {random.randint(*RETRY_MILLISECONDS)}\n\n".encode("ascii")))
            async for batch in subscription:
                await send(_body(batch.sse))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            leaving.cancel()
            hub.close(subscription)


@router.get("/runs/{run_id}/stream", **ROUTE)
@router.get("/api/training/{run_id}/stream", **ROUTE)
async def stream(
    connection: HTTPConnection,
    run: VisibleRun,
    service: Service,
    last_event_id: Annotated[
        str | None, Query(alias=PARAMETER, description="Go on after the message with this id.")
    ] = None,
    last_event_id_header: Annotated[
        str | None, Header(alias=LAST_EVENT_ID, description="The same, as browsers send it by themselves.")
    ] = None,
) -> Response:
    """All messages of the run from its start, or from that id on, then each as it happens, until the run is
    over. Each epoch is told once; one that a later attempt repeats, once more."""
    cursor = begun_at(connection)
    if is_told(cursor, run):
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return EventStream(service, run, cursor)


def _body(content: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": True}


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
