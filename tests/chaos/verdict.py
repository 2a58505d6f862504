"""What does not hold of a run that was struck. Pure: from what was seen to sentences."""

from dataclasses import dataclass, field

from tests.chaos.table import Case, Fault
from tests.chaos.workload import NODE_LOST_SECONDS, SAVE_STEPS, STALL_SECONDS, STARTUP_SECONDS
from tests.helpers.runs import Object
from trainingrun_api.reasons import AttemptOutcome

MARGIN_SECONDS = 15
"""What the operator may take to notice, beyond what the spec and the cluster take."""
NODE_MONITOR_SECONDS = 20
"""The cluster's own node-monitor-grace-period."""
FIRST_STEP_SECONDS = 15
"""From the fault to the first new step, without the pods' own start."""
COUNTERS = {
    AttemptOutcome.FAILURE: "failures",
    AttemptOutcome.STALL: "stalls",
    AttemptOutcome.DISRUPTION: "disruptions",
}


@dataclass
class Seen:
    """What the runner saw, beside the final status. Seconds are counted from the strike."""

    struck: str = ""
    """What the rank was doing."""
    struck_step: int = 0
    status: Object = field(default_factory=dict)
    noticed_seconds: float | None = None
    """Until the status said that the attempt ended or is being ended."""
    first_step_seconds: float | None = None
    """Until the next attempt had taken its first step."""
    pods_seconds: float = 0.0
    """Of these, what scheduling the pod of rank 0 and starting its container took, in whole seconds."""
    resumed_step: int | None = None
    damaged_checkpoints: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def own_seconds(self) -> float | None:
        """From the strike to the first new step, less the pods' start."""
        return None if self.first_step_seconds is None else self.first_step_seconds - self.pods_seconds


def judge(case: Case, rank: int, seen: Seen) -> list[str]:
    """What does not hold; empty where all does. `rank` is the one that was struck."""
    if seen.status.get("phase") != "Completed":
        return [f"the run is {seen.status.get('phase')}: {seen.status.get('message')}"]
    wrong = [*_attempts(case, seen), *_counters(case, seen), *seen.differences]
    if case.expected.outcome is AttemptOutcome.COMPLETED:
        return wrong
    wrong += [*_lost_steps(case, seen), *_noticed(case, seen)]
    silent = [one["rank"] for one in seen.status.get("silentRanks", [])]
    if case.fault is Fault.STOP and rank not in silent:
        wrong.append(f"rank {rank} is not among the silent ranks {silent}")
    if case.fault is Fault.TRUNCATED_CHECKPOINT and not seen.damaged_checkpoints:
        wrong.append("the damaged checkpoint was not reported")
    return wrong


def _attempts(case: Case, seen: Seen) -> list[str]:
    records = seen.status.get("attempts", [])
    ended = [(record["outcome"], record["reason"]) for record in records]
    outcome, reasons = case.expected.outcome, case.expected.reasons
    wanted = 1 if outcome is AttemptOutcome.COMPLETED else 2
    if len(records) != wanted or records[-1]["outcome"] != AttemptOutcome.COMPLETED:
        return [f"attempts ended as {ended}, expected {wanted} of which the last is Completed"]
    first = records[0]
    if first["outcome"] != outcome or first["reason"] not in reasons:
        return [f"attempt 1 ended as {ended[0]}, expected {outcome} for {' or '.join(reasons)}"]
    return []


def _counters(case: Case, seen: Seen) -> list[str]:
    charged = COUNTERS.get(case.expected.outcome)
    expected = {name: int(name == charged) for name in COUNTERS.values()}
    restarts = seen.status.get("restarts", {})
    counted = {name: restarts.get(name, 0) for name in expected}
    wrong = [] if counted == expected else [f"charged {counted}, expected {expected}"]
    if left := seen.status.get("budget", {}).get("failures", 0):
        wrong.append(f"the budget is not whole again: {left} failures")
    return wrong


def _lost_steps(case: Case, seen: Seen) -> list[str]:
    allowed = case.expected.intervals * SAVE_STEPS
    wrong = []
    if seen.resumed_step is None:
        wrong.append("the second attempt never said where it went on from")
    elif (lost := seen.struck_step - seen.resumed_step) > allowed:
        wrong.append(f"{lost} steps lost: step {seen.struck_step} to {seen.resumed_step}, {allowed} allowed")
    said = max((record.get("lostSteps") or 0 for record in seen.status.get("attempts", [])), default=0)
    if said > allowed:
        wrong.append(f"the status says {said} steps lost, {allowed} allowed")
    return wrong


def _noticed(case: Case, seen: Seen) -> list[str]:
    starting = seen.struck_step == 0
    limits = {
        Fault.STOP: (STARTUP_SECONDS if starting else STALL_SECONDS) + MARGIN_SECONDS,
        Fault.DEAD_NODE: NODE_LOST_SECONDS + NODE_MONITOR_SECONDS + MARGIN_SECONDS,
    }
    limit = limits.get(case.fault)
    if limit is None:
        return []
    if seen.noticed_seconds is None:
        return ["nobody noticed"]
    if seen.noticed_seconds > limit:
        return [f"noticed after {seen.noticed_seconds:.0f} s, {limit} s allowed"]
    return []
