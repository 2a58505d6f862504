"""Deletes a run `ttlSecondsAfterFinished` after its end. Its Jobs and pods go with it, its results stay as
`checkpoints.retain` says."""

from trainingrun_api import names
from trainingrun_operator.conditions import ended
from trainingrun_operator.plan import Deletion, Plan, Situation, Verify
from trainingrun_operator.times import from_timestamp, seconds_between


def ttl(situation: Situation) -> Plan | None:
    """The deletion of the run, or when it is due; it can be put off until then."""
    run, seconds = situation.run, situation.spec.ttl_seconds_after_finished
    if seconds is None or run.deleting or not ended(situation.status):
        return None
    left = seconds - seconds_between(from_timestamp(situation.status.completion_time), situation.now)
    if left > 0:
        return Plan(why=f"the run is deleted in {left:.0f} s", requeue_after=left)
    if Verify.RUN not in situation.verified:
        # Somebody may have put it off, or started the run anew, a moment ago.
        return Plan(why="ttlSecondsAfterFinished has passed", verify=Verify.RUN)
    return Plan(
        why=f"the run ended more than {seconds} s ago", delete=(Deletion(names.KIND, run.name, run.uid),)
    )
