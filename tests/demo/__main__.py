"""Runs the demo: `python -m tests.demo`."""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from tests.cluster import Cluster, ClusterError, current
from tests.cluster.api import DOT_CLUSTER
from tests.demo import failure, install, report, steps
from tests.demo.live import Display, Object, StuckError, follow
from tests.demo.progress import Progress, Step, StepError

PENDING_SECONDS = 300
RUN_SECONDS = 1800
WELCOME = """\
A Kubernetes cluster on this machine, the operator in it, and two pods that train a model together.
The first time downloads and builds; the next one reuses it. Ctrl-C leaves it, `make demo` goes on.
"""
LEFT = 130
"""Exit status of a program that was ended by Ctrl-C."""


class RunFailedError(Exception):
    """The run ended as Failed; the message is its own."""


@dataclass
class Demo:
    """What the steps do; each leaves behind what the next ones need."""

    cluster: Cluster
    images: install.Images | None = None
    run: Object | None = None

    def up(self) -> None:
        # To compile keeps the processors busy, to make an image and to load it the network and the disk.
        loadable = Event()
        with ThreadPoolExecutor(max_workers=1) as beside:
            images = beside.submit(install.load_images, self.cluster, loadable.wait)
            try:
                self.cluster.up(loadable.set)
            finally:
                loadable.set()  # nobody waits for a cluster that does not come
            self.images = images.result()

    def install_chart(self) -> None:
        assert self.images is not None
        install.install_chart(self.cluster, self.images)

    def load_data(self) -> None:
        install.ensure_namespace(self.cluster, steps.NAMESPACE)
        steps.load_sample_data(self.cluster)

    def train(self) -> None:
        if steps.active_run(self.cluster):
            print(f"following {steps.RUN}, which an earlier demo started")
        else:
            steps.start_run(self.cluster)
        self.run = follow(
            lambda: steps.read_run(self.cluster),
            Display(sys.stdout),
            pending_seconds=PENDING_SECONDS,
            seconds=RUN_SECONDS,
        )
        if self.run["status"]["phase"] == "Failed":
            raise RunFailedError(self.run["status"].get("message", ""))

    def steps(self) -> list[Step]:
        return [
            Step(
                "test cluster up, images built and loaded",
                self.up,
                "read components/ and image-builds/ there; `make cluster-status` names what is not well, "
                "`make cluster-down` clears everything; `make loaded` does the images alone; "
                "`make demo-local` needs no cluster",
            ),
            Step(
                "operator installed by Helm",
                self.install_chart,
                "read operator-pod.txt, operator.log and operator-previous.log there",
            ),
            Step(
                f"sample data in claim {steps.DATA_CLAIM}",
                self.load_data,
                "`make venv` installs what writes the data; pods.txt and events.txt tell of the claim",
            ),
            Step(
                f"training run {steps.RUN}",
                self.train,
                "read run.txt there, where the run says why itself, then run-logs.txt",
                draws=True,
            ),
        ]

    def collect_logs(self) -> Path:
        folder = DOT_CLUSTER / "demo-logs" / time.strftime("%Y%m%d-%H%M%S")
        failure.collect(self.cluster, folder)
        return folder

    def report(self, seconds: dict[str, float]) -> str:
        """What came of it. Only after all steps."""
        assert self.run is not None
        place = report.Place(
            kubeconfig=self.cluster.kubeconfig,
            binaries=(Path(sys.executable).parent, self.cluster.binary("kubectl").parent),
            namespace=steps.NAMESPACE,
            operator_namespace=install.NAMESPACE,
            release=install.RELEASE,
        )
        return (
            f"\nWhere time went\n{report.where_time_went(seconds, self.run)}\n"
            f"\nFinal metrics\n{report.final_metrics(self.run)}\n"
            f"\nWhat to try next\n{report.next_commands(self.run, place)}"
        )


def main() -> int:
    """The exit status: 0 where the run is Completed, 1 where a step failed, LEFT where the user left."""
    argparse.ArgumentParser(
        prog="python -m tests.demo",
        description="From a bare machine to a trained model on the test cluster. Repeat it as you like: it "
        "reuses what is there. A finished run of the demo's name is replaced, an unfinished one is "
        "followed; results stay in their claim.",
    ).parse_args()
    print(WELCOME, flush=True)
    demo, progress = Demo(current()), Progress()
    try:
        progress.carry_out(
            demo.steps(), (ClusterError, StuckError, RunFailedError), collect_logs=demo.collect_logs
        )
    except KeyboardInterrupt:
        print(f"\nLeft at: {progress.current}. What runs goes on; `make demo` takes up where you left.")
        return LEFT
    except StepError as error:
        print(f"\n{error}")
        return 1
    print(demo.report(progress.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
