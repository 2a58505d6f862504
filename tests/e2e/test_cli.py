"""`kubectl trainingrun` about runs that have trained, driven as a person and as a script would.

`test_cli_runs.py` has what people do with runs under way.
"""

import csv
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tests.cluster.api import Cluster
from tests.e2e.conftest import own_namespace
from tests.e2e.digits import DATA_CLAIM, EXAMPLE
from tests.helpers.command_line import CommandLine
from tests.helpers.runs import Runs
from trainingrun_client import TrainingRunClient

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

VERBS = (
    "submit", "list", "describe", "watch", "logs", "metrics", "compare", "wait", "suspend", "resume", "retry",
    "cancel", "render", "doctor", "data push", "data ls", "artifacts ls", "artifacts get",
)  # fmt: skip
COLOR = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")
ESCAPE = "\x1b"
PNG = b"\x89PNG"


@dataclass(frozen=True)
class Learned:
    """Two digits runs after their end, and what somebody saw who watched the first."""

    runs: Runs
    cli: CommandLine
    halfway: list[str]
    """The screen in the first epoch."""
    finally_: list[str]
    code: int

    @property
    def client(self) -> TrainingRunClient:
        return TrainingRunClient(self.runs.namespace, kubeconfig=self.cli.kubeconfig)


@pytest.fixture(scope="module")
def learned(
    installed: Cluster, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Learned]:
    namespaces = own_namespace(installed)
    runs = next(namespaces)
    installed.put_folder(digits_folder, runs.namespace, DATA_CLAIM)
    cli = CommandLine(runs.cluster.kubeconfig, runs.namespace, tmp_path_factory.mktemp("home"))
    with cli.terminal("submit", EXAMPLE, "--set", "training.maxEpochs=3", "--watch") as terminal:
        terminal.wait_for("epoch 1/3", 300)
        halfway = terminal.screen()
        code = terminal.end(300)
        last = terminal.screen()
    cli.run("submit", EXAMPLE, "--name", "slow", "--set", "training.maxEpochs=1",
            "--set", "training.optimizer.learningRate=0.0001")  # fmt: skip
    cli.run("wait", "slow", "--timeout", "300", seconds=310)
    yield Learned(runs, cli, halfway, last, code)
    next(namespaces, None)


def test_watch_shows_a_run_learn_on_a_terminal(learned: Learned) -> None:
    shown = "\n".join(learned.halfway)
    assert re.search(r"^Phase +Running, started \d+s ago$", shown, re.M), shown
    assert re.search(r"^Progress +━*─+ \d+%  epoch \d/3", shown, re.M), shown
    assert re.search(r"^#1 rank [01] \| ", shown, re.M), shown
    ended = "\n".join(learned.finally_)
    assert learned.code == 0
    assert re.search(r"^Phase +Completed", ended, re.M), ended
    assert re.search(
        r"^Metrics +val_accuracy 0\.9\d+ \(best 0\.9\d+ in epoch \d\)  [▁-█]{3}$", ended, re.M
    ), ended
    assert all(len(line) <= 100 for line in learned.finally_)


def test_list_has_the_columns_of_kubectl(learned: Learned) -> None:
    head, first, second = learned.cli.run("list").stdout.splitlines()
    assert head.split() == ["NAME", "PHASE", "EPOCH", "METRIC", "PROGRESS", "ETA", "RESTARTS", "AGE"]
    assert re.match(r"digits +Completed +3/3 +val_accuracy=0\.9\d* +100% +0 +\S+$", first), first
    assert re.match(r"slow +Completed +1/1 ", second), second
    everywhere = learned.cli.run("list", "-A", "-o", "wide").stdout
    assert re.search(rf"^{learned.runs.namespace} +digits .* 2/2 +1 +\d+ +Completed ", everywhere, re.M), (
        everywhere
    )


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_objects_come_out_as_they_are(learned: Learned, form: str, read: object) -> None:
    assert callable(read)
    whole = learned.runs.get("trainingrun", "digits")
    assert read(learned.cli.run("describe", "digits", "-o", form).stdout) == whole
    assert read(learned.cli.run("list", "-o", form).stdout)["items"][0] == whole
    assert learned.cli.run("list", "-o", "name").stdout.split()[0] == "trainingrun.trainingrun.dev/digits"


def test_describe_tells_the_story_on_one_screen(learned: Learned) -> None:
    told = learned.cli.run("describe", "digits").stdout.splitlines()
    labels = [line.split("  ")[0] for line in told if not line.startswith(" ")]
    assert labels == [
        "Run", "Trains", "Phase", "Why", "Progress", "Metrics", "Attempt", "Checkpoint", "Results", "Goodput",
        "Next",
    ]  # fmt: skip
    assert len(told) < 24
    assert ESCAPE not in "".join(told)


def test_logs_of_both_ranks_come_in_one_stream(learned: Learned) -> None:
    lines = learned.cli.run("logs", "digits").stdout.splitlines()
    assert all(re.match(r"#1 (rank [01]|node [01]) \| ", line) for line in lines), lines
    assert sum(" | joined the process group as rank " in line for line in lines) == 2
    assert [line for line in lines if line.startswith("#1 rank 0 | epoch 3/3 ")]
    of_one = learned.cli.run("logs", "digits", "--rank", "1").stdout.splitlines()
    assert of_one
    assert of_one == [line for line in lines if line.startswith("#1 rank 1 | ")]
    assert len(learned.cli.run("logs", "digits", "--tail", "1").stdout.splitlines()) == 2
    assert sorted(learned.cli.run("logs", "digits", "-f").stdout.splitlines()) == sorted(lines)
    times = [
        json.loads(line)["time"] for line in learned.cli.run("logs", "digits", "--raw").stdout.splitlines()
    ]
    # ordered by the kubelets' times, which are a little later than the programs' own
    assert all(earlier <= later or earlier[:19] == later[:19] for earlier, later in pairwise(times))
    nothing = learned.cli.run("logs", "digits", "--attempt", "7")
    assert (nothing.stdout, "no lines of that rank or attempt" in nothing.stderr) == ("", True)


def test_metrics_are_those_of_the_run_directory(learned: Learned, tmp_path: Path) -> None:
    told = json.loads(learned.cli.run("metrics", "digits", "--json").stdout)
    learned.cli.run("artifacts", "get", "digits", "metrics.json", "--to", tmp_path)
    kept = json.loads((tmp_path / "metrics.json").read_text())
    assert told == kept
    rows = list(csv.DictReader(learned.cli.run("metrics", "digits", "--csv").stdout.splitlines()))
    assert [float(row["val_loss"]) for row in rows] == [epoch["val_loss"] for epoch in kept]
    head, *lines = learned.cli.run("metrics", "digits", "-m", "val_f1").stdout.splitlines()
    assert (head.split(), len(lines)) == (["EPOCH", "val_f1"], 3)
    picture = tmp_path / "curves.png"
    learned.cli.run("metrics", "digits", "--plot", picture)
    assert picture.read_bytes().startswith(PNG)
    refused = learned.cli.run("metrics", "digits", "-m", "val_fun", code=4)
    assert "no epoch has val_fun; there are train_loss, " in refused.stderr
    wrong = learned.cli.run("metrics", "digits", "--plot", tmp_path / "curves.gif", code=4)
    assert ".png" in wrong.stderr


def test_metrics_outlive_the_pods(learned: Learned) -> None:
    told = learned.cli.run("metrics", "slow", "--json").stdout
    learned.runs.kubectl("delete", "job", "slow-1", "--cascade=foreground", "--ignore-not-found")
    assert "has written nothing that is still there" in learned.cli.run("logs", "slow").stderr
    assert json.loads(learned.cli.run("metrics", "slow", "--json").stdout) == json.loads(told)


def test_compare_shows_what_differs_and_what_came_of_it(learned: Learned, tmp_path: Path) -> None:
    lines = learned.cli.run("compare", "digits", "slow").stdout.splitlines()
    rows = {line.split("  ")[0]: line.split()[-2:] for line in lines[1:]}
    assert rows["training.maxEpochs"] == ["3", "1"]
    assert rows["training.optimizer.learningRate"][-1] == "0.0001"
    assert rows["phase"] == ["Completed", "Completed"]
    assert "training.model.architecture" not in rows
    picture = tmp_path / "both.svg"
    learned.cli.run("compare", "digits", "slow", "--plot", picture)
    assert "<svg" in picture.read_text()
    assert "two runs" in learned.cli.run("compare", "digits", code=4).stderr


def test_the_python_client_answers_with_frames_and_curves(learned: Learned) -> None:
    client = learned.client
    frame = client.metrics("digits")
    assert list(frame.index) == [1, 2, 3]
    assert frame["val_accuracy"].iloc[-1] > 0.9
    run = client.wait("digits", timeout=5)
    card = run._repr_html_()
    assert card.count("<polyline") == 2
    assert "val_loss" in card
    assert "<td>slow</td>" in client.list()._repr_html_()
    assert [each.name for each in client.list()] == ["digits", "slow"]
    assert {line.rank for line in client.logs("digits") if line.epoch} == {0}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_teaches_its_use(learned: Learned, verb: str) -> None:
    told = learned.cli.teach(*verb.split(), "--help")
    assert told.stdout.startswith(f"Usage: kubectl trainingrun {verb} ")
    assert "--namespace" in told.stdout
    wrong = learned.cli.teach(*verb.split(), "--hlep")
    assert (wrong.returncode, wrong.stderr.count(f"Try 'kubectl trainingrun {verb} -h'")) == (2, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds 0 TrainingRuns"),
        ("a: [1", "is no YAML"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: a}", "wanted is trainingrun.dev/v1alpha1 TrainingRun"),
        ("kind: TrainingRun\napiVersion: trainingrun.dev/v1alpha1\nspec: {}", "no metadata.name"),
        ("{nodes: 0, image: a, command: [b]}", "spec.nodes: "),
        ("{image: a, comand: [b]}", 'unknown field "spec.comand"'),
        ("{command: [b]}", "spec.command needs spec.image"),
    ],
)
def test_a_wrong_file_is_refused_with_the_field(
    learned: Learned, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "run.yaml"
    head = "kind: TrainingRun\napiVersion: trainingrun.dev/v1alpha1\nmetadata: {name: wrong}\nspec: "
    file.write_text(f"{head}{text}" if text.startswith("{") else text)
    done = learned.cli.run("submit", file, code=4)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert learned.cli.run("describe", "wrong", code=3).stderr.strip().endswith("not found")


def test_a_file_that_is_not_there_and_a_name_that_is_taken(learned: Learned, tmp_path: Path) -> None:
    missing = learned.cli.run("submit", tmp_path / "none.yaml", code=4)
    assert "none.yaml cannot be read: No such file" in missing.stderr
    assert "a run digits exists" in learned.cli.run("submit", EXAMPLE, code=4).stderr
    dry = learned.cli.run("submit", EXAMPLE, "--name", "dry", "--dry-run")
    assert dry.stdout.strip() == "trainingrun.trainingrun.dev/dry would be created (dry run)"
    assert "not found" in learned.cli.run("describe", "dry", code=3).stderr


@pytest.mark.parametrize("name", ["", "?x=1", "../../../../api/v1/namespaces/default"])
@pytest.mark.parametrize("verb", ["describe", "cancel", "logs", "wait", "suspend"])
def test_what_is_no_name_reaches_nothing(learned: Learned, verb: str, name: str) -> None:
    done = learned.cli.run(verb, name, *(["--yes"] if verb == "cancel" else []), code=4)
    assert (
        done.stderr == f"error: {name!r} cannot be the name of a run: write small letters, digits, '-' and "
        "'.', as my-run\n"
    )
    assert len(learned.client.list()) == 2


def test_a_file_of_another_namespace_is_refused(learned: Learned, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    body = yaml.safe_load(EXAMPLE.read_text())
    file.write_text(yaml.safe_dump({**body, "metadata": {"name": "astray", "namespace": "elsewhere"}}))
    refused = learned.cli.run("submit", file, code=4)
    assert f"of the namespace elsewhere, not of {learned.runs.namespace}" in refused.stderr


def test_colour_only_where_it_is_wanted(learned: Learned) -> None:
    seen = {}
    environments: dict[str, dict[str, str]] = {
        "colour": {}, "none": {"NO_COLOR": "1"}, "dumb": {"TERM": "dumb"}
    }  # fmt: skip
    for name, environment in environments.items():
        with learned.cli.terminal("list", environment=environment) as terminal:
            assert terminal.end() == 0
            seen[name] = bool(COLOR.search(terminal.written))
    assert seen == {"colour": True, "none": False, "dumb": False}
    assert ESCAPE not in learned.cli.run("list").stdout


def test_a_narrow_terminal_loses_no_line(learned: Learned) -> None:
    with learned.cli.terminal("describe", "digits", columns=40, lines=60) as terminal:
        assert terminal.end() == 0
        shown = [line for line in terminal.screen() if line]
    assert all(len(line) <= 40 for line in shown)
    assert any(line.startswith("Next") for line in shown)
    whole = "".join(line.strip() for line in shown).replace(" ", "")
    assert "classification,resnet18,/data/digits.ziponx2nodes".replace("x", "") in whole


def test_kubectl_finds_the_plugin_and_completes_it(learned: Learned) -> None:
    kubectl = learned.runs.cluster.binary("kubectl")
    programs = Path(learned.cli.words("list")[0]).parent
    environment = learned.cli.environment(
        PATH=f"{programs}:/usr/bin:/bin", KUBECONFIG=str(learned.cli.kubeconfig)
    )

    def ask(*words: str) -> str:
        return subprocess.run(
            [kubectl, *words], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert "digits" in ask("trainingrun", "list", "-n", learned.runs.namespace)
    assert ask("__complete", "trainingrun", "su").split()[:2] == ["submit", "suspend"]
    named = ask("__complete", "trainingrun", "describe", "-n", learned.runs.namespace, "dig")
    assert named.split()[0] == "digits"


def test_a_reader_that_leaves_ends_it_quietly(learned: Learned) -> None:
    pipe = subprocess.run(
        ["sh", "-c", '"$@" | head -1', "sh", *learned.cli.words("logs", "digits", "--raw")],
        env=learned.cli.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert pipe.stdout.count("\n") == 1
    assert "Traceback" not in pipe.stderr
