"""Collects in one folder what explains a step that failed."""

import shutil
from pathlib import Path

from tests.cluster import Cluster, ClusterError
from tests.cluster.images import BUILD_LOGS
from tests.demo.install import NAMESPACE as OPERATOR_NAMESPACE
from tests.demo.install import RELEASE
from tests.demo.steps import NAMESPACE, RUN

QUESTIONS = {
    "nodes.txt": ("get", "nodes", "-o", "wide"),
    "pods.txt": ("get", "pods", "-A", "-o", "wide"),
    "events.txt": ("get", "events", "-A", "--sort-by=.lastTimestamp"),
    "run.txt": ("-n", NAMESPACE, "describe", "trainingrun", RUN),
    "run-pods.txt": ("-n", NAMESPACE, "describe", "pods", "-l", f"trainingrun.dev/run={RUN}"),
    "run-logs.txt": ("-n", NAMESPACE, "logs", "-l", f"trainingrun.dev/run={RUN}", "--prefix", "--tail=-1"),
    "operator-pod.txt": ("-n", OPERATOR_NAMESPACE, "describe", "pods"),
    "operator.log": ("-n", OPERATOR_NAMESPACE, "logs", f"deployment/{RELEASE}", "--tail=-1"),
    "operator-previous.log": (
        "-n",
        OPERATOR_NAMESPACE,
        "logs",
        f"deployment/{RELEASE}",
        "--previous",
        "--tail=-1",
    ),
}
"""File and the kubectl command whose answer it holds."""
AUDIT_LOGS = "audit*.log"
"""Left out: large, and about requests that were answered."""


def collect(cluster: Cluster, folder: Path) -> None:
    """Write every answer that the cluster still gives, and all logs, into `folder`.

    Logs are copied: those of the components end with their cluster, those of a build with the next one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cluster.txt").write_text(f"{cluster.status()}\n")
    for name, logs in {"components": cluster.logs, "image-builds": BUILD_LOGS}.items():
        try:
            shutil.copytree(logs, folder / name, ignore=shutil.ignore_patterns(AUDIT_LOGS))
        except OSError as error:  # what could be read has been copied
            (folder / f"{name}.txt").write_text(f"incomplete: {error}\n")
    for name, question in QUESTIONS.items():
        try:
            answer = cluster.kubectl("--request-timeout=10s", *question)
        except ClusterError as error:
            answer = f"{error}\n"
        (folder / name).write_text(answer)
