"""Writes the generated files below the current directory, the root of the repository."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainingrun_monitoring import metric_tables, rules
from trainingrun_monitoring.dashboards import DASHBOARDS

METRICS_DOCUMENT = Path("docs/metrics.md")
CHART = Path("charts/trainingrun-operator")


def generated_files() -> dict[Path, str]:
    """Path below the root of the repository, and what is to stand there."""
    return {
        METRICS_DOCUMENT: metric_tables.filled(METRICS_DOCUMENT.read_text(encoding="utf-8")),
        CHART / "rules" / "trainingrun.yaml": rules.document(rules.GROUPS),
        **{CHART / "dashboards" / name: _json(dashboard) for name, dashboard in DASHBOARDS.items()},
    }


def _json(dashboard: Mapping[str, Any]) -> str:
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the generated files, or with --check name those that differ; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainingrun_monitoring", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file differs")
    check = parser.parse_args(arguments).check
    differing = {
        path: text
        for path, text in generated_files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in differing.items():
        if check:
            print(f"{path} differs from the definitions: run `make monitoring`")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return int(check and bool(differing))


if __name__ == "__main__":
    raise SystemExit(main())
