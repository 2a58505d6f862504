"""Follows a Job to its end: Completed, or the end of the attempt with the diagnosis of its first failure.

Both ends of a Job are final and it is recognised by its owner's UID, so an index entry is proof enough; the
status write is refused where the run itself was read from an outdated entry.
"""

from trainingrun_api import names
from trainingrun_api.reasons import AttemptOutcome
from trainingrun_api.status import LastFailure
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.observed import Job, JobState
from trainingrun_operator.plan import Plan, Situation
from trainingrun_operator.policies.conclude import conclude
from trainingrun_operator.policies.cost import outcome_of
from trainingrun_operator.policies.diagnosis import diagnose, first_failure
from trainingrun_operator.policies.last_words import last_message, last_words
from trainingrun_operator.policies.outcome import completed
from trainingrun_operator.times import seconds_between

LAST_WORDS_SECONDS = 5.0
"""How long the news of the pods' ends may come after the news of the Job's end, over another watch."""


def finished(situation: Situation) -> Plan | None:
    """The end of the run, where its Job has ended."""
    job = situation.job
    if job is None or job.state == JobState.ACTIVE:
        return None
    late = LAST_WORDS_SECONDS - seconds_between(job.ended_at, situation.now)
    if late > 0 and not _told(situation, job):
        return Plan(why="the Job ended; its pods' last words are on the way", requeue_after=min(late, 1.0))
    fields = last_words(situation)
    nodes = situation.spec.nodes
    if job.state == JobState.COMPLETE and (broken := _broken_off(situation, job)):
        return conclude(situation, broken, outcome_of(broken), fields)
    if job.state == JobState.COMPLETE:
        done = {**fields, "nodes_ready": f"{nodes}/{nodes}"}
        return completed(situation, job.attempt, _summary(last_message(situation), nodes), done)
    failure = diagnose(situation.spec, job, situation.pods, situation.status.last_failure)
    return conclude(situation, failure, outcome_of(failure), fields)


def _told(situation: Situation, job: Job) -> bool:
    """Whether nothing more is to be heard: all pods are known to have ended, those that matter among them.

    A pod that was deleted has vanished, but its failure was noted when it was on its way out.
    """
    if any(pod.alive for pod in situation.pods):
        return False
    noted = situation.status.last_failure
    if noted and noted.attempt == job.attempt:
        return True
    if job.state == JobState.COMPLETE:
        return any(pod.index == 0 for pod in situation.pods)
    return any(pod.phase == "Failed" for pod in situation.pods)


def _broken_off(situation: Situation, job: Job) -> LastFailure | None:
    """What ended a pod that did as it was told and called that a success: exit code 0 after a SIGTERM.

    A program that says that it completed did, whatever else happened to its pod.
    """
    message = last_message(situation)
    if message and message.outcome == "completed":
        return None
    found = first_failure(situation.spec, job.attempt, situation.pods, situation.status.last_failure)
    if found is None or found.attempt != job.attempt or found.exit_code not in (None, names.EXIT_DONE):
        return None
    return found if outcome_of(found) == AttemptOutcome.DISRUPTION else None


def _summary(message: TerminationMessage | None, nodes: int) -> str:
    pods = "the pod" if nodes == 1 else f"all {nodes} pods"
    if message is None:
        return f"{pods} ended with exit code 0"
    parts = [f"{message.epochs} epochs" if message.epochs is not None else f"{pods} ended with exit code 0"]
    if message.early_stopped:
        parts.append("stopped early")
    if message.best:
        parts.append(f"best {message.best.name} {message.best.value} in epoch {message.best.epoch}")
    return ", ".join(parts)
