"""What the processes of a control plane have used: processor seconds and memory, read from /proc."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

PROGRAMS: Mapping[str, str] = {
    "server": "etcd",
    "kube-apiserver": "apiserver",
    "kube-controller-manager": "controllers",
    "kube-scheduler": "scheduler",
    "kwok": "kwok",
}
"""Part of the stack by the file name of its program."""
OPERATOR = "operator"
TICKS = os.sysconf("SC_CLK_TCK")


def processes() -> dict[str, int]:
    """Process id of each part that runs on this machine."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            program = (entry / "exe").readlink().name
            if part := PROGRAMS.get(program):
                found[part] = int(entry.name)
            elif b"trainingrun-operator\0" in (entry / "cmdline").read_bytes() and program.startswith(
                "python"
            ):
                found[OPERATOR] = int(entry.name)
    return found


def cpu_seconds(process: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mebibytes(process: int) -> float:
    """The most memory that a process had since `forget_peak`."""
    return _status(process, "VmHWM")


def mebibytes(process: int) -> float:
    """The memory that a process has."""
    return _status(process, "VmRSS")


def forget_peak(process: int) -> None:
    """Counts the most memory from now on (proc(5), clear_refs)."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def _status(process: int, field: str) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{field}:")]
    return int(line.split()[1]) / 1024
