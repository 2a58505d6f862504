"""The faults themselves. Each strikes once; what the cluster must get back is returned as a function."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.chaos.moments import Aim
from tests.chaos.scene import Scene, Target, wait_for
from tests.chaos.table import Fault
from tests.cluster.api import ClusterError
from tests.cluster.bare import disks
from tests.cluster.containers import block_device
from tests.demo import install
from tests.helpers.runs import Runs
from trainingrun_api import names, telemetry
from trainingrun_api.telemetry import TrainerPhase

Heal = Callable[[], None]

VOLUME_MEBIBYTES = 96
"""Size of a volume that can run full."""
SLOW_BYTES_PER_SECOND = 2**20
SLOW_SECONDS = 20
"""How long the disk is slow; each save then takes seconds."""
SIGNALS = {Fault.KILL: signal.SIGKILL, Fault.TERMINATE: signal.SIGTERM, Fault.STOP: signal.SIGSTOP}
NODE_FAULTS = (Fault.DRAIN_NODE, Fault.DEAD_NODE)
OPERATOR_PODS = f"app.kubernetes.io/name={install.RELEASE}"
ENDED = ("Succeeded", "Failed")
FULL_SECONDS = 5
ANSWER_SECONDS = 180


def strike(fault: Fault, scene: Scene, aim: Aim) -> Heal:
    """Do it; returns once it is done, for passing faults once it has passed.

    Raises:
        ClusterError: it cannot be done here.
        NeverCameError: the run did not answer to it.
    """
    target = aim.target
    match fault:
        case Fault.KILL | Fault.TERMINATE | Fault.STOP:
            target.container.signal(SIGNALS[fault], target.pid)
        case Fault.OUT_OF_MEMORY:
            target.container.exhaust_memory(target.pid)
        case Fault.DELETE_POD:
            scene.runs.kubectl("delete", "pod", target.pod, "--wait=false")
        case Fault.DRAIN_NODE:
            return _drain(scene, target.node)
        case Fault.DEAD_NODE:
            scene.cluster.kill_node(target.node)
            return partial(scene.cluster.revive_node, target.node)
        case Fault.FULL_VOLUME:
            _fill_until_noticed(scene, starting=aim.state.phase is TrainerPhase.STARTING)
        case Fault.TRUNCATED_CHECKPOINT:
            target.container.signal(signal.SIGKILL, target.pid)
            _truncate_after_the_end(scene)
        case Fault.SLOW_DISK:
            _slow_down(scene, target)
        case Fault.SUSPEND:
            _suspend_and_resume(scene)
    return lambda: None


def keep_operator_off(node: str, operators: Runs) -> None:
    """Move the operator away from a node that is about to go: its own death has tests of its own."""
    (pod,) = operators.items("pods", OPERATOR_PODS)
    if pod["spec"]["nodeName"] != node:
        return
    operators.kubectl("cordon", node)
    try:
        operators.kubectl("delete", "pod", pod["metadata"]["name"])
        operators.kubectl("rollout", "status", f"deployment/{install.RELEASE}", "--timeout=120s")
    finally:
        operators.kubectl("uncordon", node)


def newest_checkpoints(checkpoints: Path) -> list[Path]:
    """The files with the most steps, by the manifests: at an epoch's end the best one may be as new as the
    last.
    """
    manifests = [json.loads(path.read_text()) for path in checkpoints.glob("*.manifest.json")]
    steps = {checkpoints / one["file"]: int(one["step"]) for one in manifests}
    there = {path: step for path, step in steps.items() if path.exists()}
    return [path for path, step in there.items() if step == max(there.values())]


def _drain(scene: Scene, node: str) -> Heal:
    """Cordon the node and evict the run's pod from it; other runs stay."""
    scene.runs.kubectl("cordon", node)
    of_run = f"--pod-selector={names.RUN_LABEL}={scene.name}"
    scene.runs.kubectl("drain", node, of_run, "--force", "--delete-emptydir-data", "--timeout=90s")
    return partial(scene.runs.kubectl, "uncordon", node)  # type: ignore[return-value]


def _fill_until_noticed(scene: Scene, *, starting: bool) -> None:
    volume = scene.cluster.volume_folder(scene.runs.namespace, scene.claim)
    pod = scene.pods(1)[0]["metadata"]["name"]
    disks.fill(volume)
    try:
        if starting:
            wait_for("rank 0's page", lambda: scene.reader.run(pod) or None, ANSWER_SECONDS)
            time.sleep(FULL_SECONDS)  # its first writes follow, and no page tells that they fail
        else:
            wait_for(
                "word that no checkpoint can be written",
                lambda: scene.reader.run(pod).get(telemetry.CHECKPOINT_BLOCKED) or None,
                ANSWER_SECONDS,
            )
    finally:
        disks.free(volume)


def _truncate_after_the_end(scene: Scene) -> None:
    def all_ended() -> bool | None:
        phases = [pod["status"].get("phase") for pod in scene.pods(1).values()]
        return all(phase in ENDED for phase in phases) or None

    wait_for("the end of the pods", all_ended, ANSWER_SECONDS)
    for newest in newest_checkpoints(scene.folder / "checkpoints"):
        os.truncate(newest, newest.stat().st_size // 2)


def _slow_down(scene: Scene, target: Target) -> None:
    device = block_device(scene.folder)
    target.container.limit_writes(device, SLOW_BYTES_PER_SECOND)
    time.sleep(SLOW_SECONDS)  # the fault's own length
    with suppress(ClusterError):  # a pod that writes little may have ended, and the limit with it
        target.container.limit_writes(device, None)


def _suspend_and_resume(scene: Scene) -> None:
    def suspend(value: bool) -> None:
        patch = json.dumps({"spec": {"suspend": value}})
        scene.runs.kubectl("patch", names.PLURAL, scene.name, "--type=merge", "-p", patch)

    suspend(True)
    scene.runs.kubectl(
        "wait", f"{names.PLURAL}/{scene.name}", "--for=condition=Suspended", f"--timeout={ANSWER_SECONDS}s"
    )
    suspend(False)
