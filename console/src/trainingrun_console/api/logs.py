"""Logs of a run's pods, read with the caller's own rights; followed, as a stream that ends with the run or
when the reader leaves."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse

from trainingrun_client.connection import READ_SECONDS, Connection
from trainingrun_client.errors import ApiError, TrainingRunError
from trainingrun_client.log_lines import LogLine
from trainingrun_client.pod_logs import PodLogs
from trainingrun_console.api.asking import Calling, VisibleRun
from trainingrun_console.api.description import COMMON, problems
from trainingrun_console.api.live_object import current
from trainingrun_console.api.problems import of_error, unavailable

router = APIRouter(tags=["files"])
CHUNK_LINES = 500
MOST_TAIL = 100_000
FOLLOWERS = 100
"""Logs that are followed at the same time; each has some threads."""
BUFFERED_LINES = 1000
SILENT_SECONDS = 10.0
"""After which the connection to a silent log is renewed; so long the thread of a reader who left may stay."""
LEFT = 499
_places = threading.BoundedSemaphore(FOLLOWERS)


class Form(StrEnum):
    """Of a line."""

    TEXT = "text"
    JSON_LINES = "jsonl"


MEDIA_TYPES = {Form.TEXT: "text/plain; charset=utf-8", Form.JSON_LINES: "application/x-ndjson"}


@router.get(
    "/runs/{run_id}/logs",
    summary="Logs of a run",
    response_class=Response,
    responses={
        200: {
            "description": "Lines of all pods, by time.",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": "epoch 1: val_loss 0.58\n"},
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": '{"time":"2026-01-31T10:00:00Z","attempt":1,"node":0,"rank":0,"text":"..."}\n',
                },
            },
        },
        **problems(*COMMON, 404, 410),
    },
)
async def read_logs(
    run: VisibleRun,
    caller: Calling,
    rank: Annotated[int | None, Query(description="Only of this global rank.", ge=0, le=1_000_000)] = None,
    attempt: Annotated[int | None, Query(description="Only of this attempt.", ge=1, le=999)] = None,
    tail: Annotated[
        int, Query(description="Only the last lines of each pod.", ge=0, le=MOST_TAIL, examples=[200])
    ] = 1000,
    follow: Annotated[bool, Query(description="Go on with what is written from now on.")] = False,
    form: Annotated[Form, Query(alias="format", description="text, or jsonl: an object a line.")] = Form.TEXT,
) -> Response:
    """Of all pods that are still there, in the order of time."""
    leaving = threading.Event()
    live = await run_in_threadpool(current, caller, run)
    connection = _Leaving(caller.connection(), leaving) if follow else caller.connection()
    logs = PodLogs(connection, live)
    lines = (
        line
        for line in logs.lines(attempt=attempt, follow=follow, tail=tail)
        if rank is None or line.rank == rank
    )
    media_type = MEDIA_TYPES[form]
    if follow:
        await run_in_threadpool(logs.pods, attempt)  # what is refused is refused before the answer begins
        if not _places.acquire(blocking=False):
            raise unavailable(f"{FOLLOWERS} logs are being followed already")
        return StreamingResponse(_followed(lines, form, leaving), media_type=media_type)
    first = await run_in_threadpool(_chunk, lines, form)
    return StreamingResponse(
        iterate_in_threadpool(chain([first], iter(lambda: _chunk(lines, form), ""))), media_type=media_type
    )


def written(line: LogLine, form: Form) -> str:
    """A line with its newline."""
    if form == Form.TEXT:
        return f"{line.text}\n"
    told = {
        "time": line.time,
        "attempt": line.attempt,
        "node": line.node,
        "rank": line.rank,
        "level": line.level,
        "message": line.message,
        "text": line.text,
    }
    return json.dumps(told, ensure_ascii=False) + "\n"


def _chunk(lines: Iterator[LogLine], form: Form) -> str:
    return "".join(written(line, form) for _, line in zip(range(CHUNK_LINES), lines, strict=False))


async def _followed(lines: Iterable[LogLine], form: Form, leaving: threading.Event) -> AsyncIterator[str]:
    """A thread reads, for its waiting must not take one of those that serve requests."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[str | None] = asyncio.Queue()
    room = threading.Semaphore(BUFFERED_LINES)

    def tell(text: str | None) -> None:
        if not leaving.is_set():
            loop.call_soon_threadsafe(arrived.put_nowait, text)

    def read() -> None:
        try:
            for line in lines:
                while not room.acquire(timeout=1.0):
                    if leaving.is_set():
                        return
                tell(written(line, form))
        except TrainingRunError as error:
            tell(_ended(error, form))
        finally:
            tell(None)
            _places.release()

    threading.Thread(target=read, name="followed-log", daemon=True).start()
    try:
        while (text := await arrived.get()) is not None:
            yield text
            room.release()
    finally:
        leaving.set()


def _ended(error: TrainingRunError, form: Form) -> str:
    problem = of_error(error).document()
    return json.dumps({"problem": problem}) + "\n" if form == Form.JSON_LINES else f"[{problem['detail']}]\n"


class _Leaving(Connection):
    """A connection that ends what goes over it once the reader has left."""

    def __init__(self, connection: Connection, leaving: threading.Event) -> None:
        super().__init__(connection.client, connection.namespace, connection.context)
        self._left = leaving

    def lines(
        self, path: str, query: Mapping[str, str], read_seconds: float = READ_SECONDS
    ) -> Iterator[bytes]:
        seconds = min(read_seconds, SILENT_SECONDS) if path.endswith("/log") else read_seconds
        for line in super().lines(path, query, seconds):
            self._stay()
            yield line

    def _call(self, *arguments: Any, **named: Any) -> Any:
        self._stay()
        return super()._call(*arguments, **named)

    def _stay(self) -> None:
        if self._left.is_set():
            raise ApiError(LEFT, "the reader has left")
