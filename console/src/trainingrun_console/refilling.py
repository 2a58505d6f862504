"""`trainingrun-console refill`: from directories of this machine, or through a pod for each run's volume."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from trainingrun_client import TrainingRunClient
from trainingrun_client.connection import connect
from trainingrun_client.errors import InputError, TrainingRunError
from trainingrun_client.run import TrainingRun
from trainingrun_console.collecting.refill import from_cluster, from_path
from trainingrun_console.history.store import History
from trainingrun_console.serving import opened

RUN_FILE = "run.json"


def refill(given: argparse.Namespace) -> int:
    """How many runs could not be read.

    Raises:
        TrainingRunError: no way to a cluster, or its runs may not be listed.
        HistoryError: the database cannot be used.
    """
    roots = [*given.path, *dict(given.run_directory or ()).values()]
    with opened(given, lambda: connect(given.context, given.kubeconfig)) as history:
        found = _directories(history, roots) if roots else _claims(history, given)
        taken, failed = 0, 0
        for name, outcome in found:
            taken += isinstance(outcome, list) and len(outcome)
            failed += isinstance(outcome, str)
            if isinstance(outcome, str):
                _say(f"{name}: {outcome}")
    print(f"runs taken into the history: {taken}" + (f"; could not be read: {failed}" if failed else ""))
    return failed


Found = Iterator[tuple[str, list[str] | str]]
"""Of each place the run_ids that were taken from it, or what went wrong."""


def _directories(history: History, roots: Sequence[Path]) -> Found:
    places: list[Path] = []
    for root in roots:
        try:
            single = (root / RUN_FILE).exists()
            places += [root] if single else sorted(each for each in root.iterdir() if each.is_dir())
        except OSError as error:
            raise InputError(f"{root} cannot be read: {error.strerror}") from error
    for number, place in enumerate(places, 1):
        _progress(number, len(places), str(place))
        try:
            yield str(place), from_path(history, place)
        except OSError as error:
            yield str(place), f"cannot be read: {error.strerror}"


def _claims(history: History, given: argparse.Namespace) -> Found:
    runs = list(_runs(given))
    for number, (client, run) in enumerate(runs, 1):
        name = f"{run.namespace}/{run.name}"
        _progress(number, len(runs), name)
        try:
            connection = connect(given.context, given.kubeconfig, client.namespace)
            taken = from_cluster(history, connection, run, image=given.image)
            yield name, [taken] if taken else []
        except TrainingRunError as error:
            yield name, str(error)


def _runs(given: argparse.Namespace) -> Iterator[tuple[TrainingRunClient, TrainingRun]]:
    for namespace in given.namespace or [None]:
        client = TrainingRunClient(namespace, context=given.context, kubeconfig=given.kubeconfig)
        for run in client.list(all_namespaces=bool(given.all_namespaces)):
            yield client, run


def _progress(number: int, total: int, name: str) -> None:
    """One line that changes, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K[{number}/{total}] {name}", end="" if number < total else "\n", file=sys.stderr)


def _say(text: str) -> None:
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}{text}", file=sys.stderr, flush=True)
