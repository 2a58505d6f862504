"""How processes end: the first failure of a pod, its exit code, and the message that explains it."""

import json
import signal
from pathlib import Path

import pytest
from torch.distributed import DistBackendError
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from trainingrun_api.names import ENV_TERMINATION_LOG
from trainingrun_api.termination import PEER_LOST, TerminationMessage
from trainingrun_trainer import agent, errors, termination
from trainingrun_trainer.errors import BadConfig, BadData, Diverged, Interrupted


@pytest.mark.parametrize(
    ("error", "code", "kind", "outcome"),
    [
        (BadData("row 7 is empty", "Fill it."), 65, "BadData", "failed"),
        (BadConfig("x", "y"), 78, "BadConfig", "failed"),
        (Interrupted("stopped"), 143, "Interrupted", "interrupted"),
        (Diverged("val_loss is nan"), 1, "Diverged", "failed"),
        (ValueError("first line\nlast line"), 1, "ValueError", "failed"),
        (DistBackendError("NCCL"), 1, PEER_LOST, "failed"),
        (
            RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer"),
            1,
            PEER_LOST,
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
