"""How processes end: the first failure of a pod, its exit code, and the message that explains it."""

import json
import signal
from pathlib import Path
from time import time

import pytest
from torch.distributed import DistBackendError
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from trainingrun_api.names import ENV_TERMINATION_LOG
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_api.termination import NCCL_TIMEOUT, PEER_LOST, TerminationMessage
from trainingrun_trainer import agent, errors, termination
from trainingrun_trainer.errors import BadConfig, BadData, Diverged, Fenced, Interrupted
from trainingrun_trainer.heartbeat import Beat


@pytest.mark.parametrize(
    ("error", "code", "kind", "outcome"),
    [
        (BadData("row 7 is empty", "Fill it."), 65, "BadData", "failed"),
        (BadConfig("x", "y"), 78, "BadConfig", "failed"),
        (Interrupted("stopped"), 143, "Interrupted", "interrupted"),
        (Fenced("attempt 3 has begun"), 143, "Fenced", "interrupted"),
        (Diverged("val_loss is nan"), 1, "Diverged", "failed"),
        (ValueError("first line\nlast line"), 1, "ValueError", "failed"),
        (DistBackendError("NCCL"), 1, PEER_LOST, "failed"),
        (
            RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer"),
            1,
            PEER_LOST,
            "failed",
        ),
        (
            DistBackendError("[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7"),
            1,
            NCCL_TIMEOUT,
            "failed",
        ),
        (
            RuntimeError("[gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 9ms for recv"),
            1,
            NCCL_TIMEOUT,
            "failed",
        ),
        (OSError(28, "No space left on device"), 1, "OSError", "failed"),
    ],
)
def test_an_error_has_an_exit_code_and_a_message(
    error: Exception, code: int, kind: str, outcome: str
) -> None:
    message = termination.failure(error, rank=3)
    assert errors.exit_code(error) == code
    assert message.error is not None
    assert (message.outcome, message.rank, message.error.type) == (outcome, 3, kind)
    assert "\n" not in message.error.message


def test_the_message_holds_the_last_line_and_the_advice() -> None:
    assert errors.describe(ValueError("first\nlast")).message == "last"
    assert "full" in errors.describe(OSError(28, "No space left on device")).advice
    assert errors.describe(BadData("row 7", "Fill it.")).advice == "Fill it."
    killed = RuntimeError("DataLoader worker (pid 21) is killed by signal: Killed. ")
    assert "data.numWorkers" in errors.describe(killed).advice


def failed(
    directory: Path, local_rank: int, exitcode: int, error: Exception | None = None, seconds: float = 0.0
) -> ProcessFailure:
    file = directory / f"{local_rank}.json"
    if error is not None:
        environment = {termination.TORCHELASTIC_ERROR_FILE: str(file)}
        termination.report_failure(error, termination.failure(error, local_rank), environment)
        content = json.loads(file.read_text())
        content["message"]["extraInfo"][termination.SECONDS] = seconds
        file.write_text(json.dumps(content))
    return ProcessFailure(local_rank, pid=1, exitcode=exitcode, error_file=str(file))


LOST = RuntimeError("gloo/transport: Connection closed by peer")


def test_the_first_error_decides(tmp_path: Path) -> None:
    failures = {
        0: failed(tmp_path, 0, 1, LOST, seconds=1.0),
        1: failed(tmp_path, 1, 65, BadData("row 7", "Fill it."), seconds=3.5),
        2: failed(tmp_path, 2, 1, ValueError("later"), seconds=3.7),
    }
    code, message = agent.explain(failures, [], now=9.0)
    assert code == 65
    assert message.rank == 1
    assert message.error is not None
    assert message.error.advice == "Fill it."


@pytest.mark.parametrize(
    ("exitcode", "code", "kind"),
    [(-signal.SIGKILL, 137, "SIGKILL"), (-signal.SIGSEGV, 139, "SIGSEGV"), (3, 3, "ExitCode")],
)
def test_a_rank_that_left_no_error_is_explained_by_its_exit(
    tmp_path: Path, exitcode: int, code: int, kind: str
) -> None:
    failures = {0: failed(tmp_path, 0, 1, LOST, seconds=1.0), 1: failed(tmp_path, 1, exitcode)}
    found, message = agent.explain(failures, [], now=9.0)
    assert found == code
    assert message.error is not None
    assert (message.rank, message.error.type) == (1, kind)


def test_a_rank_that_torchrun_stopped_after_a_failure_is_not_the_cause(tmp_path: Path) -> None:
    failures = {
        0: failed(tmp_path, 0, -signal.SIGTERM),
        1: failed(tmp_path, 1, 78, BadConfig("no such network"), seconds=time()),
    }
    code, message = agent.explain(failures, [], now=time())
    assert (code, message.rank, message.outcome) == (78, 1, "failed")


def test_a_rank_that_is_killed_while_it_leaves_has_the_exit_code_of_its_error(tmp_path: Path) -> None:
    code, message = agent.explain({1: failed(tmp_path, 1, -signal.SIGTERM, BadData("row 7"))}, [], now=time())
    assert (code, message.outcome) == (65, "failed")


def test_a_rank_that_could_not_be_stopped_after_a_failure_is_not_the_cause(tmp_path: Path) -> None:
    killed = failed(tmp_path, 0, -signal.SIGKILL)
    failures = {0: killed, 1: failed(tmp_path, 1, 1, ValueError("x"), seconds=killed.timestamp - 20.0)}
    code, message = agent.explain(failures, [], now=time())
    assert (code, message.rank) == (1, 1)


def test_sigterm_to_one_rank_before_it_could_tell_its_peers_interrupts_the_pod(tmp_path: Path) -> None:
    failures = {
        0: failed(tmp_path, 0, 1, LOST, seconds=1.0),
        1: failed(tmp_path, 1, -signal.SIGTERM),
    }
    code, message = agent.explain(failures, [], now=time())
    assert (code, message.rank, message.outcome) == (143, 1, "interrupted")
    assert message.error is not None
    assert message.error.type == "Interrupted"


BEATS = [
    Beat(rank=0, time=1000.0, step=21, phase=TrainerPhase.TRAINING, checkpoint=20, process=7),
    Beat(rank=1, time=1000.0, step=20, phase=TrainerPhase.TRAINING, checkpoint=None, process=8),
]


def test_steps_and_checkpoint_of_a_killed_rank_come_from_its_heartbeat(tmp_path: Path) -> None:
    _, message = agent.explain({1: failed(tmp_path, 1, -signal.SIGKILL)}, BEATS, now=1001.0)
    assert message.checkpoint is not None
    assert (message.rank, message.global_step, message.checkpoint.step) == (1, 20, 20)


def test_a_stopped_pod_says_how_far_it_came() -> None:
    message = agent.completed(termination.stopped(signal.SIGTERM), BEATS)
    assert message.checkpoint is not None
    assert (message.rank, message.global_step, message.checkpoint.step) == (None, 21, 20)


def test_a_stopped_pod_says_what_its_lowest_rank_reported(tmp_path: Path) -> None:
    assert agent.first_interrupted(tmp_path) is None
    reports = [
        (2, Interrupted("stopped after step 7")),
        (1, Interrupted("stopped after step 8")),
        (0, LOST),
    ]
    for rank, error in reports:
        file = tmp_path / "attempt_0" / str(rank) / "error.json"
        file.parent.mkdir(parents=True)
        environment = {termination.TORCHELASTIC_ERROR_FILE: str(file)}
        termination.report_failure(error, termination.failure(error, rank), environment)
    (tmp_path / "attempt_0" / "3").mkdir()
    (tmp_path / "attempt_0" / "3" / "error.json").write_text('{"message"')
    message = agent.first_interrupted(tmp_path)
    assert message is not None
    assert message.error is not None
    assert (message.rank, message.error.message) == (1, "stopped after step 8")


@pytest.mark.parametrize(("silent", "kind"), [(1.0, "SIGABRT"), (agent.WATCHDOG_SECONDS, NCCL_TIMEOUT)])
def test_an_abort_after_a_long_silence_is_taken_for_the_watchdogs(
    tmp_path: Path, silent: float, kind: str
) -> None:
    failures = {1: failed(tmp_path, 1, -signal.SIGABRT)}
    _, message = agent.explain(failures, BEATS, now=1000.0 + silent)
    assert message.error is not None
    assert message.error.type == kind


def test_without_torchrun_the_message_goes_to_the_termination_log(tmp_path: Path) -> None:
    environment = {ENV_TERMINATION_LOG: str(tmp_path / "log")}
    error = BadData("row 7", "Fill it.")
    termination.report_failure(error, termination.failure(error, 0), environment)
    message = TerminationMessage.decode((tmp_path / "log").read_text())
    assert message is not None
    assert message.error is not None
    assert message.error.message == "row 7"


def test_errors_travel_between_ranks() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(BadData("row 7", "Fill it.")))
    assert (type(error), error.message, error.advice) == (BadData, "row 7", "Fill it.")
