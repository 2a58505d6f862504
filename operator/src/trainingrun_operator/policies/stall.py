"""Notices that a run stands still, names the ranks that hold it up, and ends the attempt.

Silence is measured by the operator's own clock, from the moment that it first got the heartbeat that is still
the newest: the clocks of nodes may be wrong. A restarted operator begins anew, so it is late rather than
wrong. Before anything follows, all pods are asked once more: the last answer may be older than the last step.
"""

from collections.abc import Sequence
from datetime import timedelta

from trainingrun_api import names
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_api.status import MAX_SILENT_RANKS, LastFailure, SilentRank
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_operator.conditions import Finding
from trainingrun_operator.heartbeats import Beat, suspects
from trainingrun_operator.observed import Pod
from trainingrun_operator.plan import Plan, Situation, Verify
from trainingrun_operator.policies import unreachable
from trainingrun_operator.policies.advice import advice
from trainingrun_operator.policies.stop import stop
from trainingrun_operator.scrape import Scrape
from trainingrun_operator.times import human_duration, unix_timestamp

SLOW_PHASES = frozenset({None, TrainerPhase.STARTING, TrainerPhase.WARMING_UP})
"""Phases without heartbeats: imports, and compilation up to the first step."""
SLOW_RECHECK_SECONDS = 10.0
"""When to ask the pods of a slow phase again."""
RECHECK_SECONDS = 3.0
"""When to look again at a run that turned out to move, or about which the cluster may have news soon."""
NODE_VERDICT_SECONDS = 60
"""A node counts as lost 40 or 50 seconds after its last sign of life (node-monitor-grace-period of
kube-controller-manager)."""
MOST_NAMED = 3
"""Ranks in one sentence; the status lists more."""
NEVER_ANSWERED = (
    f"no pod of this attempt ever answered: let the operator reach ports {names.METRICS_PORT} and "
    f"{names.HEARTBEATS_PORT} of the pods (NetworkPolicy, firewall), or read the log: kubectl logs {{pod}}"
)

Named = tuple[Beat, Pod]


def stall(situation: Situation) -> Plan | None:
    """The end of an attempt that has been silent for too long."""
    left = _left(situation)
    if left is None or left > 0:
        return None
    if Verify.PULSE not in situation.verified:
        return Plan(why="no heartbeat for too long", verify=Verify.PULSE)
    if situation.pulse is None or _moved(situation) or left + _patience(situation) > 0:
        return None
    if unreachable.unreachable(situation):
        return None if left + unreachable.HELD_SECONDS > 0 else unreachable.end_of(situation)
    silent = _silent(situation)
    seconds, field = _limit(situation)
    limit = f"no progress for {seconds} s (deadlines.{field})"
    told = "; ".join(_where(beat, pod) + _last(situation, beat) for beat, pod in silent[:MOST_NAMED])
    more = f"; {len(silent) - MOST_NAMED} more ranks" if len(silent) > MOST_NAMED else ""
    message = f"{limit}: {told}{more}" if silent else limit
    return stop(
        situation,
        Reason.STALLED,
        message,
        failure=_failure(situation, limit, silent),
        findings={ConditionType.PROGRESSING: Finding("False", Reason.STALLED, message)},
        silent_ranks=[_report(beat, pod) for beat, pod in silent[:MAX_SILENT_RANKS]] or None,
    )


def suspicion_in(situation: Situation) -> float | None:
    """Seconds until all pods are asked whether they stand still; None where nothing can be told."""
    left = _left(situation)
    if left is not None and situation.pulse and _phase(situation) in SLOW_PHASES:
        left = min(left, SLOW_RECHECK_SECONDS)
    pause = unreachable.RECHECK_SECONDS if unreachable.unreachable(situation) else RECHECK_SECONDS
    return None if left is None else max(pause, left)


def _left(situation: Situation) -> float | None:
    """Seconds until a run that stays silent is stalled, below 0 after that."""
    scrape = situation.scrape
    if not situation.active or situation.status.phase != Phase.RUNNING:
        return None
    if scrape is None or scrape.heartbeat_seen_at is None:
        return None
    if situation.spec.training is None and not _has_beaten(situation, scrape):
        return None
    seconds, _ = _limit(situation)
    if Verify.PULSE not in situation.verified:
        # Rank 0 may have been in a slow phase when it was asked last: its pod knows in which it stands still.
        seconds = min(seconds, situation.spec.deadlines.stall_seconds)
    due = scrape.heartbeat_seen_at + timedelta(seconds=seconds)
    return (due - situation.now).total_seconds()


def _has_beaten(situation: Situation, scrape: Scrape) -> bool:
    """Whether the attempt ever showed a heartbeat, to this process or to one before it."""
    known = situation.status.progress
    return scrape.heartbeat is not None or bool(known and known.last_heartbeat_time)


def _limit(situation: Situation) -> tuple[int, str]:
    """Seconds of silence that are allowed, and the deadline that says so."""
    deadlines = situation.spec.deadlines
    if _phase(situation) in SLOW_PHASES and deadlines.startup_seconds > deadlines.stall_seconds:
        return deadlines.startup_seconds, "startupSeconds"
    return deadlines.stall_seconds, "stallSeconds"


def _phase(situation: Situation) -> str | None:
    """What the first rank of which anything is known is doing: by the pods, where they were asked, else by
    the last word of rank 0."""
    scrape, known, pulse = situation.scrape, situation.status.progress, situation.pulse
    beats = [beat for pod in pulse.beats.values() for beat in pod if beat.phase] if pulse else []
    if beats:
        return min(beats, key=lambda beat: beat.rank).phase
    return (scrape.phase if scrape else None) or (known.trainer_phase if known else None)


def _patience(situation: Situation) -> int:
    """Seconds beyond the limit in which the cluster may find out that a node is lost, which would be free."""
    if any(pod.unreachable for pod in situation.pods):
        return NODE_VERDICT_SECONDS + situation.spec.restart.node_lost_seconds
    answered = situation.pulse.beats if situation.pulse else {}
    mute = any(pod.name not in answered for pod in situation.pods if pod.alive)
    return NODE_VERDICT_SECONDS if mute and situation.spec.training else 0


def _moved(situation: Situation) -> bool:
    """Whether rank 0 answers with another heartbeat than the one that was judged.

    A rank that is busy may be late to answer: then its pod's main process says when it last moved.
    """
    scrape, pulse = situation.scrape, situation.pulse
    if scrape is None or pulse is None:
        return False
    if pulse.heartbeat is not None:
        return pulse.heartbeat != scrape.heartbeat
    seconds, _ = _limit(situation)
    beats = (beat for told in pulse.beats.values() for beat in told if beat.rank == 0)
    return any(beat.time is not None and situation.now.timestamp() - beat.time < seconds for beat in beats)


def _silent(situation: Situation) -> Sequence[Named]:
    """The ranks to be named, with their pods; none where no pod tells of its ranks."""
    beats = situation.pulse.beats if situation.pulse else {}
    if not beats and situation.spec.training is None:
        return ()
    ranks = situation.spec.local_world_size
    of: dict[int, Named] = {}
    for pod in (pod for pod in situation.pods if pod.alive):
        mute = tuple(Beat(rank) for rank in range(pod.index * ranks, (pod.index + 1) * ranks))
        of |= {beat.rank: (beat, pod) for beat in beats.get(pod.name, mute)}
    return [of[beat.rank] for beat in suspects([beat for _, (beat, _) in sorted(of.items())])]


def _where(beat: Beat, pod: Pod) -> str:
    return f"rank {beat.rank} (pod {pod.name}, node {pod.node}) "


def _last(situation: Situation, beat: Beat) -> str:
    if beat.time is None:
        return "does not answer"
    ago = human_duration(situation.now.timestamp() - beat.time)
    held = ", its process is stopped" if beat.stopped else ""
    return f"last moved {ago} ago: {beat.phase or 'no phase'}, step {beat.step or 0}{held}"


def _report(beat: Beat, pod: Pod) -> SilentRank:
    return SilentRank(
        rank=beat.rank,
        pod=pod.name,
        node=pod.node,
        phase=beat.phase,
        step=beat.step,
        last_heartbeat_time=unix_timestamp(beat.time),
    )


def _failure(situation: Situation, limit: str, silent: Sequence[Named]) -> LastFailure:
    """The stall as a failure of the first silent rank's pod, where one is known."""
    failure = LastFailure(attempt=situation.attempt or 0, reason=Reason.STALLED, message=limit)
    if not silent:
        return failure.model_copy(update={"advice": advice(Reason.STALLED)})
    (beat, pod), *others = silent
    also = f"; {len(others)} more ranks alike" if others else ""
    return LastFailure(
        attempt=failure.attempt,
        pod=pod.name,
        index=pod.index,
        rank=beat.rank,
        node=pod.node or None,
        reason=failure.reason,
        message=f"{_last(situation, beat)}{also}; {limit}",
        advice=NEVER_ANSWERED.format(pod=pod.name) if _never_answered(situation) else advice(Reason.STALLED),
    )


def _never_answered(situation: Situation) -> bool:
    """Whether not one pod of the attempt ever told anything, as far as is known."""
    scrape, pulse = situation.scrape, situation.pulse
    return not (scrape and _has_beaten(situation, scrape)) and not (pulse and pulse.beats)
