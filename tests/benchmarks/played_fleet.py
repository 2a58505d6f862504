"""Training pods that take no machine: no node runs them, and one server answers for the trainers of all.

The API server, the Job controller and the operator are the real ones. The pods' status is written as a
kubelet would write it, with addresses of a range that this machine answers for while the fleet lives.
"""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network
from typing import Any

from kubernetes.client import ApiClient, ApiException, CoreV1Api

from tests.cluster.shell import run
from trainingrun_api import names, telemetry
from trainingrun_api.telemetry import TrainerPhase

RANGE = IPv4Network("10.201.0.0/16")
"""Of no other network of the test cluster."""
PODS = 2
"""Of each run."""
WRITERS = 8
LOOK_SECONDS = 0.5
HANG_SECONDS = 60.0
FLOOD_BYTES = 100 << 20
CHUNK = b"# a comment that never ends\n" * 2048
CHANGE_SECONDS = 10
"""How long an epoch takes."""
EPOCHS = 10_000
METRICS = ("loss", "accuracy", "precision", "recall", "f1", "auroc")
SPLITS = ("train", "val")
BUCKETS = 12


def epoch(now: float) -> int:
    """The epoch that every trainer is in at a moment, in Unix seconds."""
    return int(now) // CHANGE_SECONDS % EPOCHS


def page(now: float) -> str:
    """What a trainer of a classification serves; its values are new with every epoch."""
    done = epoch(now)
    series = {
        telemetry.HEARTBEAT: now,
        telemetry.EPOCH: done,
        telemetry.EPOCHS_PLANNED: EPOCHS,
        telemetry.GLOBAL_STEP: done * 100,
        telemetry.STEPS_PLANNED: EPOCHS * 100,
        telemetry.SAMPLES_PER_SECOND: 100 + done % 7,
        telemetry.LEARNING_RATE: 1e-3 / (1 + done),
        telemetry.LAST_CHECKPOINT_TIMESTAMP: now - now % CHANGE_SECONDS,
        telemetry.LAST_CHECKPOINT_STEP: done * 100,
        telemetry.USEFUL_SECONDS: done * CHANGE_SECONDS,
        telemetry.RESUMED_STEP: 0,
        telemetry.RESUME_EXACT: 1,
        **{
            f'{telemetry.PHASE}{{phase="{phase}"}}': int(phase == TrainerPhase.TRAINING)
            for phase in TrainerPhase
        },
        **{
            f'{telemetry.METRIC}{{split="{split}",name="{name}"}}': 1 / (1 + done + number)
            for split in SPLITS
            for number, name in enumerate(METRICS)
        },
        **{
            f'{telemetry.CHECKPOINT_SECONDS}_bucket{{le="{bound}"}}': done
            for bound in (*range(BUCKETS), "+Inf")
        },
        f"{telemetry.CHECKPOINT_SECONDS}_count": done,
        f"{telemetry.CHECKPOINT_SECONDS}_sum": done * 0.1,
        f'{telemetry.MONITOR}{{split="val",name="loss"}}': 1,
    }
    return "".join(f"{name} {value}\n" for name, value in series.items())


def address(number: int) -> str:
    """The address of a pod: PODS of them belong to each run."""
    return str(RANGE.network_address + 256 + number)


class Trainers:
    """Answers at the addresses of all pods; one of them never does, and one answers 100 MiB."""

    def __init__(self, hanging: str, flooding: str) -> None:
        answers = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.connection.getsockname()[0].removeprefix("::ffff:")
                if asked == hanging:
                    answers.over.wait(HANG_SECONDS)
                    return
                self.send_response(200)
                self.end_headers()
                if asked == flooding:
                    self._flood()
                else:
                    self.wfile.write(page(time.time()).encode())

            def _flood(self) -> None:
                with suppress(OSError):  # its reader hangs up
                    for _ in range(FLOOD_BYTES // len(CHUNK)):
                        self.wfile.write(CHUNK)
                        answers.flooded += len(CHUNK)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

        self.over = threading.Event()
        self.flooded = 0
        """Bytes that the flooding one got rid of."""
        self._server = Server(("", names.METRICS_PORT), Page)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """This machine answers for the whole range meanwhile."""
        route = ["local", str(RANGE), "dev", "lo"]
        run(["ip", "route", "add", *route])
        self._thread.start()
        try:
            yield
        finally:
            self.over.set()
            self._server.shutdown()
            self._server.server_close()
            run(["ip", "route", "del", *route])


class Kubelet:
    """Makes every new pod of a namespace a running one, with the next address."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._api = CoreV1Api(client)
        self._namespace = namespace
        self._known: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    @contextmanager
    def working(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def _work(self) -> None:
        with ThreadPoolExecutor(WRITERS) as writers:
            while not self._over.wait(LOOK_SECONDS):
                new = {
                    pod["metadata"]["name"]: pod["metadata"]["labels"]
                    for pod in self._pods()
                    if pod["metadata"]["name"] not in self._known
                }
                for name, labels in new.items():
                    number = int(labels[names.RUN_LABEL].rpartition("-")[2])
                    index = int(labels[names.COMPLETION_INDEX_LABEL])
                    writers.submit(self._run, name, address(PODS * number + index))
                self._known |= new.keys()

    def _pods(self) -> list[dict[str, Any]]:
        answer: Any = self._api.list_namespaced_pod(
            self._namespace, resource_version="0", _preload_content=False
        )
        pods: list[dict[str, Any]] = json.loads(answer.data)["items"]
        return pods

    def _run(self, pod: str, ip: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        container: dict[str, Any] = {
            "name": names.CONTAINER_NAME,
            "image": "played",
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        status = {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
            "containerStatuses": [container],
        }
        try:
            self._api.patch_namespaced_pod_status(pod, self._namespace, {"status": status})
        except ApiException as error:
            if error.status != 404:  # gone in the meantime
                print(f"pod {pod}: {error.reason}")
