"""The kind cluster as a whole. So far it is tested only by its configuration and its commands: no machine
with a Docker engine has run it yet.
"""

import json
from collections.abc import Callable
from pathlib import Path

from tests.cluster.api import ClusterError, Status, no_one
from tests.cluster.base import BaseCluster
from tests.cluster.cache import cache_root
from tests.cluster.kind import config
from tests.cluster.objects import audit_policy, storage_class
from tests.cluster.shell import run, step, succeeds, wait_until
from tests.cluster.toolchain import COMMON


class KindCluster(BaseCluster):
    """Kubernetes in containers of a Docker engine."""

    provider = "kind"

    def __init__(self) -> None:
        super().__init__()
        self.nodes = list(config.WORKERS)
        self._state = cache_root() / "kind"
        self._volumes = self._state / "volumes"
        self._audit = self._state / "audit"
        self._own_kubeconfig = self._state / "kubeconfig"
        self._definition_file = self._state / "definition"
        self.logs = self._state / "logs"

    def up(self, loadable: Callable[[], object] = no_one) -> None:
        self._up()
        loadable()

    def _up(self) -> None:
        self.tools.build([*COMMON, "kind"])
        kind = self.binary("kind")
        definition = config.definition(self._volumes, self._audit)
        if self._definition_file.exists() and self._definition_file.read_text() == definition:
            self._record(self._own_kubeconfig.read_text())
            if self.status().healthy:
                return
        with step("clearing what an earlier cluster left"):
            self._clear()
        for folder in (self._volumes, self._audit, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        (self._audit / "policy.json").write_text(json.dumps(audit_policy()))
        (self._state / "kind.json").write_text(
            json.dumps(config.cluster_config(self._volumes, self._audit), indent=2)
        )
        try:
            self._start(kind)
        except ClusterError as error:
            run(config.export_logs_command(kind, self.logs))
            raise ClusterError(f"{error}\nAll logs are in {self.logs}.") from error
        self._definition_file.write_text(definition)

    def _start(self, kind: Path) -> None:
        with step("kind cluster"):
            run(config.create_command(kind, self._state / "kind.json", self._own_kubeconfig))
            self._record(self._own_kubeconfig.read_text())
        with step("storage"):
            for arguments in config.storage_commands(self._volumes):
                self.kubectl(*arguments)
            self.kubectl("apply", "--filename=-", input=json.dumps(storage_class(config.PROVISIONER)))
        with step("nodes"):
            self._wait_ready(*self.nodes)
            self._offer_gpus()

    def down(self) -> None:
        with step("deleting the kind cluster"):
            self.tools.build(["kind"])
            self._clear()
            self._forget()

    def _clear(self) -> None:
        self._definition_file.unlink(missing_ok=True)
        succeeds(config.empty_volumes_command(self._volumes))  # fails where there is no cluster
        run(config.delete_command(self.binary("kind"), self._own_kubeconfig))

    def status(self) -> Status:
        if not self._definition_file.exists():
            return Status(self.provider, {})
        try:
            return Status(self.provider, self._node_states())
        except ClusterError as error:
            return Status(self.provider, {"nodes": f"cannot be read: {error}"})

    def load_image(self, ref: str) -> str:
        with step(f"loading {ref}"):
            run(config.load_command(self.binary("kind"), ref))
        return ref

    def kill_node(self, name: str) -> None:
        run(["docker", "kill", self._check_node(name)])

    def revive_node(self, name: str) -> None:
        run(["docker", "start", self._check_node(name)])
        self._wait_ready(name)

    def kill_apiserver(self) -> None:
        run(config.kill_static_pod_command("kube-apiserver", "kube-apiserver"))

    def revive_apiserver(self) -> None:
        run(config.revive_static_pod_command("kube-apiserver"))
        self._wait_for_apiserver()

    def kill_etcd(self) -> None:
        run(config.kill_static_pod_command("etcd", "etcd"))

    def revive_etcd(self) -> None:
        run(config.revive_static_pod_command("etcd"))
        self._wait_for_apiserver()

    def audit_log(self) -> Path:
        copy = self.logs / "audit.log"
        run(["docker", "cp", f"{config.CONTROL_PLANE}:{config.AUDIT_LOG}", copy])
        return copy

    def limit_volume(self, namespace: str, claim: str, mebibytes: int) -> None:
        raise ClusterError("a file system mounted on this machine does not reach into the nodes of kind")

    def unlimit_volume(self, namespace: str, claim: str) -> None:
        raise ClusterError("no volume of kind can be limited")

    def _ctr(self, node: str, *arguments: str) -> list[str]:
        return self._on_node(node, "ctr", "--namespace=k8s.io", *arguments)

    def _on_node(self, node: str, *command: str) -> list[str]:
        return ["docker", "exec", self._check_node(node), *command]

    def _wait_for_apiserver(self) -> None:
        wait_until("the API server", lambda: self.kubectl("get", "--raw=/readyz") == "ok", seconds=120)
