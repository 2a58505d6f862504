"""The promise: one `kubectl apply` turns data into an evaluated model; `kubectl get tr -w` shows it live."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.api import Cluster
from tests.demo import install
from tests.e2e.digits import DATA_CLAIM, DIGITS, OPERATOR_SELECTOR, Finished
from tests.helpers.runs import Runs, manifest
from trainingrun_api import names

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

RESCORE = Path(__file__).with_name("rescore.py")
OPERATOR_METRICS = f"/api/v1/namespaces/{install.NAMESPACE}/services/{install.RELEASE}:metrics/proxy/metrics"


def test_the_run_completes_with_an_accurate_model(digits: Finished) -> None:
    status = digits.status
    assert status["phase"] == "Completed", json.dumps(status, indent=1)
    assert status["best"]["name"] == "val_accuracy"
    assert float(status["best"]["value"]) >= 0.95
    metrics = {metric["name"]: float(metric["value"]) for metric in status["metrics"]}
    scores = ("accuracy", "precision", "recall", "f1", "auroc")
    assert {"train_loss", "val_loss", *(f"val_{score}" for score in scores)} <= metrics.keys()
    assert (status["attempt"], status["observedGeneration"]) == (1, 1)
    assert status["checkpoint"]["step"] > 0


def test_both_pods_ran_on_different_nodes_in_one_process_group(digits: Finished) -> None:
    pods = digits.runs.children(DIGITS)["pods"]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    logs = [digits.runs.kubectl("logs", pod["metadata"]["name"]) for pod in pods]
    joined = [re.findall(r"as rank (\d) of 2", log) for log in logs]
    assert sorted(found[0] for found in joined) == ["0", "1"], logs


def test_kubectl_get_showed_epochs_and_eta_while_it_trained(digits: Finished) -> None:
    running = re.compile(r"\bRunning +(\d+)/\d+ +val_accuracy=\S+ +\d+% +(\S+)")
    shown = [match.groups() for line in digits.watched if (match := running.search(line))]
    assert len({epoch for epoch, _ in shown}) >= 3, digits.watched
    assert any(re.fullmatch(r"(\d+m)?\d+s", eta) for _, eta in shown), digits.watched
    assert any("Completed" in line for line in digits.watched)


def test_the_operator_serves_what_the_status_says(digits: Finished, installed: Cluster) -> None:
    page = installed.kubectl("get", "--raw", OPERATOR_METRICS)
    run = {"namespace": digits.runs.namespace, "name": DIGITS}
    served = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if run.items() <= sample.labels.items():
                others = [value for label, value in sorted(sample.labels.items()) if label not in run]
                served[sample.name, *others] = sample.value
    assert served["trainingrun_status_phase", "Completed"] == 1
    assert served["trainingrun_epoch",] == digits.status["progress"]["epoch"]
    assert served["trainingrun_progress_ratio",] == 1
    for metric in digits.status["metrics"]:
        assert served["trainingrun_metric", metric["name"]] == pytest.approx(float(metric["value"]))


def test_the_best_checkpoint_scores_what_the_results_say(digits: Finished, images: install.Images) -> None:
    claim = digits.status["checkpointClaim"]
    digits.runs.apply(
        manifest(
            "rescore",
            {
                "image": images.trainer,
                "resources": {"gpus": 0},
                "command": ["python", "-c", RESCORE.read_text(), digits.status["runDirectory"]],
                "volumes": [{"claim": DATA_CLAIM, "mountPath": "/data", "readOnly": True}],
                "checkpoints": {"claim": claim},
            },
        )
    )
    digits.runs.wait("rescore", "Completed", seconds=180)
    pod = digits.runs.children("rescore")["pods"][0]["metadata"]["name"]
    said = json.loads(digits.runs.kubectl("logs", pod).splitlines()[-1])
    assert {"accuracy", "precision", "recall", "f1", "auroc", "loss"} <= said["scores"].keys()
    for name, value in said["scores"].items():
        assert said["results"][f"val_{name}"] == pytest.approx(value, abs=1e-5), name
    assert float(digits.status["best"]["value"]) == pytest.approx(said["scores"]["accuracy"], abs=1e-5)


def test_deletion_removes_the_children_and_keeps_the_checkpoints(runs: Runs, base_image: str) -> None:
    run = "short-lived"
    runs.apply(
        manifest(
            run,
            {
                "nodes": 2,
                "image": base_image,
                "resources": {"gpus": 0},
                "command": ["sleep", "3600"],
                "checkpoints": {"size": "10Mi"},
            },
        )
    )
    runs.wait(run, "Running", seconds=120)
    runs.kubectl("delete", "trainingrun", run, "--timeout=60s")
    of_run = f"{names.RUN_LABEL}={run}"
    runs.kubectl("wait", "--for=delete", "jobs,pods,services", "-l", of_run, "--timeout=90s")
    left = runs.children(run)
    claims = [claim["metadata"]["name"] for claim in left.pop("persistentvolumeclaims")]
    assert claims == [names.checkpoint_claim_name(run)]
    assert left == {"jobs": [], "pods": [], "services": []}


def test_a_finished_run_is_never_started_again(digits: Finished, installed: Cluster) -> None:
    digits.runs.kubectl("delete", "job", names.job_name(DIGITS, 1), "--timeout=60s")
    installed.kubectl("-n", install.NAMESPACE, "delete", "pod", "-l", OPERATOR_SELECTOR)
    after = {"image": "registry.invalid/x", "resources": {"gpus": 0}, "command": ["true"]}
    digits.runs.apply(manifest("after", after))
    digits.runs.wait_until("after", lambda status: "phase" in status, "seen by the new operator", seconds=60)
    assert digits.runs.children(DIGITS)["jobs"] == []
    assert digits.runs.status(DIGITS) == digits.status
