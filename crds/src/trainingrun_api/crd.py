"""The CustomResourceDefinition: `trainingrun-crd` writes it from the models, `--check` finds drift.

Two files come from the one function: the plain definition for `kubectl apply -f`, and the chart's template.
Both are committed, so that installing needs no Python. Needs PyYAML, which the extras operator and dev bring.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from trainingrun_api import names
from trainingrun_api.model import CEL_KEY, Rule
from trainingrun_api.schema import Schema, structural_schema
from trainingrun_api.spec import TrainingRunSpec
from trainingrun_api.status import TrainingRunStatus

MANIFEST = Path("crds/trainingrun.dev_trainingruns.yaml")
CHART_TEMPLATE = Path("charts/trainingrun-operator/templates/crd.yaml")
_HEADER = "# Generated from the models in crds/src/trainingrun_api: change those and run `make crds`.\n"

NAME_RULES = (
    Rule(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        'metadata.name must start with a lower-case letter and go on with lower-case letters, digits and "-" '
        "(no dots), because the run's Service has the same name: choose a name such as chest-xray-2",
    ),
    Rule(
        f"size(self.metadata.name) <= {names.MAX_NAME_LENGTH}",
        f"metadata.name must have at most {names.MAX_NAME_LENGTH} characters, so that the names of its pods "
        "fit into 63: shorten it",
    ),
)


def _column(name: str, path: str, description: str, kind: str = "string", *, wide: bool = False) -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": 1} if wide else column


PRINTER_COLUMNS = (
    _column("Phase", ".status.phase", "Pending, Running, Completed or Failed."),
    _column("Epoch", ".status.columns.epoch", "Epochs finished, of those planned."),
    _column("Metric", ".status.columns.metric", "Last value of the monitored metric."),
    _column("Progress", ".status.columns.progress", "Share of the planned work that is done."),
    _column("ETA", ".status.columns.eta", "Time to the planned end."),
    _column("Restarts", ".status.restarts.total", "Attempts that ended too early.", "integer"),
    _column("Age", ".metadata.creationTimestamp", "Time since creation.", "date"),
    _column("Nodes", ".status.nodesReady", "Pods that run, of those wanted.", wide=True),
    _column("GPUs", ".spec.resources.gpus", "GPUs of each pod.", "integer", wide=True),
    _column("Checkpoint", ".status.checkpoint.step", "Step of the newest checkpoint.", "integer", wide=True),
    _column("Queue", ".spec.queue", "LocalQueue that admits the pods.", wide=True),
    _column("Reason", ".status.reason", "Why the run is in its phase.", wide=True),
)


def custom_resource_definition() -> dict[str, Any]:
    """The whole CustomResourceDefinition as JSON-compatible data."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": names.CRD_NAME},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": [names.CATEGORY],
            },
            "conversion": {"strategy": "None"},
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(PRINTER_COLUMNS),
                    "selectableFields": [{"jsonPath": ".status.phase"}],
                    "schema": {"openAPIV3Schema": _root_schema()},
                }
            ],
        },
    }


def _root_schema() -> Schema:
    return {
        "description": "One training run: from a data volume to a trained and evaluated model.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(TrainingRunSpec),
            "status": structural_schema(TrainingRunStatus),
        },
        CEL_KEY: [rule.to_cel() for rule in NAME_RULES],
    }


class _PlainDumper(yaml.SafeDumper):
    """Without anchors: a schema that is used twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _to_yaml(definition: dict[str, Any]) -> str:
    return yaml.dump(definition, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)


def manifest() -> str:
    """The definition as plain YAML."""
    return _HEADER + _to_yaml(custom_resource_definition())


def chart_template() -> str:
    """The definition as a Helm template that outlives the release: deleting it would delete every run."""
    definition = custom_resource_definition()
    definition["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    return f"{_HEADER}{{{{- if .Values.crds.create }}}}\n{_to_yaml(definition)}{{{{- end }}}}\n"


def generated_files() -> dict[Path, str]:
    """What the generator writes, by path below the repository root."""
    return {MANIFEST: manifest(), CHART_TEMPLATE: chart_template()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the generated files below the current directory, or with --check name those that differ."""
    parser = argparse.ArgumentParser(prog="trainingrun-crd", description="Run in the root of the repository.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file differs")
    check = parser.parse_args(arguments).check
    differing = [
        path
        for path, text in generated_files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in differing:
        if check:
            print(f"{path} differs from the models: run `make crds`")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(generated_files()[path], encoding="utf-8")
            print(f"wrote {path}")
    return int(check and bool(differing))


if __name__ == "__main__":
    raise SystemExit(main())
