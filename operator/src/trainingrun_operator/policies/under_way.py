"""The run under way: Pending with the reason why pods do not run, Running from the moment that all do."""

from collections.abc import Mapping
from dataclasses import replace

from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_api.status import MAX_ATTEMPT_RECORDS
from trainingrun_operator import progress
from trainingrun_operator.conditions import Finding
from trainingrun_operator.goodput import paused_seconds
from trainingrun_operator.observed import Job
from trainingrun_operator.plan import Deletion, Plan, Situation, with_findings
from trainingrun_operator.policies.budget import refilled
from trainingrun_operator.policies.deadline import deadline_in
from trainingrun_operator.policies.diagnosis import first_failure
from trainingrun_operator.policies.freshness import freshness
from trainingrun_operator.policies.moving import moving, resting
from trainingrun_operator.policies.node_lost import given_up_in
from trainingrun_operator.policies.quota import reserved
from trainingrun_operator.policies.stall import suspicion_in
from trainingrun_operator.policies.start import first_record
from trainingrun_operator.policies.waiting import why_waiting
from trainingrun_operator.times import to_timestamp

RESTARTED = Finding("False", Reason.PODS_RUNNING)
ACCEPTED = {ConditionType.ACCEPTED: Finding("True", Reason.OBJECTS_CREATED)}


def under_way(situation: Situation) -> Plan | None:
    """The status of a run whose Job is active; Jobs of attempts long past are deleted."""
    job = situation.job
    if job is None:
        return None
    oldest = job.attempt - MAX_ATTEMPT_RECORDS
    past = (old for old in situation.children.jobs if old.attempt < oldest)
    plan = _follow(situation, job)
    waits = (plan.requeue_after, deadline_in(situation), suspicion_in(situation), given_up_in(situation))
    return replace(
        plan,
        delete=tuple(Deletion("Job", old.name, old.uid) for old in past),
        requeue_after=min((seconds for seconds in waits if seconds is not None), default=None),
    )


def _follow(situation: Situation, job: Job) -> Plan:
    status, nodes = situation.status, situation.spec.nodes
    fields = {
        **first_record(situation, job.attempt),
        "nodes_ready": f"{situation.pods_ready}/{nodes}",
        "last_failure": first_failure(situation.spec, job.attempt, situation.pods, status.last_failure)
        or status.last_failure,
        "budget": refilled(status.budget, status.checkpoint.step if status.checkpoint else None),
    }
    if status.phase == Phase.RUNNING:
        return _goes_on(situation, fields)
    if situation.pods_ready == nodes:
        return _starts(situation, fields)
    waiting = why_waiting(situation)
    if waiting.verify:
        return Plan(why="nothing has moved for long", verify=waiting.verify)
    return Plan(
        why=f"waiting: {waiting.finding.reason}",
        status=with_findings(
            situation,
            {
                **ACCEPTED,
                **reserved(situation),
                **resting(situation),
                ConditionType.RUNNING: waiting.finding,
            },
            **fields,
        ),
        requeue_after=waiting.recheck_after,
    )


def _starts(situation: Situation, fields: Mapping[str, object]) -> Plan:
    where = ", ".join(sorted({pod.node for pod in situation.pods}))
    running = Finding("True", Reason.PODS_RUNNING, f"all pods run, on {where}")
    return Plan(
        why="all pods run",
        status=with_findings(
            situation,
            {
                **ACCEPTED,
                **reserved(situation),
                **resting(situation),
                ConditionType.RUNNING: running,
                ConditionType.RESTARTING: RESTARTED,
            },
            start_time=situation.status.start_time or to_timestamp(situation.started_at or situation.now),
            paused_seconds=paused_seconds(situation.status),
            **fields,
        ),
    )


def _goes_on(situation: Situation, fields: Mapping[str, object]) -> Plan:
    told = progress.live(situation.status, situation.scrape) if situation.scrape else {}
    findings = {**freshness(situation), **moving(situation)}
    status = with_findings(situation, findings, **{**fields, **told})
    return Plan(why="training goes on", status=status)
