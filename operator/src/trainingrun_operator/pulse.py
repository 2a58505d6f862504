"""Asks a run that seems to stand still: rank 0 for its heartbeat, and each pod for those of its ranks.

All at once, in the scraper's threads and bounded in time: a pod that does not answer is an answer too. Where
many runs are silent together, few are asked at a time: they wait in the threads of workers, which other runs
need too.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import Executor, Future, wait
from datetime import UTC, datetime
from threading import Semaphore
from typing import Any

from trainingrun_api import names
from trainingrun_operator import heartbeats, scrape
from trainingrun_operator.heartbeats import Beat, Pulse
from trainingrun_operator.observed import Pod
from trainingrun_operator.scraper import NoProgressError, fetch

PATIENCE_SECONDS = 5.0
"""For all pods together."""
NO_MATTER = datetime.fromtimestamp(0, UTC)
"""When a page was asked for makes no difference here."""

log = logging.getLogger(__name__)


def take_pulse(pool: Executor, turns: Semaphore, pods: Sequence[Pod]) -> Pulse | None:
    """What the pods of an attempt answer now; None where all turns are taken. Not to be called in a thread of
    the pool."""
    if not turns.acquire(blocking=False):
        return None
    try:
        return _ask(pool, pods)
    finally:
        turns.release()


def _ask(pool: Executor, pods: Sequence[Pod]) -> Pulse:
    awake = [pod for pod in pods if pod.phase == "Running" and pod.ip]
    own: dict[str, Future[float | None]] = {
        pod.name: pool.submit(_heartbeat, pod) for pod in awake if pod.index == 0
    }
    ranks: dict[str, Future[tuple[Beat, ...]]] = {pod.name: pool.submit(_beats, pod) for pod in awake}
    asked: list[Future[Any]] = [*own.values(), *ranks.values()]
    wait(asked, PATIENCE_SECONDS)
    for late in asked:
        # What still waits for a thread would be asked for nobody, and keep the runs after it waiting.
        late.cancel()
    told = [future.result() for future in own.values() if _answered(future)]
    beats = {name: future.result() for name, future in ranks.items() if _answered(future)}
    return Pulse(next(iter(told), None), {name: found for name, found in beats.items() if found})


def _answered(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled()


def _heartbeat(pod: Pod) -> float | None:
    try:
        return scrape.parse(fetch(pod.ip, names.METRICS_PORT), NO_MATTER).heartbeat
    except (NoProgressError, ValueError) as error:
        log.debug("pod %s serves no progress: %s", pod.name, error)
        return None


def _beats(pod: Pod) -> tuple[Beat, ...]:
    try:
        return heartbeats.parse(fetch(pod.ip, names.HEARTBEATS_PORT))
    except (NoProgressError, ValueError) as error:
        log.debug("pod %s serves no heartbeats: %s", pod.name, error)
        return ()
