"""When a run fails or waits, the TrainingRun itself says why: phase, reason, place and remedy."""

import io
import json
import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.shell import wait_until
from tests.helpers.runs import Runs, manifest
from trainingrun_api import names
from trainingrun_api.termination import TerminationError, TerminationMessage

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

CPU = {"gpus": 0}
CHECKPOINTS = {"size": "100Mi"}
ONCE = {"maxFailures": 0}
"""The first failure is the end, so that it is the one that is explained."""
LOSES_ITS_PEER = "sleep 3; echo 'RuntimeError: Connection closed by peer' >&2; exit 1"
"""What the other pods of a gang make of the end of one."""


def training(path: str, **changes: Any) -> dict[str, Any]:
    """A spec of the built-in trainer over a file of the claim `broken-data`."""
    config = {
        "task": "classification",
        "accelerator": "cpu",
        "data": {"format": "zip", "path": path, "imageSize": 32},
        "model": {"architecture": "resnet18"},
        "maxEpochs": 1,
    }
    return {
        "resources": CPU,
        "training": {**config, **changes},
        "volumes": [{"claim": "broken-data", "mountPath": "/data", "readOnly": True}],
        "checkpoints": CHECKPOINTS,
        "restart": ONCE,
    }


def pair(first: str, second: str) -> list[str]:
    """The command of two pods with a shell; Kubernetes makes one dollar sign of two."""
    return ["sh", "-c", f'if [ "$PET_NODE_RANK" = 0 ]; then {first}; else {second}; fi']


def telling(message: TerminationMessage) -> str:
    """Shell that leaves a termination message and fails."""
    return f"echo {shlex.quote(message.encode().decode())} > {names.TERMINATION_LOG}; exit 1"


@dataclass(frozen=True)
class Case:
    """A run that must not complete, and the words by which it must explain itself."""

    name: str
    spec: dict[str, Any]
    phase: str
    reason: str
    words: tuple[str, ...]
    exit_code: int | None = None
    index: int = 0
    """Completion index of the pod that is to be blamed."""
    attempt: int = 1


def cases(image: str) -> list[Case]:
    """The table; `image` has a shell."""
    shell = {"image": image, "resources": CPU, "restart": ONCE}
    same_step = TerminationMessage(
        outcome="failed",
        rank=0,
        global_step=70,
        error=TerminationError(type="ValueError", message="loss is nan"),
    )
    return [
        Case(
            "column-missing",
            training("/data/no-label-column.zip"),
            "Failed",
            "BadData",
            ("metadata.csv", "label", "labelColumn"),
            65,
        ),
        Case("image-missing", training("/data/no-image.zip"), "Failed", "BadData", ("row 3", "gone.png"), 65),
        Case("escapes", training("/data/escape.zip"), "Failed", "BadData", ("../outside.txt",), 65),
        Case("file-missing", training("/data/nowhere.zip"), "Failed", "BadData", ("/data/nowhere.zip",), 65),
        Case(
            "architecture",
            training("/data/good.zip", model={"architecture": "resnet5000"}),
            "Failed",
            "BadConfig",
            ("resnet5000", "model.architecture"),
            78,
        ),
        Case(
            "no-cuda",
            {**training("/data/good.zip", accelerator="auto"), "resources": {"gpus": 1}},
            "Failed",
            "BadConfig",
            ("CUDA", "accelerator"),
            78,
        ),
        Case(
            "image",
            {"image": "registry.invalid/nothing:1", "command": ["true"], "resources": CPU},
            "Pending",
            "ImagePull",
            ("registry.invalid/nothing:1",),
        ),
        Case(
            "gpus",
            {"image": image, "command": ["true"], "resources": {"gpus": 64}},
            "Pending",
            "Unschedulable",
            ("Insufficient nvidia.com/gpu",),
        ),
        Case(
            "claim",
            {**shell, "command": ["true"], "volumes": [{"claim": "not-there", "mountPath": "/data"}]},
            "Pending",
            "VolumeUnbound",
            ("not-there",),
        ),
        Case(
            "crash",
            {**shell, "command": ["sh", "-c", "echo 'ValueError: bad shape 3x4' >&2; exit 7"]},
            "Failed",
            "UserError",
            ("ValueError: bad shape 3x4", "7"),
            7,
        ),
        Case(
            "program",
            {**shell, "command": ["no-such-program"]},
            "Failed",
            "LaunchFailed",
            ("no-such-program",),
        ),
        Case(
            "memory",
            {
                **shell,
                "resources": {"gpus": 0, "memory": "64Mi", "sharedMemory": "16Mi"},
                "command": ["python3", "-c", "x = bytearray(256 << 20); print(len(x))"],
            },
            "Failed",
            "OOMKilled",
            ("64Mi",),
            137,
        ),
        Case(
            "killed",
            {**shell, "nodes": 2, "command": pair(LOSES_ITS_PEER, "sh -c 'kill -KILL $$$$'; exit $?")},
            "Failed",
            "Killed",
            ("SIGKILL", "index 1"),
            137,
            index=1,
        ),
        Case(
            "first",
            {
                **shell,
                "nodes": 2,
                "command": pair(LOSES_ITS_PEER, "echo 'ValueError: bad batch' >&2; exit 7"),
            },
            "Failed",
            "UserError",
            ("ValueError: bad batch", "index 1"),
            7,
            index=1,
        ),
        Case(
            "cuda-memory",
            {
                **shell,
                "command": ["sh", "-c", "echo 'torch.OutOfMemoryError: CUDA out of memory.' >&2; exit 1"],
            },
            "Failed",
            "CudaOutOfMemory",
            ("CUDA out of memory", "batchSize"),
            1,
        ),
        Case(
            "same-step",
            {
                **shell,
                "restart": {"maxFailures": 9, "backoffSeconds": 1},
                "command": ["sh", "-c", telling(same_step)],
            },
            "Failed",
            "UserError",
            ("ValueError: loss is nan",),
            1,
            attempt=2,
        ),
    ]


def broken_data(folder: Path) -> None:
    """ZIPs that each hold one fault, and one that holds none."""
    png = io.BytesIO()
    from PIL import Image

    Image.new("L", (8, 8)).save(png, "PNG")
    good = "filename,label\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(20))

    def archive(name: str, csv: str, members: dict[str, bytes]) -> None:
        with zipfile.ZipFile(folder / name, "w") as stream:
            stream.writestr("metadata.csv", csv)
            for member, data in members.items():
                stream.writestr(member, data)

    images = {f"images/{i}.png": png.getvalue() for i in range(20)}
    archive("good.zip", good, images)
    archive("no-label-column.zip", good.replace("label", "class"), images)
    archive("no-image.zip", good.replace("1.png,1\n", "gone.png,1\n", 1), images)
    archive("escape.zip", good, {**images, "../outside.txt": b"x"})


NAMES = [case.name for case in cases("")]


@pytest.fixture(scope="module")
def broken_runs(module_runs: Runs, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All the runs of the table, created at once."""
    folder = tmp_path_factory.mktemp("broken-data")
    broken_data(folder)
    module_runs.cluster.put_folder(folder, module_runs.namespace, "broken-data", "100Mi")
    module_runs.apply(*(manifest(case.name, case.spec) for case in cases(base_image)))
    return module_runs


@pytest.mark.parametrize("index", range(len(NAMES)), ids=NAMES)
def test_a_run_that_does_not_complete_explains_itself(broken_runs: Runs, base_image: str, index: int) -> None:
    case = cases(base_image)[index]
    status = broken_runs.wait_until(
        case.name,
        lambda status: status.get("phase") == case.phase and status.get("reason") == case.reason,
        f"{case.phase} for {case.reason}",
        seconds=400,
    )
    said = json.dumps([status["message"], status.get("lastFailure", {})])
    for word in case.words:
        assert word in said
    if case.phase == "Failed":
        failure = status["lastFailure"]
        assert failure["pod"].startswith(f"{case.name}-{case.attempt}-{case.index}-")
        assert (failure["index"], failure["attempt"]) == (case.index, case.attempt)
        assert [record["number"] for record in status["attempts"]] == [*range(1, case.attempt + 1)]
        assert failure["advice"]
        assert failure["node"]
        assert failure.get("exitCode") == case.exit_code or case.exit_code is None
        assert status["completionTime"]
    else:
        assert "completionTime" not in status


def test_describe_tells_the_story(broken_runs: Runs) -> None:
    broken_runs.wait("same-step", "Failed", seconds=400)

    def events(story: str) -> str:
        return story.partition("Events:")[2]

    def describe() -> str:
        return broken_runs.kubectl("describe", "tr", "same-step")

    wait_until("the last event", lambda: " Failed " in events(describe()), seconds=30)
    story = describe()
    assert "attempt 1 ended: pod same-step-1-0-" in story
    assert "Failure 1 of at most 9; attempt 2 starts in 1 s" in story
    assert "UserError: pod same-step-2-0-" in story
    told = events(story)
    assert told.index(" Restarting ") < told.index(" Failed ")
