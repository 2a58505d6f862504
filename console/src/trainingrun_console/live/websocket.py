"""WebSockets with the same messages, each a JSON object in a frame of text.

Who may not listen is refused by the handshake, with a problem document. Pings go both ways: the protocol's
own, and {"event": "ping"}, which is answered by {"event": "pong"}, for scripts cannot send the former.
"""

import asyncio
import json
from contextlib import suppress
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from trainingrun_console.access.limits import Callers
from trainingrun_console.api import asking
from trainingrun_console.api.problems import Problem, unprocessable
from trainingrun_console.live.guard import begun_at, permission
from trainingrun_console.live.subscription import Ending, Subscription
from trainingrun_console.live.wire import Wire

router = APIRouter()
CODES = {
    Ending.OVER: 1000,
    Ending.CLOSING: 1012,
    Ending.NOISY: 1008,
    Ending.UNKNOWN: 4401,
    Ending.FORBIDDEN: 4403,
    Ending.FORGOTTEN: 4404,
}
"""Of the end of a connection; of another ending nobody is left to be told."""
HEARD_A_SECOND = 5.0
"""Messages of one client."""
PONG = {"type": "websocket.send", "text": '{"event":"pong"}'}


@router.websocket("/runs/{run_id}/ws")
async def of_run(websocket: WebSocket, run_id: str) -> None:
    """As the stream of the same name tells."""
    await _serve(websocket, run_id)


@router.websocket("/")
async def at_root(websocket: WebSocket, run_id: str | None = None) -> None:
    """The same for those who know the port alone."""
    if run_id is None:
        raise unprocessable("query.run_id", "names the run to listen to; GET /runs lists them")
    await _serve(websocket, run_id)


async def _serve(websocket: WebSocket, run_id: str) -> None:
    console = asking.console(websocket)
    caller = await asking.caller(websocket)
    run = await run_in_threadpool(asking.seen_run, run_id, caller, console)
    cursor, wire, hub = begun_at(websocket), Wire.of(websocket.scope), console.hub
    allowed = permission(websocket, console, run)
    subscription = await hub.subscribe(run.run_id, cursor, allowed=allowed, abort=wire.abort)
    wire.stream()
    hearing: asyncio.Task[None] | None = None
    try:
        await websocket.accept()
        hearing = asyncio.create_task(_hear(websocket, subscription))
        hearing.add_done_callback(lambda _: hub.close(subscription))
        async for batch in subscription:
            for message in batch.websocket:
                await _send(websocket, message)
        if subscription.ending in CODES:
            code, reason = CODES[subscription.ending], subscription.ending.value
            await _send(websocket, {"type": "websocket.close", "code": code, "reason": reason})
    except WebSocketDisconnect:
        wire.abort()
    finally:
        if hearing is not None:
            hearing.cancel()
        hub.close(subscription)


async def _send(websocket: WebSocket, message: dict[str, Any]) -> None:
    """Raises WebSocketDisconnect."""
    try:
        await websocket.send(message)
    except RuntimeError as error:  # the server has closed it, for no pong came
        raise WebSocketDisconnect from error


async def _hear(websocket: WebSocket, subscription: Subscription) -> None:
    """What the client says, until it leaves."""
    patience = Callers(HEARD_A_SECOND)
    with suppress(WebSocketDisconnect):
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            try:
                patience.admit("")
            except Problem:
                subscription.end(Ending.NOISY)
                return
            if _is_ping(message.get("text")):
                await _send(websocket, PONG)


def _is_ping(text: str | None) -> bool:
    try:
        said = json.loads(text or "")
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("event") == "ping"
