"""Creates the objects of an attempt and records it.

The attempt is recorded after its Job exists. A crash between the two leaves a Job that the next look finds by
its owner's UID: creating it again answers AlreadyExists, which counts as success, and the record is made up
for. The other order would leave a recorded attempt without a Job, which cannot be told from a Job that
somebody deleted. Once recorded, the Job is never created again (see `lost`).
"""

from trainingrun_api import TrainingRunStatus, names
from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_operator.conditions import Finding
from trainingrun_operator.desired.children import children
from trainingrun_operator.desired.pvc import claim_name
from trainingrun_operator.plan import Plan, Situation, Verify, with_findings
from trainingrun_operator.policies.quota import awaited, reserved

FIRST_ATTEMPT = 1
OF_ONE_ATTEMPT = (
    "global_step", "samples_per_second", "estimated_completion_time", "last_heartbeat_time", "trainer_phase",
)  # fmt: skip
"""Fields of the progress."""


def start(situation: Situation, attempt: int) -> Plan:
    """Objects and record of an attempt, the one after the latest."""
    if Verify.RUN not in situation.verified:
        # The index may hold a run from before its end, and starting a finished run again is not to be undone.
        return Plan(why=f"no attempt {attempt} in the index", verify=Verify.RUN)
    if attempt > FIRST_ATTEMPT and Verify.PODS not in situation.verified:
        # It may also miss pods that were created a moment ago, and two gangs must never run at once.
        return Plan(why="no living pods in the index", verify=Verify.PODS)
    findings = {
        ConditionType.ACCEPTED: Finding("True", Reason.OBJECTS_CREATED),
        ConditionType.RUNNING: Finding("False", Reason.AWAITING_PODS, "the pods are being created"),
    }
    findings |= awaited(situation) if situation.spec.queue else reserved(situation)
    if attempt == FIRST_ATTEMPT:
        findings[ConditionType.RESTARTING] = Finding("False", Reason.NOT_YET)
    return Plan(
        why=f"start attempt {attempt}",
        create=children(situation.run, situation.spec, attempt, situation.trainer_image),
        status=with_findings(
            situation,
            findings,
            **first_record(situation, attempt),
            nodes_ready=f"0/{situation.spec.nodes}",
            next_attempt_time=None,
            waiting_for=None,
            **_anew(situation.status),
        ),
    )


def _anew(status: TrainingRunStatus) -> dict[str, object]:
    """Live numbers without those that tell of the last attempt alone, lest they are taken for this one's."""
    fields: dict[str, object] = {}
    if status.progress:
        fields["progress"] = status.progress.model_copy(update=dict.fromkeys(OF_ONE_ATTEMPT))
    if status.checkpoint:
        resumed = {"resumed_from_step": None, "lost_steps": None}
        fields["checkpoint"] = status.checkpoint.model_copy(update=resumed)
    return fields


def first_record(situation: Situation, attempt: int) -> dict[str, object]:
    """Status fields that hold from the first attempt on."""
    run, spec = situation.run, situation.spec
    claim = claim_name(run, spec)
    return {
        "attempt": attempt,
        "checkpoint_claim": claim,
        "run_directory": names.run_directory(run.name, run.uid) if claim else None,
    }
