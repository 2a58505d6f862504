"""Nodes and pods without machines, by kwok: any number of pods that run at once and succeed after seconds.

https://kwok.sigs.k8s.io. Nothing of it reaches a network: the pods' addresses are this machine's own, and
nobody listens there.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster import Cluster
from tests.cluster.shell import run, wait_until
from tests.helpers.go_tool import go_tool

TOOLS = Path(__file__).parent / "tools"
PACKAGE = "sigs.k8s.io/kwok/cmd/kwok"
LABEL, VALUE = "type", "kwok"
NODE_SELECTOR = {LABEL: VALUE}
TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
TOLERATION = {**TAINT, "operator": "Equal"}
NODE_ADDRESS = "10.202.255.254"
"""Not of the loopback range: the API server refuses such endpoints, and controllers would try for ever."""
PODS = "10.202.0.0/16"
GPUS = 8
LEAST_MILLISECONDS, MOST_MILLISECONDS = 2000, 4000
"""How long a pod runs."""
READY_SECONDS = 120
END_SECONDS = 20

CONTAINERS = """
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: %s, restartCount: 0, state: %s}
{{ end }}
"""
RUNS = CONTAINERS % ("true", "{running: {startedAt: {{ $now | Quote }}}}")
ENDED = CONTAINERS % (
    "false",
    "{terminated: {exitCode: 0, reason: Completed, "
    "startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}",
)


def _stage(
    name: str, kind: str, conditions: list[tuple[str, str, list[str]]], then: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A stage of an object's life: where the conditions (key, operator, values) hold, what comes next."""
    matches = [
        {"key": key, "operator": operator, **({"values": values} if values else {})}
        for key, operator, values in conditions
    ]
    spec = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": matches},
        "next": then,
        **more,
    }
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


ALIVE: tuple[str, str, list[str]] = (".metadata.deletionTimestamp", "DoesNotExist", [])
READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'
STAGES = (
    _stage(
        "node-ready",
        "Node",
        [(READY, "NotIn", ["True"])],
        {
            "statusTemplate": """
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }},
   message: {{ .message | Quote }}, lastHeartbeatTime: {{ $now | Quote }},
   lastTransitionTime: {{ $now | Quote }}}
{{ end }}
addresses:
- {type: InternalIP, address: {{ NodeIP | Quote }}}
phase: Running
"""
        },
    ),
    _stage(
        "pod-runs",
        "Pod",
        [ALIVE, (".status.phase", "In", ["Pending"]), (READY, "NotIn", ["True"])],
        {
            "statusTemplate": f"""
{{{{ $now := Now }}}}
conditions:
- {{type: Initialized, status: "True", lastTransitionTime: {{{{ $now | Quote }}}}}}
- {{type: Ready, status: "True", lastTransitionTime: {{{{ $now | Quote }}}}}}
- {{type: ContainersReady, status: "True", lastTransitionTime: {{{{ $now | Quote }}}}}}
containerStatuses:{RUNS}
hostIP: {{{{ index (NodeIPsWith .spec.nodeName) 0 | Quote }}}}
{{{{ $ips := PodIPsWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace }}}}
podIP: {{{{ index $ips 0 | Quote }}}}
podIPs: [{{ip: {{{{ index $ips 0 | Quote }}}}}}]
phase: Running
startTime: {{{{ $now | Quote }}}}
"""
        },
    ),
    _stage(
        "pod-succeeds",
        "Pod",
        [ALIVE, (".status.phase", "In", ["Running"]), (".metadata.ownerReferences.[].kind", "In", ["Job"])],
        {
            "statusTemplate": f"""
{{{{ $now := Now }}}}
containerStatuses:{ENDED}
phase: Succeeded
"""
        },
        delay={
            "durationMilliseconds": LEAST_MILLISECONDS,
            "jitterDurationMilliseconds": MOST_MILLISECONDS,
        },
    ),
    _stage("pod-goes", "Pod", [(".metadata.deletionTimestamp", "Exists", [])], {"delete": True}),
)


@contextmanager
def nodes(cluster: Cluster, number: int, folder: Path) -> Iterator[int]:
    """While this is entered, so many nodes run pods; the process id of kwok. Raises ClusterError."""
    stages = folder / "stages.yaml"
    stages.write_text("\n---\n".join(map(json.dumps, STAGES)))
    command = [
        str(go_tool(TOOLS, PACKAGE)),
        f"--kubeconfig={cluster.kubeconfig}",
        f"--config={stages}",
        f"--manage-nodes-with-label-selector={LABEL}={VALUE}",
        f"--cidr={PODS}",
        f"--node-ip={NODE_ADDRESS}",
        "--node-lease-duration-seconds=40",
    ]
    route = ["local", PODS, "dev", "lo"]
    run(["ip", "route", "add", *route])
    with (folder / "kwok.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        objects = {"apiVersion": "v1", "kind": "List", "items": [_node(index) for index in range(number)]}
        cluster.kubectl("create", "-f", "-", input=json.dumps(objects))
        wait_until("the nodes", lambda: _ready(cluster) == number, seconds=READY_SECONDS, every=1)
        yield process.pid
    finally:
        cluster.kubectl("delete", "nodes", "-l", f"{LABEL}={VALUE}", "--wait=false")
        process.terminate()
        process.wait(END_SECONDS)
        run(["ip", "route", "del", *route])


def _node(index: int) -> dict[str, Any]:
    name = f"kwok-{index:04}"
    offered = {"cpu": "64", "memory": "512Gi", "pods": "110", "nvidia.com/gpu": str(GPUS)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {**NODE_SELECTOR, "kubernetes.io/hostname": name},
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {"taints": [TAINT]},
        "status": {"allocatable": offered, "capacity": offered},
    }


def _ready(cluster: Cluster) -> int:
    found = json.loads(cluster.kubectl("get", "nodes", "-l", f"{LABEL}={VALUE}", "-o", "json"))["items"]
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in found
        for condition in node["status"].get("conditions", ())
    )
