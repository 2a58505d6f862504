"""`doctor`: whether this cluster can train, and what to do where it cannot."""

import json
from dataclasses import asdict

import typer
import yaml
from rich.text import Text

from trainingrun_client.checks import Finding, State, examine
from trainingrun_client.cli import screen
from trainingrun_client.cli.options import Form, Output
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.cluster import ClusterBackend

SIGNS = {
    State.OK: ("✔", "ok", "green"),
    State.WARNING: ("▲", "warning", "yellow"),
    State.FAILED: ("✘", "FAILED", "bold red"),
    State.UNKNOWN: ("?", "unknown", "dim"),
}
"""A sign, the word where that cannot be written, and a colour."""


def doctor(client: TrainingRunClient, output: Output = None) -> None:
    """Check whether this cluster can train.

    Cluster, operator, permissions, GPUs, image, DNS, storage and quota, each with advice; exit code 1 where
    no run would work.
    """
    assert isinstance(client.backend, ClusterBackend)
    found = []
    for finding in examine(client.backend.connection):
        found.append(finding)
        if output not in (Form.JSON, Form.YAML):
            _show(finding)
    if output in (Form.JSON, Form.YAML):
        told = [asdict(finding) for finding in found]
        screen.write(
            json.dumps(told, indent=2)
            if output == Form.JSON
            else yaml.safe_dump([{**each, "state": str(each["state"])} for each in told], sort_keys=False)
        )
    if any(finding.state == State.FAILED for finding in found):
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    sign, word, style = SIGNS[finding.state]
    head = Text.assemble(
        (screen.glyphs(sign, word), style), f" {finding.check}: {screen.clean(finding.detail)}"
    )
    screen.out.print(head, soft_wrap=True)
    if finding.advice:
        screen.out.print(Text(f"    {screen.clean(finding.advice)}"), soft_wrap=True)
    screen.out.file.flush()
