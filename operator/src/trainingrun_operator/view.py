"""One run with all that belongs to it, as an index shows it. Pure."""

from dataclasses import dataclass
from datetime import datetime

from trainingrun_operator.observed import Job, JobState, Pod, Run


@dataclass(frozen=True, slots=True)
class View:
    """One run with its Jobs and pods, those of earlier runs of the same name included."""

    run: Run
    jobs: tuple[Job, ...] = ()
    pods: tuple[Pod, ...] = ()

    def children(self) -> "Children":
        """The Jobs and pods of this very run.

        Runs are compared by UID: after a run was deleted and created anew, children of both carry the same
        name. Pods are known by their labels, for they may outlive their Job.
        """
        uid = self.run.uid
        return Children(
            tuple(sorted((job for job in self.jobs if job.owner_uid == uid), key=lambda job: job.attempt)),
            tuple(sorted((pod for pod in self.pods if pod.run_uid == uid), key=_order)),
        )

    @property
    def fresh(self) -> bool:
        """Whether the run is still to get its first Job, and pods with it."""
        run = self.run
        if run.status.get("attempt") or run.spec.get("suspend") or run.spec.get("queue"):
            return False
        return all(job.owner_uid != run.uid for job in self.jobs)

    @property
    def peopled(self) -> bool:
        """Whether the latest attempt has all of its pods, or has ended."""
        job, pods = self.current()
        wanted = self.run.spec.get("nodes", 1)
        over = job is not None and job.state != JobState.ACTIVE
        return over or len({pod.index for pod in pods}) >= wanted

    def current(self) -> tuple[Job | None, tuple[Pod, ...]]:
        """The Job of the latest attempt and its pods by index."""
        children = self.children()
        attempt = children.latest(self.run.status.get("attempt"))
        return children.job(attempt), children.pods_of(attempt)


@dataclass(frozen=True, slots=True)
class Children:
    """Jobs and pods of one run, of all attempts."""

    jobs: tuple[Job, ...]
    """By attempt."""
    pods: tuple[Pod, ...]
    """By attempt and index."""

    def latest(self, recorded: int | None) -> int | None:
        """The latest attempt: the recorded one, or that of a Job whose creation could not be recorded."""
        return max(recorded or 0, *(job.attempt for job in self.jobs), 0) or None

    def job(self, attempt: int | None) -> Job | None:
        """The Job of an attempt."""
        return next((job for job in self.jobs if job.attempt == attempt), None)

    def pods_of(self, attempt: int | None) -> tuple[Pod, ...]:
        """The pods of an attempt."""
        return tuple(pod for pod in self.pods if pod.attempt == attempt)


def _order(pod: Pod) -> tuple[int, int, datetime, str]:
    return pod.attempt, pod.index, pod.created, pod.name
