"""The command line of the test cluster: `python3 -m tests.cluster VERB`."""

import argparse
import sys
from pathlib import Path

from tests.cluster.api import ClusterError
from tests.cluster.providers import current

EPILOG = """\
`up` is idempotent: a healthy cluster is reused, anything else is cleared and started anew.
Where the machine cannot run a cluster, its exit status is 69.
After it, use the cluster with .cluster/bin/kubectl --kubeconfig .cluster/kubeconfig.

examples:
  python3 -m tests.cluster up
  python3 -m tests.cluster load-image localhost/trainer:1f2e      # prints the name that pods must use
  python3 -m tests.cluster put ./data --namespace default --claim digits
  python3 -m tests.cluster kill-node n2 && python3 -m tests.cluster revive-node n2
"""


def parser() -> argparse.ArgumentParser:
    """The verbs and their arguments."""
    root = argparse.ArgumentParser(
        prog="python3 -m tests.cluster",
        description="A real Kubernetes with two nodes for the tests: kind where a Docker engine answers, "
        "else its binaries on this machine (Debian or Ubuntu, root).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")
    up = verbs.add_parser("up", help="bring the cluster up, or find it healthy")
    up.add_argument("--provider", choices=["auto", "bare", "kind"], default="auto")
    verbs.add_parser("down", help="stop it and leave nothing behind (images stay cached)")
    verbs.add_parser("status", help="the health of each part; exit code 1 when one is not well")
    load = verbs.add_parser("load-image", help="give a local image to all nodes; prints its name there")
    load.add_argument("ref", metavar="REF")
    put = verbs.add_parser("put", help="copy a local folder into a claim, created when missing")
    put.add_argument("folder", metavar="FOLDER", type=Path)
    put.add_argument("--namespace", required=True)
    put.add_argument("--claim", required=True)
    put.add_argument("--size", default="1Gi", help="of a new claim (default: %(default)s)")
    for verb, help_ in (
        ("kill-node", "take a node's power away"),
        ("revive-node", "boot a killed node, wait until Ready"),
    ):
        verbs.add_parser(verb, help=help_).add_argument("node", metavar="NAME")
    for part in ("apiserver", "etcd"):
        verbs.add_parser(f"kill-{part}", help="SIGKILL it")
        verbs.add_parser(f"revive-{part}", help="start it again, wait until the API answers")
    kill = verbs.add_parser("kill-container", help="SIGKILL the main process of a pod's first container")
    kill.add_argument("namespace", metavar="NAMESPACE")
    kill.add_argument("pod", metavar="POD")
    verbs.add_parser("logs", help="print the folder of all logs")
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        cluster = current(options.provider if options.verb == "up" else "auto")
        match options.verb:
            case "up":
                cluster.up()
                print(f"{cluster.provider} cluster is up; kubeconfig: {cluster.kubeconfig}")
            case "status":
                status = cluster.status()
                print(status)
                return 0 if status.healthy else 1
            case "load-image":
                print(cluster.load_image(options.ref))
            case "put":
                cluster.put_folder(options.folder, options.namespace, options.claim, options.size)
            case "kill-node" | "revive-node":
                getattr(cluster, options.verb.replace("-", "_"))(options.node)
            case "kill-container":
                cluster.kill_container(options.namespace, options.pod)
            case "logs":
                print(cluster.logs)
            case verb:  # down, and the killing and reviving of the API server and etcd
                getattr(cluster, verb.replace("-", "_"))()
    except ClusterError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
