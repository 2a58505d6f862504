"""A stand-in for NVIDIA's dcgm-exporter: its families and labels, with devices that a test makes up.

Labels as in https://github.com/NVIDIA/dcgm-exporter, README and etc/default-counters.csv. Who holds a device
reaches Prometheus in one of three ways, and what joins devices with pods must know them all.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from trainingrun_monitoring import dcgm

Object = dict[str, Any]
EXPORTER = {"namespace": "gpu-operator", "pod": "nvidia-dcgm-exporter-x", "container": "nvidia-dcgm-exporter"}
"""Labels of the exporter's own pod, which discovery gives to its target."""


class Way(StrEnum):
    """How the pod that holds a device is told."""

    RENAMED = "renamed"
    """Scraped without honorLabels, as by the exporter's own chart: `exported_namespace`, `exported_pod`."""
    HONOURED = "honoured"
    """Scraped with honorLabels: `namespace` and `pod`."""
    UNTOLD = "untold"
    """Not at all: the exporter does not ask the kubelet."""


@dataclass(frozen=True)
class Device:
    """One GPU and what it does."""

    way: Way
    node: str
    namespace: str
    pod: str
    index: int
    active: float
    """Share of the time in which it works."""

    def lines(self) -> Iterator[str]:
        """Its part of the exporter's page."""
        labels = {
            "gpu": str(self.index),
            "UUID": f"GPU-{self.index}",
            "device": f"nvidia{self.index}",
            "modelName": "NVIDIA H100 80GB HBM3",
            "Hostname": self.node,
        }
        if self.way is not Way.UNTOLD:
            labels |= {"container": "trainer", "namespace": self.namespace, "pod": self.pod}
        inside = ",".join(f'{name}="{value}"' for name, value in labels.items())
        for family, value in (
            (dcgm.ENGINE_ACTIVE, self.active),
            (dcgm.UTILIZATION, round(100 * self.active)),
            (dcgm.MEMORY_USED, 40000),
        ):
            yield f"{family}{{{inside}}} {value}\n"


@dataclass
class Exporter:
    """A server of the test's own; each way has a page of its own."""

    port: int = 0
    devices: list[Device] = field(default_factory=list)
    """Replace it when pods come and go."""

    def page(self, way: str) -> str:
        return "".join(line for device in self.devices if device.way == way for line in device.lines())

    def scrape_configs(self, interval: str) -> list[Object]:
        """One configuration for each way."""
        return [
            {
                "job_name": f"dcgm-{way}",
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "honor_labels": way is Way.HONOURED,
                "metrics_path": f"/{way}",
                "static_configs": [{"targets": [f"127.0.0.1:{self.port}"], "labels": EXPORTER}],
            }
            for way in Way
        ]


@contextmanager
def exporting(devices: Iterable[Device] = ()) -> Iterator[Exporter]:
    """An exporter that answers while the block lasts."""
    exporter = Exporter(devices=[*devices])

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exporter.page(self.path.removeprefix("/")).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing: one line a scrape would bury the test's own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    exporter.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield exporter
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
