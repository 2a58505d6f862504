"""The pod that failed first is found among those that fell over it, and its end is put in a word."""

from typing import Any

import pytest

from tests.unit.operator.builders import COMMAND, dead_pod, raw_job, raw_pod
from trainingrun_api import TrainingRunSpec
from trainingrun_api.reasons import Reason
from trainingrun_api.status import LastFailure
from trainingrun_api.termination import TerminationError, TerminationMessage
from trainingrun_operator.observed import job_from, pod_from
from trainingrun_operator.policies.diagnosis import classify, diagnose, last_line

SPEC = TrainingRunSpec.model_validate({**COMMAND, "nodes": 3, "resources": {"gpus": 4, "memory": "64Mi"}})


def diagnosis(*pods: dict[str, Any], job_message: str = "") -> LastFailure:
    return diagnose(SPEC, job_from(raw_job("Failed", job_message)), [pod_from(pod) for pod in pods], None)


def disrupted(reason: str, index: int = 0) -> dict[str, Any]:
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": "the node is gone",
    }
    return dead_pod(index, 137, conditions=[condition])


def telling(error: str) -> str:
    """The termination message of a trainer that ended with this type of error."""
    told = TerminationError(type=error, message="something")
    return TerminationMessage(outcome="failed", error=told).encode().decode()


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (dead_pod(code=1), Reason.USER_ERROR),
        (dead_pod(code=65), Reason.BAD_DATA),
        (dead_pod(code=78), Reason.BAD_CONFIG),
        (dead_pod(code=143), Reason.INTERRUPTED),
        (dead_pod(code=137), Reason.USER_ERROR),
        (dead_pod(code=137, reason="OOMKilled"), Reason.OOM_KILLED),
        (dead_pod(code=128, reason="StartError"), Reason.LAUNCH_FAILED),
        (dead_pod(code=127, reason="ContainerCannotRun"), Reason.LAUNCH_FAILED),
        (disrupted("DeletionByTaintManager"), Reason.NODE_LOST),
        (disrupted("DeletionByPodGC"), Reason.NODE_LOST),
        (disrupted("PreemptionByScheduler"), Reason.EVICTED),
        (disrupted("EvictionByEvictionAPI"), Reason.EVICTED),
        (disrupted("TerminationByKubelet"), Reason.EVICTED),
        (raw_pod(phase="Failed", reason="Evicted", message="disk pressure"), Reason.EVICTED),
        (raw_pod(phase="Failed", reason="OutOfcpu", message="node ran out of it"), Reason.LAUNCH_FAILED),
        (raw_pod(phase="Failed", reason="UnexpectedAdmissionError"), Reason.LAUNCH_FAILED),
    ],
)
def test_every_end_has_a_word(pod: dict[str, Any], reason: Reason) -> None:
    assert classify(pod_from(pod)) == reason


@pytest.mark.parametrize(
    ("pods", "index"),
    [
        ([dead_pod(0, ended=-5), dead_pod(1, ended=-9), dead_pod(2, ended=-7)], 1),
        ([dead_pod(0, 0, ended=-50), dead_pod(1, ended=-9)], 1),
        ([dead_pod(0, 143, ended=-50), dead_pod(1, ended=-9)], 1),
        ([dead_pod(0, 137, ended=-50), dead_pod(1, ended=-9)], 1),
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
    ("pod", "message", "advice"),
    [
        (dead_pod(message="a\nValueError: b\n\n"), "ValueError: b", "kubectl logs chest-1-0-x"),
        (dead_pod(), "the program wrote nothing (Error)", "kubectl logs"),
        (dead_pod(code=137), "the program wrote nothing (Error)", "out-of-memory killer"),
        (dead_pod(code=137, reason="OOMKilled"), "out of memory: the limit is 64Mi", "spec.resources.memory"),
        (
            raw_pod(phase="Failed", reason="OutOfcpu", message="no cpu"),
            "OutOfcpu: no cpu",
            "no room after all",
        ),
        (disrupted("DeletionByPodGC"), "DeletionByPodGC: the node is gone", "create the TrainingRun anew"),
        (
            dead_pod(code=128, reason="StartError", message='exec: "x": not found'),
            "not found",
            "spec.command",
        ),
    ],
)
def test_without_one_the_log_and_the_kubelet_speak(pod: dict[str, Any], message: str, advice: str) -> None:
    found = diagnosis(pod)
    assert message in found.message
    assert advice in found.advice


@pytest.mark.parametrize(
    ("job_message", "reason"),
    [
        (
            "Pod team/chest-1-0 has condition DisruptionTarget matching FailJob rule at index 0",
            Reason.EVICTED,
        ),
        ("Container trainer for pod team/chest-1-0 failed with exit code 1", Reason.USER_ERROR),
    ],
)
def test_where_no_pod_was_seen_to_fail_the_job_is_quoted(job_message: str, reason: Reason) -> None:
    found = diagnosis(dead_pod(0, 0), job_message=job_message)
    assert (found.pod, found.reason) == (None, reason)
    assert job_message in found.message


KNOWN = LastFailure(attempt=1, pod="chest-1-1-x", index=1, exit_code=143, reason=Reason.INTERRUPTED)


@pytest.mark.parametrize(
    ("known", "pods", "index"),
    [
        (KNOWN, [dead_pod(0, 0)], 1),
        (KNOWN, [dead_pod(0, 1)], 1),
        (KNOWN, [dead_pod(0, 1), dead_pod(1, 143)], 0),
        (KNOWN.model_copy(update={"attempt": 2}), [dead_pod(0, 1)], 0),
        (None, [dead_pod(0, 1)], 0),
    ],
)
def test_a_pod_that_is_gone_is_remembered(
    known: LastFailure | None, pods: list[dict[str, Any]], index: int
) -> None:
    found = diagnose(SPEC, job_from(raw_job("Failed")), [pod_from(pod) for pod in pods], known)
    assert found.index == index


@pytest.mark.parametrize(
    ("text", "expected"), [("", ""), ("one", "one"), ("one\n two \n \n", "two"), ("a\r\nb\r\n", "b")]
)
def test_the_last_line_is_the_last_that_says_something(text: str, expected: str) -> None:
    assert last_line(text) == expected
