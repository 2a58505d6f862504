"""Certificates and kubeconfigs: a new authority for every fresh cluster, made by openssl."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.bare.configs import APISERVER_NAMES
from tests.cluster.bare.layout import API_SERVER, NODES, PKI
from tests.cluster.objects import Config
from tests.cluster.shell import run

VALID_DAYS = "3650"  # longer than any test cluster lives
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True)
class Identity:
    """A client or server certificate: who it is (`user` in `group`) and the names that it serves."""

    user: str
    group: str = ""
    names: tuple[str, ...] = ()


IDENTITIES = {
    "apiserver": Identity("kube-apiserver", names=tuple(APISERVER_NAMES)),
    "apiserver-kubelet": Identity("apiserver-kubelet", group="system:masters"),
    "admin": Identity("admin", group="system:masters"),
    "controller-manager": Identity("system:kube-controller-manager"),
    "scheduler": Identity("system:kube-scheduler"),
    "proxy": Identity("system:kube-proxy"),
    # Not "admin": the audit log must tell a test's requests from the cluster's own.
    "coredns": Identity("test-cluster:coredns", group="system:masters"),
    "provisioner": Identity("test-cluster:provisioner", group="system:masters"),
    **{node.name: Identity(f"system:node:{node.name}", group="system:nodes") for node in NODES},
}


def kubeconfig_path(identity: str) -> Path:
    """Where the kubeconfig of an identity lies."""
    return PKI / f"{identity}.kubeconfig"


def subject(identity: Identity) -> str:
    """Kubernetes reads the organisation as the group and the common name as the user."""
    return (f"/O={identity.group}" if identity.group else "") + f"/CN={identity.user}"


def extensions(identity: Identity) -> str:
    """An openssl configuration whose section `leaf` holds the certificate's extensions."""
    lines = [
        "[req]",
        "distinguished_name = dn",
        "[dn]",
        "[leaf]",
        "basicConstraints = CA:FALSE",
        "keyUsage = digitalSignature, keyEncipherment",
        "extendedKeyUsage = serverAuth, clientAuth",
    ]
    if identity.names:
        lines.append(f"subjectAltName = {','.join(identity.names)}")
    return "\n".join(lines) + "\n"


def kubeconfig(authority: bytes, certificate: bytes, key: bytes) -> Config:
    """A kubeconfig with everything embedded, so that one file is all that a client needs."""

    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "cluster",
                "cluster": {"server": API_SERVER, "certificate-authority-data": encoded(authority)},
            }
        ],
        "users": [
            {
                "name": "user",
                "user": {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)},
            }
        ],
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": "cluster",
    }


def create() -> None:
    """Write the authority, the service accounts' key pair, all certificates and all kubeconfigs."""
    PKI.mkdir(parents=True, exist_ok=True)
    PKI.chmod(0o700)
    authority, authority_key = PKI / "ca.crt", PKI / "ca.key"
    request: list[str | Path] = ["openssl", "req", "-x509", "-days", VALID_DAYS, *NEW_KEY]
    run([*request, "-subj", "/CN=test-cluster", "-keyout", authority_key, "-out", authority])
    run(["openssl", "genrsa", "-out", PKI / "service-accounts.key", "2048"])
    run(
        [
            "openssl",
            "pkey",
            "-in",
            PKI / "service-accounts.key",
            "-pubout",
            "-out",
            PKI / "service-accounts.pub",
        ]
    )
    for name, identity in IDENTITIES.items():
        certificate, key, config = (PKI / f"{name}.{suffix}" for suffix in ("crt", "key", "cnf"))
        config.write_text(extensions(identity))
        request_leaf = [*request, "-config", config, "-extensions", "leaf", "-subj", subject(identity)]
        run([*request_leaf, "-CA", authority, "-CAkey", authority_key, "-keyout", key, "-out", certificate])
        content = kubeconfig(authority.read_bytes(), certificate.read_bytes(), key.read_bytes())
        kubeconfig_path(name).write_text(json.dumps(content, indent=2))
