"""`kubectl trainingrun` about runs under way: what people do with them, and what may happen meanwhile."""

import json
import re
import signal
import time
from pathlib import Path

import pytest
import yaml

from tests.helpers.command_line import CommandLine
from tests.helpers.cutting_proxy import CuttingProxy
from tests.helpers.fault_proxy import EXPIRED, Break, Call, Fault, FaultProxy, Tamper
from tests.helpers.runs import Runs, manifest
from trainingrun_client import RunFailedError, TrainingRunClient

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]


@pytest.fixture
def cli(runs: Runs, tmp_path: Path) -> CommandLine:
    return CommandLine(runs.cluster.kubeconfig, runs.namespace, tmp_path)


def program(image: str, script: str, **spec: object) -> dict[str, object]:
    """`spec` of a run of a shell script."""
    resources = {"gpus": 0, "cpu": "100m", "memory": "64Mi", "sharedMemory": "16Mi"}
    return {
        "image": image, "resources": resources, "command": ["sh", "-c", script],
        "restart": {"maxFailures": 0}, "pod": {"terminationGracePeriodSeconds": 1}, **spec,
    }  # fmt: skip


def write(folder: Path, name: str, spec: dict[str, object]) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(manifest(name, spec)))
    return file


def test_render_shows_what_the_operator_then_creates(
    cli: CommandLine, runs: Runs, base_image: str, tmp_path: Path
) -> None:
    file = write(tmp_path, "shown", program(base_image, "sleep 600", nodes=2, checkpoints={"size": "1Mi"}))
    rendered = list(yaml.safe_load_all(cli.run("render", file).stdout))
    assert cli.run("render", file, "-o", "name").stdout.split() == [
        "persistentvolumeclaim/shown-checkpoints", "service/shown", "job/shown-1"
    ]  # fmt: skip
    changed = cli.run("render", "-", "--set=nodes=1", "-o", "name", input=file.read_text())
    assert changed.stdout.split() == ["persistentvolumeclaim/shown-checkpoints", "job/shown-1"]
    cli.run("submit", file)
    runs.wait_until("shown", lambda status: bool(status.get("attempt")), "started", 60)
    uid = runs.get("trainingrun", "shown")["metadata"]["uid"]
    for manifest_ in rendered:
        text = json.dumps(manifest_).replace("00000000-0000-0000-0000-000000000000", uid)
        wanted = json.loads(text.replace("shown-00000000", f"shown-{uid[:8]}"))
        assert_within(wanted, runs.get(wanted["kind"], wanted["metadata"]["name"]), wanted["kind"])
    assert "render" not in json.dumps(list(yaml.safe_load_all(cli.run("render", file).stdout)))


def assert_within(wanted: object, found: object, where: str) -> None:
    """All that is wanted is there; the API server may add to it."""
    if isinstance(wanted, dict):
        assert isinstance(found, dict), where
        for key, value in wanted.items():
            assert key in found, f"{where}.{key}"
            assert_within(value, found[key], f"{where}.{key}")
    elif isinstance(wanted, list):
        assert isinstance(found, list), where
        assert len(found) == len(wanted), where
        for place, value in enumerate(wanted):
            assert_within(value, found[place], f"{where}[{place}]")
    else:
        assert wanted == found, where


def test_a_run_is_suspended_resumed_and_cancelled(
    cli: CommandLine, runs: Runs, base_image: str, tmp_path: Path
) -> None:
    assert "created" in cli.run("submit", write(tmp_path, "long", program(base_image, "sleep 600"))).stdout
    runs.wait("long", "Running", seconds=120)
    assert "only a Failed run" in cli.run("retry", "long", code=4).stderr
    timed_out = cli.run("wait", "long", "--timeout", "2", code=124)
    assert "long is still Running (PodsRunning) after 2 s" in timed_out.stderr
    assert "resume long" in cli.run("suspend", "long").stdout
    runs.wait_until("long", lambda status: status.get("reason") == "Suspended", "suspended", 60)
    assert re.search(r"^long +Suspended ", cli.run("list").stdout, re.M)
    assert re.search(r"^Next +kubectl trainingrun resume long -n ", cli.run("describe", "long").stdout, re.M)
    assert "will be resumed" in cli.run("resume", "long").stdout
    runs.wait("long", "Running", seconds=120)
    assert "say --yes" in cli.run("cancel", "long", code=4).stderr
    with cli.terminal("cancel", "long") as terminal:
        terminal.wait_for(r"End and delete long \(Running\)\? It keeps no results")
        terminal.type("n")
        assert terminal.end() == 1
    waiting = cli.start("wait", "long")
    time.sleep(2)
    assert cli.run("cancel", "long", "--yes").stdout.strip() == "long deleted"
    assert waiting.wait(60) == 3
    _, errors = waiting.communicate()
    assert "long was deleted" in errors


def test_a_failed_run_explains_itself_and_starts_anew(
    cli: CommandLine, runs: Runs, base_image: str, tmp_path: Path
) -> None:
    script = "echo 'no such model: resnet19' >&2; exit 3"
    cli.run("submit", write(tmp_path, "wrong", program(base_image, script)), "--watch", code=1)
    assert "wrong is Failed: UserError: " in cli.run("wait", "wrong", code=1).stderr
    told = cli.run("describe", "wrong").stdout
    assert re.search(r"^Last failure +attempt 1, UserError: .*exit code 3", told, re.M), told
    assert re.search(r"^Advice +", told, re.M), told
    assert cli.run("logs", "wrong").stdout == "#1 node 0 | no such model: resnet19\n"
    assert "has told of no epoch yet (Failed, UserError: " in cli.run("metrics", "wrong", code=4).stderr
    client = TrainingRunClient(runs.namespace, kubeconfig=cli.kubeconfig)
    with pytest.raises(RunFailedError) as failed:
        client.wait("wrong")
    assert failed.value.run.reason == "UserError"
    assert "will be started anew" in cli.run("retry", "wrong", "--why", "the model is there now").stdout
    # a run that somebody wants anew has not ended
    assert "wrong is Failed" in cli.run("wait", "wrong", code=1).stderr
    assert client.get("wrong").status.attempt == 2
    both = cli.run("logs", "wrong").stdout.splitlines()
    assert both == ["#1 node 0 | no such model: resnet19", "#2 node 0 | no such model: resnet19"]
    assert cli.run("logs", "wrong", "-f").stdout.splitlines() == both


def test_ctrl_c_leaves_the_run_alone(cli: CommandLine, runs: Runs, base_image: str, tmp_path: Path) -> None:
    cli.run("submit", write(tmp_path, "long", program(base_image, "echo begun; sleep 600")))
    runs.wait("long", "Running", seconds=120)
    with cli.terminal("watch", "long") as terminal:
        terminal.wait_for("begun")
        terminal.press_ctrl_c()
        assert terminal.end() == 130
        assert "long goes on" in terminal.written
        assert "Traceback" not in terminal.written
    follower = cli.start("logs", "long", "-f")
    assert follower.stdout is not None
    assert follower.stdout.readline() == "#1 node 0 | begun\n"
    follower.send_signal(signal.SIGINT)
    assert follower.wait(30) == 130
    assert "Traceback" not in follower.communicate()[1]
    assert runs.status("long")["phase"] == "Running"


def test_a_watch_survives_lost_connections_and_forgotten_versions(
    cli: CommandLine, runs: Runs, base_image: str, tmp_path: Path
) -> None:
    seen: list[str] = []

    def rule(call: Call) -> Fault | None:
        if call.is_watch and call.resource == "trainingruns":
            seen.append("watch")
            if len(seen) == 1:
                return Tamper(lambda event: [EXPIRED])
            # the connection itself tries four times
            if 2 <= len(seen) < 8:
                return Break(committed=False)
        return None

    with FaultProxy(cli.kubeconfig, rule) as proxy:
        through = CommandLine(proxy.write_kubeconfig(tmp_path / "proxy.json"), cli.namespace, cli.home)
        cli.run("submit", write(tmp_path, "short", program(base_image, "sleep 15")))
        done = through.run("watch", "short")
    assert len(seen) >= 8
    assert "trying again in 0.5 s" in done.stderr
    assert done.stdout.splitlines()[-1].endswith("Z short  Completed")


def test_followed_logs_lose_and_repeat_no_line_however_often_the_connection_is_cut(
    cli: CommandLine, runs: Runs, base_image: str, tmp_path: Path
) -> None:
    count = 60
    script = f"for i in $(seq {count}); do echo line $i; sleep 0.25; done"
    with CuttingProxy(cli.kubeconfig) as proxy:
        through = CommandLine(proxy.write_kubeconfig(tmp_path / "proxy.yaml"), cli.namespace, cli.home)
        cli.run("submit", write(tmp_path, "chatty", program(base_image, script)))
        follower = through.start("logs", "chatty", "-f", "--raw")
        while follower.poll() is None:
            time.sleep(2.5)
            proxy.cut()
        said, errors = follower.communicate()
    assert (follower.returncode, errors) == (0, "")
    assert said.splitlines() == [f"line {number}" for number in range(1, count + 1)]


def test_without_a_cluster_it_says_so_at_once(cli: CommandLine, tmp_path: Path) -> None:
    config = yaml.safe_load(cli.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    dead = tmp_path / "dead.yaml"
    dead.write_text(yaml.safe_dump(config))
    done = CommandLine(dead, "default", tmp_path).run("list", code=1, seconds=30)
    assert "error: the API server does not answer: " in done.stderr
    examined = CommandLine(dead, "default", tmp_path).run("doctor", code=1, seconds=30)
    assert "https://127.0.0.1:9" in examined.stdout
    nowhere = CommandLine(tmp_path / "none.yaml", "default", tmp_path).run("list", code=1)
    assert "--kubeconfig or KUBECONFIG" in nowhere.stderr
    unknown = cli.run("list", "--context", "nowhere", code=1)
    assert "the kubeconfig has no context nowhere; it has " in unknown.stderr


def test_doctor_finds_this_cluster_well_and_says_what_is_not(cli: CommandLine, runs: Runs) -> None:
    found = {each["check"]: each for each in json.loads(cli.run("doctor", "-o", "json").stdout)}
    for check in ("cluster", "definition", "operator", "permissions", "image", "storage", "quota"):
        assert found[check]["state"] == "ok", found[check]
    assert re.fullmatch(r"\d of 4 nvidia.com/gpu free, on 2 ready nodes", found["GPUs"]["detail"])
    runs.kubectl("create", "quota", "few", "--hard=pods=0")
    runs.kubectl("wait", "--for=jsonpath={.status.hard.pods}=0", "quota/few", "--timeout=30s")
    told = cli.run("doctor").stdout
    assert "▲ quota: few: pods 0 of 0\n    pods is used up" in told
