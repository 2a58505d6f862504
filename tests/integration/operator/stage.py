"""Plays a run from its creation to its end while requests of the operator go wrong, and tells how it ended.

The operator is a process of its own behind a fault proxy, started again whenever it is dead, as Kubernetes
would do.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.helpers.endings import comparable, plain
from tests.helpers.fault_proxy import Answered, FaultProxy, Rule, no_fault
from tests.helpers.operator_process import Operator, operator_for
from tests.helpers.played_nodes import NODE_SELECTOR, Api, Deed, PlayedRun
from tests.helpers.runs import manifest
from trainingrun_api import names

Object = dict[str, Any]

ENDED = ("Completed", "Failed")
QUIET_SECONDS = 1.0
RESYNC_SECONDS = 1
WATCHES = 3
"""An operator at work watches runs, Jobs and pods."""


@dataclass(frozen=True)
class Story:
    """A run and what becomes of its attempts."""

    deeds: Sequence[Deed]
    """By attempt."""
    nodes: int = 2

    def spec(self) -> Object:
        return {
            "image": "example/played:1",
            "command": ["true"],
            "nodes": self.nodes,
            "resources": {"gpus": 0},
            "checkpoints": {"size": "10Mi"},
            "restart": {"backoffSeconds": 0},
            "pod": {"nodeSelector": NODE_SELECTOR},
        }


@dataclass(frozen=True)
class Ending:
    """How a story ended, in words that two equal runs have in common."""

    status: Object
    created: Counter[str]
    """How often each object was created; Events apart, which are news and may get lost."""
    deleted: frozenset[str]
    """By the operator."""
    gone: frozenset[str]
    """Pods that no longer exist, whoever deleted them."""

    def like(self, other: "Ending") -> "Ending":
        """The same with what is gone without the operator, which deletes nothing twice.

        Where it is late, the Job controller may be first: the end of one pod is the end of all.
        """
        return replace(self, deleted=self.deleted | (other.deleted & self.gone), gone=other.gone)


@dataclass(frozen=True)
class Played:
    """An ending and the way to it."""

    ending: Ending
    writes: Sequence[Answered]
    starts: int
    """How often the operator was started."""


Disturbance = Callable[[Operator], Rule]
"""What goes wrong, given the operator that may be killed."""


def undisturbed(operator: Operator) -> Rule:
    """Nothing goes wrong."""
    return no_fault


@dataclass(frozen=True)
class Stage:
    """A namespace and a folder of its own."""

    api: Api
    kubeconfig: Path
    folder: Path

    def play(
        self,
        name: str,
        story: Story,
        disturb: Disturbance = undisturbed,
        operators: int = 1,
        seconds: float = 180,
    ) -> Played:
        """`operators` work at the same time. Raises TimeoutError that tells the last status."""
        with FaultProxy(self.kubeconfig) as proxy:
            kubeconfig = proxy.write_kubeconfig(self.folder / f"{name}.kubeconfig")
            log = self.folder / f"{name}.log"
            processes = [
                operator_for(self.api.namespace, kubeconfig, log, RESYNC_SECONDS) for _ in range(operators)
            ]
            proxy.rule = disturb(processes[0])
            try:
                self.api("POST", f"apis/{names.API_VERSION}", names.PLURAL, manifest(name, story.spec()))
                nodes = PlayedRun(self.api, name, story.deeds)
                status = self._until_ended(proxy, processes, nodes, seconds)
            finally:
                for process in processes:
                    process.end()
            writes = tuple(proxy.writes)
        ending = _ending(name, status, writes, nodes.gone())
        return Played(ending, writes, sum(process.starts for process in processes))

    def _until_ended(
        self, proxy: FaultProxy, operators: Sequence[Operator], nodes: PlayedRun, seconds: float
    ) -> Object:
        deadline, quiet_since, writes = time.monotonic() + seconds, time.monotonic(), 0
        status: Object = {}
        while time.monotonic() < deadline:
            for operator in operators:
                operator.keep_alive()
            status = nodes.step()
            at_work = proxy.watches >= WATCHES * len(operators)
            if status.get("phase") not in ENDED or not at_work or len(proxy.writes) != writes:
                quiet_since, writes = time.monotonic(), len(proxy.writes)
            if time.monotonic() - quiet_since > QUIET_SECONDS:
                return status
            time.sleep(0.05)
        log = (self.folder / f"{nodes.name}.log").read_text(encoding="utf-8")[-4000:]
        raise TimeoutError(
            f"{nodes.name} did not end within {seconds} s: {json.dumps(status, indent=1)}\n{log}"
        )


def _ending(name: str, status: Object, writes: Iterable[Answered], gone: Iterable[str]) -> Ending:
    done = [
        (write.call.method, f"{write.call.resource} {plain(write.call.name, name)}")
        for write in writes
        if write.status < 300 and write.call.resource != "events"
    ]
    return Ending(
        comparable(status, name),
        Counter(target for method, target in done if method == "POST"),
        frozenset(target for method, target in done if method == "DELETE"),
        frozenset(f"pods {plain(pod, name)}" for pod in gone),
    )
