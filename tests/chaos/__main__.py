"""The command line of the chaos table: `python -m tests.chaos`."""

import argparse
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import report
from tests.chaos.runner import EVIDENCE, Result, Runner
from tests.chaos.table import QUICK, Case, Fault, Moment, Rank, select
from tests.chaos.workload import Shape
from tests.cluster import Cluster, ClusterError, current
from tests.cluster.shell import step
from tests.demo import install
from tests.helpers.runs import Runs

EPILOG = """\
It needs the test cluster for itself: it drains and kills nodes. Statuses and logs of all cases are kept in
.cluster/chaos, the table in .cluster/chaos/table.md. The exit code is 1 where a case does not hold.

examples:
  python -m tests.chaos                                  # all of it, about a minute a case
  python -m tests.chaos --fault sigkill --fault oom --moment saving
  python -m tests.chaos --quick                          # what `make test` runs
"""


def parser() -> argparse.ArgumentParser:
    """The options."""
    root = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Strikes training runs on the test cluster and judges what becomes of them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--fault", type=Fault, choices=list(Fault), action="append", default=[])
    root.add_argument("--moment", type=Moment, choices=list(Moment), action="append", default=[])
    root.add_argument("--rank", type=Rank, choices=list(Rank), action="append", default=[])
    root.add_argument("--quick", action="store_true", help="the subset of `make test`")
    root.add_argument(
        "--processes", type=int, default=2, help="in each of the two pods (default: %(default)s)"
    )
    root.add_argument("--list", action="store_true", help="print the cases and end")
    return root


def chosen(options: argparse.Namespace) -> list[Case]:
    """The cases that the options name."""
    if options.quick:
        return list(QUICK)
    return select(tuple(options.fault), tuple(options.moment), tuple(options.rank))


def run_all(cluster: Cluster, cases: Sequence[Case], shape: Shape) -> list[Result]:
    """Run the cases in a namespace of their own, and print each as it ends. Raises ClusterError."""
    install.install_chart(cluster, install.load_images(cluster))
    namespace = f"chaos-{uuid.uuid4().hex[:6]}"
    install.ensure_namespace(cluster, namespace)
    results: list[Result] = []
    try:
        with tempfile.TemporaryDirectory() as scratch:
            runner = Runner(Runs(cluster, namespace), shape, Path(scratch))
            with step("the undisturbed run"):
                runner.reference  # noqa: B018 - made on first use
            for case in cases:
                with step(case.name):
                    results.append(runner.run(case))
                for sentence in results[-1].wrong:
                    print(f"    WRONG: {sentence}", file=sys.stderr)
                EVIDENCE.mkdir(parents=True, exist_ok=True)
                (EVIDENCE / "table.md").write_text(report.table(results) + "\n")
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    options = parser().parse_args(arguments)
    cases = chosen(options)
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    try:
        results = run_all(current(), cases, Shape(options.processes))
    except ClusterError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return error.exit_status
    print(report.table(results))
    return int(any(result.wrong for result in results))


if __name__ == "__main__":
    sys.exit(main())
