"""One case from `kubectl apply` to its verdict, and the undisturbed run that all cases are compared with."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from tests.chaos import faults, moments, workload
from tests.chaos.reader import Reader
from tests.chaos.results import differences
from tests.chaos.scene import NeverCameError, Scene
from tests.chaos.table import Case, Fault, Moment, Rank
from tests.chaos.verdict import Seen, judge
from tests.cluster.api import DOT_CLUSTER, ClusterError
from tests.cluster.claims import ensure_claim
from tests.demo import install
from tests.helpers.runs import Object, Runs, manifest
from trainingrun_api import names, telemetry
from trainingrun_api.reasons import Phase

EVIDENCE = DOT_CLUSTER / "chaos"
"""Of each case the final status and its pods' logs."""
REFERENCE = "undisturbed"
CLAIM_SIZE = "1Gi"
LOOK_SECONDS = 0.2
ENDED = (Phase.COMPLETED, Phase.FAILED)


@dataclass(frozen=True)
class Result:
    """What came of a case."""

    case: Case
    seen: Seen
    wrong: list[str]
    seconds: float


class Runner:
    """Runs cases one after the other in one namespace with an installed operator."""

    def __init__(self, runs: Runs, shape: workload.Shape, scratch: Path) -> None:
        self._runs = runs
        self._shape = shape
        self._reader = Reader(runs.cluster, runs.namespace)
        workload.write_data(scratch)
        runs.cluster.put_folder(scratch, runs.namespace, workload.DATA_CLAIM)

    @cached_property
    def reference(self) -> Path:
        """The directory of a run that nothing happened to. Raises ClusterError."""
        with self._scene(REFERENCE) as scene:
            seen = Seen()
            self._follow(scene, seen, time.monotonic())
            if seen.status.get("phase") != Phase.COMPLETED or len(seen.status.get("attempts", [])) > 1:
                self._keep_evidence(scene, seen, [])
                raise ClusterError(f"the undisturbed run failed: {json.dumps(seen.status, indent=1)}")
            return scene.folder

    def run(self, case: Case) -> Result:
        """Strike a new run, follow it to its end, and judge it."""
        reference = self.reference
        started = time.monotonic()
        rank = 0 if case.rank is Rank.FIRST else self._shape.last_rank
        seen, wrong = Seen(), []
        try:
            with self._scene(case.name, limited=case.fault is Fault.FULL_VOLUME) as scene:
                try:
                    self._strike_and_follow(scene, case, rank, seen)
                    if seen.status.get("phase") == Phase.COMPLETED:
                        seen.differences = differences(reference, scene.folder)
                    wrong = judge(case, rank, seen)
                finally:
                    self._keep_evidence(scene, seen, wrong)
        except (NeverCameError, ClusterError) as error:
            wrong = [str(error)]
        return Result(case, seen, wrong, time.monotonic() - started)

    def _strike_and_follow(self, scene: Scene, case: Case, rank: int, seen: Seen) -> None:
        if case.fault in faults.NODE_FAULTS:
            node = moments.reach(scene, Moment.START_UP, rank).target.node
            faults.keep_operator_off(node, Runs(scene.cluster, install.NAMESPACE))
        aim = moments.reach(scene, case.moment, rank)
        seen.struck, seen.struck_step = f"{aim.state.phase} at step {aim.state.step}", aim.state.step
        struck = time.monotonic()
        heal = faults.strike(case.fault, scene, aim)
        try:
            self._follow(scene, seen, struck)
        finally:
            heal()

    def _follow(self, scene: Scene, seen: Seen, since: float) -> None:
        """The run to its end, and when what of its second attempt was seen."""
        deadline = time.monotonic() + workload.SETTLED_SECONDS
        while time.monotonic() < deadline:
            seen.status = self._reader.status(scene.name) or seen.status
            passed = time.monotonic() - since
            if seen.noticed_seconds is None and {"attempts", "stopping"} & seen.status.keys():
                seen.noticed_seconds = passed
            if seen.status.get("attempt", 1) > 1 and seen.first_step_seconds is None:
                self._look_for_first_step(scene, seen, since)
            if seen.status.get("phase") in ENDED:
                return
            time.sleep(LOOK_SECONDS)
        raise NeverCameError(f"the end of {scene.name} did not come; its status is {json.dumps(seen.status)}")

    def _look_for_first_step(self, scene: Scene, seen: Seen, since: float) -> None:
        pod = scene.pods(seen.status["attempt"]).get(0)
        if pod is None or pod["status"].get("phase") != "Running":
            return
        page = self._reader.run(pod["metadata"]["name"])
        resumed = page.get(telemetry.RESUMED_STEP)
        if resumed is None or page.get(telemetry.GLOBAL_STEP, 0) <= resumed:
            return
        seen.first_step_seconds = time.monotonic() - since
        seen.pods_seconds = pod_start_seconds(pod)
        seen.resumed_step = int(resumed)
        seen.damaged_checkpoints = int(page.get(telemetry.DAMAGED_CHECKPOINTS, 0))

    @contextmanager
    def _scene(self, name: str, *, limited: bool = False) -> Iterator[Scene]:
        """A run that has just been applied; it is deleted afterwards, its results stay."""
        cluster, namespace, claim = self._runs.cluster, self._runs.namespace, f"{name}-results"
        volume = ensure_claim(cluster, namespace, claim, CLAIM_SIZE)
        if limited:
            cluster.limit_volume(namespace, claim, faults.VOLUME_MEBIBYTES)
        try:
            self._runs.apply(manifest(name, workload.spec(self._shape, claim)))
            uid = self._runs.get("trainingrun", name)["metadata"]["uid"]
            folder = volume / Path(names.run_directory(name, uid)).name
            yield Scene(self._runs, self._reader, name, claim, self._shape, folder)
        finally:
            with suppress(ClusterError):  # a first error counts more
                self._runs.kubectl("delete", "trainingrun", name, "--cascade=foreground", "--timeout=90s")
            if limited:
                cluster.unlimit_volume(namespace, claim)

    def _keep_evidence(self, scene: Scene, seen: Seen, wrong: list[str]) -> None:
        folder = EVIDENCE / scene.name
        folder.mkdir(parents=True, exist_ok=True)
        content = {"wrong": wrong, **vars(seen)}
        (folder / "seen.json").write_text(json.dumps(content, indent=1, default=str))
        for pod in scene.runs.items("pods", f"{names.RUN_LABEL}={scene.name}"):
            with suppress(ClusterError):  # a pod of a dead node has no logs
                name = pod["metadata"]["name"]
                (folder / f"{name}.log").write_text(scene.runs.kubectl("logs", name))


def pod_start_seconds(pod: Object) -> float:
    """From a pod's creation to the start of its container; Kubernetes writes whole seconds."""
    running = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    return (
        datetime.fromisoformat(running) - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    ).total_seconds()
