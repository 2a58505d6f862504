"""The second look: lists everything every few minutes, compares it with the index and brings up every run.

Watches lose things: see `informer` for objects that stay in the index after their deletion. An object that
two lists in a row show, while the index does not hold it or holds the same old version of it, means that the
watch is deaf, which the liveness probe reports.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor

from trainingrun_api import names
from trainingrun_operator.cluster import JOBS, PODS, RUNS, Cluster
from trainingrun_operator.errors import OperatorError
from trainingrun_operator.informer import Informer
from trainingrun_operator.observed import Key

LOOKS, LOOK_SECONDS = 20, 0.25
"""How often the watches are compared with the first list before that is made anew: objects go."""
GRACE_SECONDS = 5.0
"""How long news that the list already had may take over the watch."""

log = logging.getLogger(__name__)


class Resync:
    """Lists, compares, brings up. Belongs to the event loop; only listing is done in a thread."""

    def __init__(
        self,
        cluster: Cluster,
        informer: Informer,
        namespaces: Sequence[str],
        pool: Executor,
        seconds: float,
        on_run: Callable[[Key], None],
        on_mismatch: Callable[[int], None],
    ) -> None:
        """`on_run` is told every key, `on_mismatch` how many objects the index had wrong."""
        self._cluster = cluster
        self._informer = informer
        self._scopes: Sequence[str | None] = namespaces or (None,)
        self._pool = pool
        self._seconds = seconds
        self._on_run = on_run
        self._on_mismatch = on_mismatch
        self._missed: dict[str, str | None] = {}
        self.unheard: set[str] = set()
        """UIDs of objects whose news the last two lists showed and the watch never brought."""
        self.last = time.monotonic()
        """When the last round ended, well or not, on the monotonic clock."""
        self.compared = self.last
        """When the last round ended well: the watches begin with a list of everything."""

    async def catch_up(self) -> None:
        """Returns once the watches have brought all that there is: a decision on less could be wrong, such as
        which run of a project goes first."""
        while True:
            try:
                listed = await asyncio.get_running_loop().run_in_executor(self._pool, self._list)
                for _ in range(LOOKS):
                    if listed.keys() <= self._informer.versions().keys():
                        return
                    await asyncio.sleep(LOOK_SECONDS)
                known = len(self._informer.versions())
                log.info(
                    "waiting for the watches: they brought %d objects, listed are %d", known, len(listed)
                )
            except OperatorError as error:
                log.warning("the first list failed: %s", error)
                await asyncio.sleep(LOOK_SECONDS)

    async def work(self) -> None:
        """A round every few minutes, for ever; the first one is due from now on."""
        self.last = self.compared = time.monotonic()
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.round()
                self.compared = time.monotonic()
            except OperatorError as error:
                log.warning("resync failed, the next one is in %s s: %s", self._seconds, error)
            self.last = time.monotonic()

    async def round(self) -> None:
        """One comparison of the index with the API server."""
        before = self._informer.versions()
        listed = await asyncio.get_running_loop().run_in_executor(self._pool, self._list)
        await asyncio.sleep(GRACE_SECONDS)
        after = self._informer.versions()
        ghosts, missed = compare(before, listed, after)
        self.unheard = {uid for uid, version in missed.items() if (uid, version) in self._missed.items()}
        self._missed = missed
        if ghosts or self.unheard:
            log.warning("the index held %d deleted objects and missed %d", len(ghosts), len(self.unheard))
            self._on_mismatch(len(ghosts) + len(self.unheard))
        self._informer.bury(ghosts)
        for key in self._informer.run_keys():
            self._on_run(key)

    def _list(self) -> dict[str, str]:
        selectors = ((RUNS, ""), (JOBS, names.RUN_LABEL), (PODS, names.RUN_LABEL))
        return {
            uid: version
            for scope in self._scopes
            for resource, selector in selectors
            for uid, version in self._cluster.list_versions(resource, scope, selector).items()
        }


def compare(
    before: Mapping[str, str], listed: Mapping[str, str], after: Mapping[str, str]
) -> tuple[set[str], dict[str, str | None]]:
    """UIDs that only the index has, and UIDs whose news only the list has, with the version in the index,
    None where there is none. Pure.

    All three hold resourceVersions by UID. `before` and `after` are the index from before and well after the
    list was made: what was created, changed or deleted in between is in neither answer.
    """
    ghosts = before.keys() & after.keys() - listed.keys()
    missed = {
        uid: before.get(uid)
        for uid, version in listed.items()
        if version != before.get(uid) == after.get(uid)
    }
    return ghosts, missed
