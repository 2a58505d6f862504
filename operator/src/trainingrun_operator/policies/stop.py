"""The decision to end the attempt under way: written down first, carried out by `stopping` afterwards.

So a crash in between cannot leave pods that end for a reason that nobody knows, nor an attempt that was
stopped and counts as complete.
"""

from collections.abc import Mapping

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_api.status import LastFailure, Stopping
from trainingrun_operator.conditions import Finding
from trainingrun_operator.plan import Plan, Situation, with_findings
from trainingrun_operator.policies.start import first_record
from trainingrun_operator.times import to_timestamp


def stop(
    situation: Situation,
    reason: Reason,
    message: str,
    *,
    failure: LastFailure | None = None,
    findings: Mapping[ConditionType, Finding] | None = None,
    **fields: object,
) -> Plan:
    """Records why the latest attempt is to end.

    `failure` names pod, node and rank where they are known; findings and fields go into the same write.
    """
    attempt = situation.attempt
    if attempt is None:
        raise ValueError("there is no attempt to stop")
    record = {
        **first_record(situation, attempt),
        "stopping": Stopping(
            attempt=attempt, reason=reason, message=message, time=to_timestamp(situation.now)
        ),
        **({"last_failure": failure} if failure else {}),
    }
    return Plan(
        why=f"attempt {attempt} is to end: {reason}",
        status=with_findings(situation, findings or {}, **{**record, **fields}),
        requeue_after=0.0,
    )
