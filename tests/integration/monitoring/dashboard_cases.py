"""What stands in Prometheus, and what a panel's query answers, where the query computes something.

One sample a minute from Unix time 0 on; the question is asked at 1000 seconds.
"""

from collections.abc import Mapping

from trainingrun_api import telemetry
from trainingrun_monitoring import dcgm
from trainingrun_operator import metrics
from trainingrun_operator import run_series as runs

ASKED_AT = "1000s"
DIGITS = '{namespace="ml", name="digits"}'
Found = Mapping[str, float]
"""Value by labels."""


def series(family: str, value: float, *, name: str = "digits", **labels: str) -> dict[str, str]:
    """A constant series of a run, told by the operator's pod a."""
    return raw(family, value, namespace="ml", name=name, instance="a", **labels)


def raw(family: str, value: float, **labels: str) -> dict[str, str]:
    """A constant series."""
    pairs = ", ".join(f'{label}="{text}"' for label, text in labels.items())
    return {f"{family}{{{pairs}}}": f"{value}x30"}


def info(name: str, **labels: str) -> dict[str, str]:
    """A run without project and queue, unless they are given."""
    return series(runs.INFO, 1, name=name, task="classification", **labels)


def pod(node: str = "node-1", gpus: int = 1) -> dict[str, str]:
    """The run's only pod, and the devices that it asks for."""
    return series(runs.POD_INFO, 1, pod="digits-0", node=node, index="0") | series(runs.GPUS, gpus)


def device(value: float, family: str = dcgm.ENGINE_ACTIVE, **labels: str) -> dict[str, str]:
    """A series of dcgm-exporter for a device of a node."""
    return raw(family, value, **{"Hostname": "node-1", "gpu": "0", "UUID": "GPU-0", **labels})


HELD = {"namespace": "ml", "pod": "digits-0"}
RENAMED = {
    "namespace": "gpu-operator",
    "pod": "dcgm-exporter-x",
    "exported_namespace": "ml",
    "exported_pod": "digits-0",
}
NOBODYS = {"namespace": "gpu-operator", "pod": "dcgm-exporter-x"}
SECOND = {"gpu": "1", "UUID": "GPU-1"}
GPU_0, GPU_1 = '{Hostname="node-1", gpu="0"}', '{Hostname="node-1", gpu="1"}'


def phases(name: str, shown: str) -> dict[str, str]:
    """Each phase of a run, of which it is in one."""
    found: dict[str, str] = {}
    for phase in ("Pending", "Running", "Completed", "Failed"):
        found |= series(runs.PHASE, float(phase == shown), name=name, phase=phase)
    return found


def spent(name: str, gpus: int, useful: float, goodput: float) -> dict[str, str]:
    """A run that began at second 200."""
    return (
        info(name)
        | series(runs.GPUS, gpus, name=name)
        | series(runs.USEFUL_SECONDS, useful, name=name)
        | series(runs.GOODPUT_RATIO, goodput, name=name)
        | series(runs.STARTED, 200, name=name)
    )


def waited(
    name: str, phase: str, created: float, started: float | None = None, reason: str = "x"
) -> dict[str, str]:
    """A run that waits or waited."""
    found = info(name) | phases(name, phase) | series(runs.CREATED, created, name=name)
    found |= series(runs.REASON, 1, name=name, reason=reason)
    return found if started is None else found | series(runs.STARTED, started, name=name)


def steps(rank: int, seconds_a_minute: float) -> dict[str, str]:
    """The rank's own part of the steps, growing."""
    labels = f'namespace="ml", trainingrun="digits", pod="digits-{rank}", rank="{rank}"'
    return {f"{telemetry.RANK_STEP_SECONDS}{{{labels}}}": f"0+{seconds_a_minute}x30"}


def ended(outcome: str, values: str) -> dict[str, str]:
    """The operator's count of attempts that ended so."""
    labels = f'job="operator", instance="a", outcome="{outcome}", reason="x"'
    return {f"{metrics.ATTEMPTS_ENDED}{{{labels}}}": values}


CASES: dict[str, tuple[tuple[str, str], Mapping[str, str], Found]] = {
    "a phase is a number of its own": (
        ("run.json", "Phase"),
        phases("digits", "Failed"),
        {DIGITS: 3},
    ),
    "a pending run is phase 0, not unknown": (
        ("run.json", "Phase"),
        phases("digits", "Pending"),
        {DIGITS: 0},
    ),
    "a replaced operator leaves one line": (
        ("run.json", "Goodput"),
        series(runs.GOODPUT_RATIO, 0.5)
        | raw(runs.GOODPUT_RATIO, 0.5, namespace="ml", name="digits", instance="b"),
        {DIGITS: 0.5},
    ),
    "restarts of all causes": (
        ("run.json", "Restarts"),
        series(runs.RESTARTS, 2, cause="failure") | series(runs.RESTARTS, 1, cause="disruption"),
        {DIGITS: 3},
    ),
    "the metric of record is the one that has a best value": (
        ("run.json", "Metric of record"),
        series(runs.METRIC, 0.9, metric="val_accuracy")
        | series(runs.METRIC, 0.3, metric="val_loss")
        | series(runs.BEST_METRIC, 0.95, metric="val_accuracy"),
        {'{namespace="ml", name="digits", metric="val_accuracy"}': 0.9},
    ),
    "a checkpoint ages while the run is running": (
        ("run.json", "Age of the newest checkpoint"),
        series(runs.CHECKPOINT, 700) | phases("digits", "Running"),
        {DIGITS: 300},
    ),
    "and not after its end": (
        ("run.json", "Age of the newest checkpoint"),
        series(runs.CHECKPOINT, 700) | phases("digits", "Completed"),
        {},
    ),
    "the spread is the slowest rank over the fastest": (
        ("run.json", "Straggler spread"),
        steps(0, 20) | steps(1, 30) | steps(2, 24),
        {"{}": 1.5},
    ),
    "ranks that take no steps have no spread": (
        ("run.json", "Straggler spread"),
        steps(0, 0) | steps(1, 0),
        {},
    ),
    "conditions are numbers": (
        ("run.json", "Health"),
        series(runs.CONDITION, 1, condition="Progressing", status="False", reason="Stalled")
        | series(runs.CONDITION, 1, condition="CheckpointFresh", status="Unknown", reason="NotYet")
        | series(runs.CONDITION, 1, condition="Accepted", status="True", reason="ObjectsCreated")
        | phases("digits", "Running"),
        {'{condition="Progressing"}': 0, '{condition="CheckpointFresh"}': 2},
    ),
    "a run that is over need not move": (
        ("run.json", "Health"),
        series(runs.CONDITION, 1, condition="Progressing", status="False", reason="Finished")
        | phases("digits", "Completed"),
        {},
    ),
    "a device by the pod that the exporter names": (
        ("run.json", "GPU use"),
        pod() | device(0.8, **HELD) | device(0.1, **SECOND, namespace="ml", pod="other-0"),
        {GPU_0: 0.8},
    ),
    "a device by the pod that the scrape renamed": (
        ("run.json", "GPU use"),
        pod() | device(0.8, **RENAMED) | device(0.1, **SECOND, **NOBODYS),
        {GPU_0: 0.8},
    ),
    "all devices of the node where no pod is named": (
        ("run.json", "GPU use"),
        pod()
        | device(0.8, **NOBODYS)
        | device(0.1, **SECOND, **NOBODYS)
        | device(0.5, Hostname="node-2", UUID="GPU-2"),
        {GPU_0: 0.8, GPU_1: 0.1},
    ),
    "no device of the node for a run that asks for none": (
        ("run.json", "GPU use"),
        pod(gpus=0) | device(0.8, **NOBODYS),
        {},
    ),
    "the driver's percentage where the device is not profiled": (
        ("run.json", "GPU use"),
        pod() | device(60, dcgm.UTILIZATION, **HELD) | device(90, dcgm.UTILIZATION, **SECOND, **NOBODYS),
        {GPU_0: 0.6},
    ),
    "memory is joined alike": (
        ("run.json", "GPU memory"),
        pod() | device(4096, dcgm.MEMORY_USED, **RENAMED),
        {GPU_0: 4096},
    ),
    "useful and lost hours of GPUs": (
        ("fleet.json", "GPU-hours"),
        spent("digits", 4, useful=360, goodput=0.5) | spent("chest", 1, useful=720, goodput=1),
        {"{}": (4 * 360 + 720) / 3600},
    ),
    "lost hours are those that goodput leaves": (
        ("fleet.json", "GPU-hours lost"),
        spent("digits", 4, useful=360, goodput=0.5) | spent("chest", 1, useful=720, goodput=1),
        {"{}": 4 * 360 / 3600},
    ),
    "a run without anything useful lost all since its start": (
        ("fleet.json", "GPU-hours lost"),
        spent("digits", 9, useful=0, goodput=0),
        {"{}": 9 * 800 / 3600},
    ),
    "goodput of all runs goes by their time": (
        ("fleet.json", "Goodput"),
        spent("digits", 0, useful=360, goodput=0.5) | spent("chest", 0, useful=280, goodput=1),
        {"{}": 0.64},
    ),
    "nobody is stalled": (
        ("fleet.json", "Stalled"),
        info("digits") | phases("digits", "Running"),
        {"{}": 0},
    ),
    "one is stalled": (
        ("fleet.json", "Stalled"),
        info("digits")
        | phases("digits", "Running")
        | series(runs.CONDITION, 1, condition="Progressing", status="False", reason="Stalled"),
        {"{}": 1},
    ),
    "a run that stalled and then failed is stalled no more": (
        ("fleet.json", "Stalled"),
        info("digits")
        | phases("digits", "Failed")
        | series(runs.CONDITION, 1, condition="Progressing", status="False", reason="Stalled"),
        {"{}": 0},
    ),
    "a run without queue and project has a name for that": (
        ("fleet.json", "Runs by queue"),
        info("digits")
        | phases("digits", "Running")
        | info("chest", queue="team-a")
        | phases("chest", "Failed"),
        {
            '{queue="none", phase="Running"}': 1,
            '{queue="none", phase="Pending"}': 0,
            '{queue="team-a", phase="Running"}': 0,
            '{queue="team-a", phase="Pending"}': 0,
        },
    ),
    "the start took what it took, and waiting goes on": (
        ("fleet.json", "Slowest to start"),
        waited("digits", "Running", created=100, started=130)
        | waited("chest", "Pending", created=400)
        | waited("asleep", "Pending", created=0, reason="Suspended")
        | waited("rejected", "Failed", created=0),
        {
            '{namespace="ml", name="digits", project="none", queue="none"}': 30,
            '{namespace="ml", name="chest", project="none", queue="none"}': 600,
        },
    ),
    "an attempt that ended counts, also the first of its kind": (
        ("operator.json", "Attempts ended"),
        ended("Failure", "_x14 1 1 1") | ended("Stall", "4x14 5 5 5") | ended("Completed", "7x30"),
        {
            '{outcome="Failure", reason="x"}': 1,
            '{outcome="Stall", reason="x"}': 1.25,
            '{outcome="Completed", reason="x"}': 0,
        },
    ),
    "failures by cause": (
        ("fleet.json", "Failures by cause"),
        info("digits")
        | info("chest")
        | info("lungs")
        | series(runs.LAST_FAILURE, 1, reason="OOMKilled")
        | series(runs.LAST_FAILURE, 1, name="chest", reason="OOMKilled")
        | series(runs.LAST_FAILURE, 1, name="lungs", reason="NodeLost"),
        {'{reason="OOMKilled"}': 2, '{reason="NodeLost"}': 1},
    ),
    "use of a run's devices is their mean": (
        ("fleet.json", "GPU use by run"),
        info("digits")
        | pod()
        | device(0.8, **HELD)
        | device(0.2, **SECOND, **HELD)
        | device(0.9, gpu="2", UUID="GPU-2"),
        {DIGITS: 0.5},
    ),
}
"""File and title of the panel, the series, and the answer, of the panel's first query."""
