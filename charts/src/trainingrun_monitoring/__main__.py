"""Writes the generated files below the current directory, the root of the repository."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from trainingrun_monitoring import metric_tables

METRICS_DOCUMENT = Path("docs/metrics.md")


def generated_files() -> dict[Path, str]:
    """Path below the root of the repository, and what is to stand there."""
    return {METRICS_DOCUMENT: metric_tables.filled(METRICS_DOCUMENT.read_text(encoding="utf-8"))}


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
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return int(check and bool(differing))


if __name__ == "__main__":
    raise SystemExit(main())
