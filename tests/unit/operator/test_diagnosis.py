"""The pod that failed first is found among those that fell over it, and its end is put in a word."""

from typing import Any

import pytest

from tests.unit.operator.builders import COMMAND, at, dead_pod, raw_job, raw_pod
from trainingrun_api import TrainingRunSpec
from trainingrun_api.reasons import AttemptOutcome, Reason
from trainingrun_api.status import LastFailure
from trainingrun_api.termination import TerminationError, TerminationMessage
from trainingrun_operator.observed import job_from, pod_from
from trainingrun_operator.policies.advice import advice
from trainingrun_operator.policies.cause import cause, error_line
from trainingrun_operator.policies.cost import BY_REASON
from trainingrun_operator.policies.diagnosis import diagnose

SPEC = TrainingRunSpec.model_validate({**COMMAND, "nodes": 3, "resources": {"gpus": 4, "memory": "64Mi"}})
REST = [dead_pod(index, 0) for index in range(3)]
"""Pods that did nothing wrong."""


def diagnosis(*pods: dict[str, Any], job_message: str = "") -> LastFailure:
    """Of a Job whose other pods ended well."""
    indices = {pod_from(pod).index for pod in pods}
    rest = [pod for pod in REST if pod_from(pod).index not in indices]
    found = [pod_from(pod) for pod in (*pods, *rest)]
    return diagnose(SPEC, job_from(raw_job("Failed", job_message)), found, None)


def disrupted(reason: str, index: int = 0) -> dict[str, Any]:
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": "the node is gone",
    }
    return dead_pod(index, 137, conditions=[condition])


def deleted(seconds: float, index: int = 0, **more: Any) -> dict[str, Any]:
    """A pod that somebody deleted; without an exit code it still runs."""
    meta = {"deletionTimestamp": at(seconds + 30), "deletionGracePeriodSeconds": 30}
    return dead_pod(index, meta=meta, **more) if "code" in more else raw_pod(index, meta=meta, **more)


def telling(error: str, message: str = "something", advice: str = "") -> str:
    """The termination message of a trainer that ended with this type of error."""
    told = TerminationError(type=error, message=message, advice=advice)
    return TerminationMessage(outcome="failed", error=told).encode().decode()


UNREACHABLE = [{"type": "Ready", "status": "False"}]


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (dead_pod(code=1), Reason.USER_ERROR),
        (dead_pod(code=65), Reason.BAD_DATA),
        (dead_pod(code=78), Reason.BAD_CONFIG),
        (dead_pod(code=143), Reason.INTERRUPTED),
        (dead_pod(code=137), Reason.KILLED),
        (dead_pod(code=139), Reason.KILLED),
        (dead_pod(code=135, message=telling("SIGBUS")), Reason.KILLED),
        (dead_pod(code=137, message=telling("SIGKILL")), Reason.KILLED),
        (dead_pod(code=134, message="terminate called after throwing"), Reason.USER_ERROR),
        (dead_pod(code=255), Reason.USER_ERROR),
        (dead_pod(code=137, reason="OOMKilled"), Reason.OOM_KILLED),
        (dead_pod(code=137, reason="OOMKilled", message=telling("SIGKILL")), Reason.OOM_KILLED),
        (dead_pod(message=telling("OutOfMemoryError", "CUDA out of memory.")), Reason.CUDA_OUT_OF_MEMORY),
        (dead_pod(message="torch.OutOfMemoryError: CUDA out of memory\n"), Reason.CUDA_OUT_OF_MEMORY),
        (dead_pod(message=telling("NcclTimeout")), Reason.NCCL_TIMEOUT),
        (dead_pod(message=telling("PeerLost")), Reason.NCCL_TIMEOUT),
        (dead_pod(code=134, message="Watchdog caught collective operation timeout"), Reason.NCCL_TIMEOUT),
        (dead_pod(message=telling("OSError", "[Errno 28] No space left on device")), Reason.DISK_FULL),
        (dead_pod(message=telling("ScratchFull")), Reason.DISK_FULL),
        (dead_pod(message=telling("Diverged", "val_loss is nan after epoch 3")), Reason.DIVERGED),
        (dead_pod(message="cp: write error: No space left on device"), Reason.DISK_FULL),
        (dead_pod(code=128, reason="StartError"), Reason.LAUNCH_FAILED),
        (dead_pod(code=127, reason="ContainerCannotRun"), Reason.LAUNCH_FAILED),
        (disrupted("DeletionByTaintManager"), Reason.NODE_LOST),
        (disrupted("DeletionByPodGC"), Reason.NODE_LOST),
        (disrupted("PreemptionByScheduler"), Reason.PREEMPTED),
        (disrupted("EvictionByEvictionAPI"), Reason.EVICTED),
        (disrupted("TerminationByKubelet"), Reason.EVICTED),
        (raw_pod(phase="Failed", reason="Evicted", message="disk pressure"), Reason.EVICTED),
        (raw_pod(phase="Failed", reason="OutOfcpu", message="node ran out of it"), Reason.LAUNCH_FAILED),
        (raw_pod(phase="Failed", reason="UnexpectedAdmissionError"), Reason.LAUNCH_FAILED),
        (deleted(-20), Reason.POD_DELETED),
        (deleted(-20, code=143, ended=-15), Reason.POD_DELETED),
        (deleted(-45, code=137, ended=-15), Reason.POD_DELETED),
        (deleted(-5, code=7, ended=-15), Reason.USER_ERROR),
        # Its rank failed first; the Job controller deleted it because another pod fell over that.
        (deleted(-20, code=137, ended=-15, message=telling("SIGKILL")), Reason.KILLED),
        (deleted(-20, code=1, ended=-15, message=telling("ValueError")), Reason.USER_ERROR),
        (deleted(-20, code=1, ended=-15, message=telling("PeerLost")), Reason.POD_DELETED),
        (deleted(-20, conditions=UNREACHABLE), Reason.NODE_LOST),
    ],
)
def test_every_end_has_a_word(pod: dict[str, Any], reason: Reason) -> None:
    assert cause(pod_from(pod)) == reason


@pytest.mark.parametrize(
    ("pods", "index"),
    [
        ([dead_pod(0, ended=-5), dead_pod(1, ended=-9), dead_pod(2, ended=-7)], 1),
        ([dead_pod(0, 0, ended=-50), dead_pod(1, ended=-9)], 1),
        ([dead_pod(0, 143, ended=-50), dead_pod(1, ended=-9)], 1),
        ([dead_pod(0, 137, ended=-50), dead_pod(1, ended=-9)], 0),
        ([dead_pod(0, 137, ended=-50), dead_pod(1, message=telling("PeerLost"), ended=-50)], 0),
        ([dead_pod(0, 137, reason="OOMKilled", ended=-9), dead_pod(1, ended=-5)], 0),
        ([dead_pod(0, message="gloo: Connection closed by peer", ended=-50), dead_pod(1, ended=-9)], 1),
        (
            [dead_pod(0, message="ncclRemoteError: remote process exited", ended=-50), dead_pod(1, ended=-9)],
            1,
        ),
        ([dead_pod(0, message="Broken pipe", ended=-5), dead_pod(1, 143, ended=-9)], 1),
        ([dead_pod(0, ended=-9), dead_pod(1, ended=-9)], 0),
        ([dead_pod(0, message=telling("PeerLost"), ended=-50), dead_pod(1, ended=-9)], 1),
        (
            [
                dead_pod(0, message=telling("PeerLost")),
                dead_pod(1, 137, message=telling("SIGKILL"), ended=-5),
            ],
            1,
        ),
        ([dead_pod(0, message="Connection reset by peer", ended=-50), disrupted("DeletionByPodGC", 2)], 2),
        ([dead_pod(0, message=telling("NcclTimeout"), ended=-50), dead_pod(1, ended=-9)], 1),
        ([dead_pod(0, 143, ended=-9), deleted(-12, 1, code=143, ended=-9)], 1),
        ([dead_pod(0, 143, ended=-9), deleted(-9, 1, code=143, ended=-9)], 1),
        ([dead_pod(0, 143, ended=-9), deleted(-8, 1, code=143, ended=-5)], 0),
        ([dead_pod(0, message=telling("PeerLost"), ended=-12), deleted(-12, 1)], 1),
        (
            [
                dead_pod(0, message=telling("PeerLost"), ended=-15),
                deleted(-14, 1, code=137, ended=-5, message=telling("SIGKILL")),
            ],
            1,
        ),
        ([deleted(-9, 0, code=143, ended=-7), dead_pod(1, 7, ended=-9)], 1),
        ([deleted(-9, 0), dead_pod(1, 137, ended=-9)], 1),
        ([deleted(-9, 0, code=143, ended=-7), deleted(-12, 2, code=143, ended=-9)], 2),
    ],
)
def test_the_first_failure_is_blamed_and_not_who_fell_over_it(pods: list[dict[str, Any]], index: int) -> None:
    assert diagnosis(*pods).index == index


def test_the_termination_message_tells_rank_error_and_advice() -> None:
    told = TerminationMessage(
        outcome="failed",
        rank=6,
        error=TerminationError(type="DataError", message="row 3: gone.png", advice="mend row 3"),
    )
    found = diagnosis(dead_pod(1, 65, told.encode().decode()))
    assert (found.rank, found.message, found.advice) == (6, "DataError: row 3: gone.png", "mend row 3")
    assert found.reason == Reason.BAD_DATA


def test_the_rank_of_one_of_many_processes_is_not_guessed() -> None:
    assert diagnosis(dead_pod(1)).rank is None


@pytest.mark.parametrize(
    ("pod", "message", "advised"),
    [
        (dead_pod(message="a\nValueError: b\n\n"), "ValueError: b", "kubectl logs chest-1-0-x"),
        (dead_pod(), "the program wrote nothing (Error)", "kubectl logs"),
        (dead_pod(code=137), "ended by SIGKILL", "out-of-memory killer"),
        (dead_pod(code=139), "ended by SIGSEGV", "kubectl logs chest-1-0-x"),
        (dead_pod(code=137, reason="OOMKilled"), "out of memory: the limit is 64Mi", "resources.memory"),
        (
            dead_pod(code=137, reason="OOMKilled", message=telling("SIGKILL", "ended by it", "look")),
            "out of memory: the limit is 64Mi",
            "resources.memory",
        ),
        (
            raw_pod(phase="Failed", reason="OutOfcpu", message="no cpu"),
            "OutOfcpu: no cpu",
            "no room after all",
        ),
        (disrupted("DeletionByPodGC"), "DeletionByPodGC: the node is gone", "kubectl describe node n1"),
        (deleted(-20), "the pod was deleted", "spec.suspend"),
        (deleted(-20, conditions=UNREACHABLE), "node n1 does not answer", "kubectl describe node n1"),
        (dead_pod(message="RuntimeError: CUDA out of memory.\nbye"), "CUDA out of memory", "data.batchSize"),
        (
            dead_pod(code=128, reason="StartError", message='exec: "x": not found'),
            "not found",
            "spec.command",
        ),
    ],
)
def test_without_one_the_log_and_the_kubelet_speak(pod: dict[str, Any], message: str, advised: str) -> None:
    found = diagnosis(pod)
    assert message in found.message
    assert advised in found.advice


@pytest.mark.parametrize(
    ("job_message", "reason", "exit_code"),
    [
        (
            "Pod team/chest-1-0 has condition DisruptionTarget matching FailJob rule at index 0",
            Reason.EVICTED,
            None,
        ),
        ("Container trainer for pod team/chest-1-0 failed with exit code 1", Reason.USER_ERROR, 1),
        ("Container trainer for pod team/chest-1-0 failed with exit code 65", Reason.BAD_DATA, 65),
        ("Container trainer for pod team/chest-1-0 failed with exit code 137", Reason.POD_DELETED, 137),
        ("Job has reached the specified backoff limit", Reason.POD_DELETED, None),
    ],
)
def test_where_no_pod_was_seen_to_fail_the_job_is_quoted(
    job_message: str, reason: Reason, exit_code: int | None
) -> None:
    found = diagnosis(dead_pod(0, 0), job_message=job_message)
    assert (found.pod, found.reason, found.exit_code) == (None, reason, exit_code)
    assert job_message in found.message


LOST = telling("PeerLost")


@pytest.mark.parametrize(
    ("pods", "reason", "index"),
    [
        ([dead_pod(1, message=LOST), dead_pod(2, message=LOST)], Reason.POD_DELETED, 0),
        ([dead_pod(0, message=LOST), dead_pod(1, message=LOST)], Reason.POD_DELETED, 2),
        ([dead_pod(0, 7), dead_pod(1, message=LOST)], Reason.USER_ERROR, 0),
        ([dead_pod(i, message=LOST) for i in range(3)], Reason.NCCL_TIMEOUT, 0),
    ],
)
def test_a_pod_that_left_while_nobody_looked_is_missed_by_the_others(
    pods: list[dict[str, Any]], reason: Reason, index: int
) -> None:
    found = diagnose(SPEC, job_from(raw_job("Failed")), [pod_from(pod) for pod in pods], None)
    assert (found.reason, found.index) == (reason, index)


GONE = LastFailure(attempt=1, pod="chest-1-1-x", index=1, exit_code=143, reason=Reason.INTERRUPTED)
LEFT = GONE.model_copy(update={"reason": Reason.NCCL_TIMEOUT})


@pytest.mark.parametrize(
    ("known", "pods", "index"),
    [
        (GONE, [dead_pod(0, 0)], 1),
        (GONE, [dead_pod(0, 1)], 1),
        (GONE, [dead_pod(0, 1), dead_pod(1, 143)], 0),
        (GONE.model_copy(update={"attempt": 2}), [dead_pod(0, 1)], 0),
        (LEFT, [dead_pod(0, 143)], 1),
        (LEFT, [disrupted("DeletionByTaintManager")], 0),
        (None, [dead_pod(0, 1)], 0),
    ],
)
def test_a_pod_that_is_gone_is_remembered(
    known: LastFailure | None, pods: list[dict[str, Any]], index: int
) -> None:
    found = diagnose(SPEC, job_from(raw_job("Failed")), [pod_from(pod) for pod in pods], known)
    assert found.index == index


@pytest.mark.parametrize(
    "reason", [reason for reason, outcome in BY_REASON.items() if outcome != AttemptOutcome.SUSPENSION]
)
def test_every_failure_has_an_advice(reason: Reason) -> None:
    assert advice(reason, "chest-1-0-x", "n1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("one", "one"),
        ("one\n two \n \n", "two"),
        ("a\r\nb\r\n", "b"),
        ("CUDA out of memory\n[rank0]: destroyed\n", "CUDA out of memory"),
    ],
)
def test_the_last_line_that_tells_the_trouble_is_kept(text: str, expected: str) -> None:
    assert error_line(text) == expected
