"""How soon the console's history answers: `python -m tests.benchmarks.console_history`.

On SQLite and on a PostgreSQL of this machine, each filled with runs of every phase and their epochs. The
target is a page of 50 runs within 50 ms (p99), whatever the sort and filter, with 10,000 runs and 1,000,000
epochs. Writing is told as a share of what the same rows take by executemany alone, in as many transactions,
just before.
"""

import argparse
import gc
import multiprocessing as mp
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from tests.benchmarks import console_live
from tests.cluster.shell import wait_until
from tests.helpers.ports import free_port
from tests.integration.trainer.postgres import postgres
from trainingrun_api.reasons import Phase
from trainingrun_console.history import rows
from trainingrun_console.history.database import Database
from trainingrun_console.history.records import SORTS, Artifact, Filter, Run
from trainingrun_console.history.store import History
from trainingrun_console.history.tables import RUN_METRICS

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LONG_EPOCHS = 1000
BATCH = 50
"""Runs whose epochs are filled in with one executemany."""
MEASURED = 200
"""Runs by which writing is measured."""
PAGES = 40
"""Of each sort, from the first one on, and then across the whole history."""
REQUESTS = 300
"""Of each query over HTTP."""
QUERIES = ("", "?namespace=team-7", "?phase=Running", "?text=Retina", "?sort=-monitor_value", "?sort=name")
REASONS = {
    Phase.COMPLETED: "Completed", Phase.FAILED: "OOMKilled", Phase.RUNNING: "PodsRunning",
    Phase.PENDING: "WaitingForProject",
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Options of the benchmark."""
    result = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.console_history",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--runs", type=int, default=10_000, help="default: %(default)s")
    result.add_argument("--epochs", type=int, default=100, help="of each run (default: %(default)s)")
    result.add_argument("--directory", type=Path, help="for SQLite's file; default: a temporary one")
    return result


def run(number: int, epochs: int) -> Run:
    """One of many: 20 namespaces, 200 projects, most of them completed, a tenth deleted."""
    chance = random.Random(number)
    phase = chance.choices(list(REASONS), weights=[80, 15, 2, 3])[0]
    ended = phase in (Phase.COMPLETED, Phase.FAILED)
    created = BEGIN + timedelta(seconds=90 * number + chance.randrange(60))
    name = f"{chance.choice(['chest', 'retina', 'digits', 'brain'])}-{number}"
    return Run(
        run_id=f"{name}-{number:08x}",
        namespace=f"team-{chance.randrange(20)}",
        name=name,
        uid=f"{number:08x}-0000-0000-0000-000000000000",
        created_at=created,
        phase=phase,
        reason=REASONS[phase],
        message=f"pod {name}-0-{chance.randrange(10**6)} on node gpu-{chance.randrange(40)}: "
        + "words " * 30,
        project=f"project-{chance.randrange(200)}" if chance.random() < 0.8 else None,
        task="classification",
        started_at=created + timedelta(seconds=20),
        completed_at=created + timedelta(seconds=20 + chance.randrange(9000)) if ended else None,
        deleted_at=created + timedelta(days=7) if chance.random() < 0.1 else None,
        epoch=epochs,
        total_epochs=epochs,
        percent=100 if ended else chance.randrange(100),
        monitor="val_accuracy",
        monitor_value=chance.random() if phase != Phase.PENDING else None,
        training_time=float(chance.randrange(9000)) if phase == Phase.COMPLETED else None,
        results={f"test_score_{place}": chance.random() for place in range(40)} if ended else None,
        artifacts=[Artifact(f"plots/plot_{place}.png", 10_000 + place) for place in range(30)],
        provenance={
            "image": f"registry.example/trainer:{number}",
            "data_sha256": f"{number:064x}",
        },
        object={"spec": {"training": {"model": {"architecture": "resnet50"}}, "padding": "x" * 6000}},
    )


def epoch(number: int) -> dict[str, Any]:
    """As the trainer of classification writes it, for ten classes."""
    scores = ("loss", "accuracy", "f1", "precision", "recall", "auroc", *(f"recall_{n}" for n in range(10)))
    return {
        "epoch": number,
        "global_step": 100 * number,
        **{f"train_{name}": random.random() for name in scores[:3]},
        **{f"val_{name}": random.random() for name in scores},
        "learning_rate": 0.001,
        "seconds": 12.5,
        "samples_per_second": 812.25,
        "time": "2026-01-02T03:05:00Z",
    }


def rate(work: Callable[[Any], object], values: Sequence[Any]) -> float:
    """How many of them it does in a second."""
    began = time.perf_counter()
    for value in values:
        work(value)
    return len(values) / (time.perf_counter() - began)


def bare(database: Database, run_ids: Sequence[str], epochs: Sequence[dict[str, Any]]) -> None:
    """Their epochs by executemany, in one transaction."""
    found = rows.of_epochs(epochs)
    with database.writing() as connection:
        connection.execute(
            sa.insert(RUN_METRICS),
            [{"run_id": run_id, **row} for run_id in run_ids for row in found.values()],
        )


def fill(history: History, database: Database, runs: int, epochs: int) -> None:
    """Every run with its epochs, and on the way the rates of writing."""
    saved = [run(number, epochs) for number in range(runs)]
    print(f"  {'runs':25} {rate(history.save, saved):8.0f} a second")
    run_ids, told = [each.run_id for each in saved], [epoch(place + 1) for place in range(epochs)]
    first, second = run_ids[:MEASURED], run_ids[MEASURED : 2 * MEASURED]
    alone = rate(lambda run_id: bare(database, [run_id], told), first)
    compare(f"runs of {epochs} epochs", rate(lambda run_id: history.save_epochs(run_id, told), second), alone)
    for place in range(2 * MEASURED, runs, BATCH):
        bare(database, run_ids[place : place + BATCH], told)
    long, other = (run(runs + place, LONG_EPOCHS) for place in (0, 1))
    for each in (long, other):
        history.save(each)
    one_by_one = [epoch(place + 1) for place in range(LONG_EPOCHS)]
    alone = rate(lambda each: bare(database, [other.run_id], [each]), one_by_one)
    compare(
        "epochs, one by one", rate(lambda each: history.save_epochs(long.run_id, [each]), one_by_one), alone
    )
    history.prune(None, None, BEGIN)  # as the service does every hour
    if not database.sqlite:  # as autovacuum does, some time after so much came
        with database.reading() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("VACUUM ANALYZE"))
    print("                              median      p99     most")
    show(f"{LONG_EPOCHS} epochs of a run", [timed(history.epochs, long.run_id) for _ in range(50)])


def compare(name: str, found: float, alone: float) -> None:
    """One line of the table."""
    print(f"  {name:25} {found:8.0f} a second, {found / alone:.2f} of the {alone:.0f} by executemany")


def filters(runs: int) -> Iterator[tuple[str, Filter]]:
    """What people ask for, by name."""
    day = BEGIN + timedelta(seconds=90 * runs // 2)
    yield "no filter", Filter()
    yield "one namespace", Filter(namespaces=["team-7"])
    yield "all namespaces by name", Filter(namespaces=[f"team-{number}" for number in range(20)])
    yield "no such namespace", Filter(namespaces=["nobody"])
    yield "one project", Filter(projects=["project-7"])
    yield "running", Filter(phases=[Phase.RUNNING])
    yield "failed, not deleted", Filter(phases=[Phase.FAILED], include_deleted=False)
    yield "one day", Filter(created_from=day, created_to=day + timedelta(days=1))
    yield "text in many", Filter(text="Retina")
    yield "text in one", Filter(text=f"-{runs // 2}")
    yield "text in none", Filter(text="nowhere to be found")
    yield (
        "all at once",
        Filter(namespaces=["team-7", "team-8"], phases=[Phase.FAILED], text="gpu-1", include_deleted=False),
    )


def timed(work: Callable[..., object], *arguments: object) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - began) * 1000


def walk(history: History, wanted: Filter, sort: str) -> Iterator[float]:
    """Milliseconds of one page after another, to the end."""
    cursor: str | None = None
    while True:
        began = time.perf_counter()
        page = history.runs(wanted, sort, cursor)
        yield (time.perf_counter() - began) * 1000
        if not (cursor := page.next_cursor):
            return


def show(name: str, times: Sequence[float]) -> None:
    """One line of the table."""
    p99 = statistics.quantiles(times, n=100, method="inclusive")[98]
    print(f"  {name:25} {statistics.median(times):8.1f} {p99:8.1f} {max(times):8.1f} ms   {len(times)} times")


def measure(history: History, runs: int) -> None:
    """The table of pages."""
    sorts = [f"{sign}{column}" for column in SORTS for sign in ("", "-")]
    for name, wanted in filters(runs):
        show(name, [each for sort in sorts for each in islice(walk(history, wanted, sort), PAGES)])
    show("to the last page", list(walk(history, Filter(), "-monitor_value")))
    for name, wanted in filters(runs):
        show(f"count: {name}"[:25], [timed(history.count, wanted) for _ in range(20)])
    show("projects", [timed(history.projects, None) for _ in range(20)])


def over_http(url: str) -> None:
    """The same asked of a service in a process of its own, from the request to the last byte of the page."""
    port = free_port()
    service = mp.get_context("spawn").Process(target=console_live.serve, args=(url, port), daemon=True)
    service.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until("the service answers", lambda: answers(client), seconds=30)
            for query in QUERIES:
                show(f"GET /runs{query}", [timed(page_of, client, query) for _ in range(REQUESTS)])
    finally:
        service.terminate()
        service.join()


def answers(client: httpx.Client) -> bool:
    """Whether it has started."""
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


def page_of(client: httpx.Client, query: str) -> None:
    """One page of 50 runs."""
    client.get(f"/runs{query}").raise_for_status()


def bench(url: str, runs: int, epochs: int) -> None:
    """One database."""
    database = Database(url)
    try:
        with History.open(url) as history:
            fill(history, database, runs, epochs)
            gc.collect()
            gc.freeze()  # as a service should once it has started: else a page now and then waits 50 ms
            measure(history, runs)
        over_http(url)
    finally:
        database.close()


def main() -> None:
    """Measure and print."""
    options = parser().parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        print(f"SQLite, {options.runs} runs of {options.epochs} epochs")
        bench(f"sqlite:///{directory}/history.db", options.runs, options.epochs)
    with postgres() as server:
        print(f"PostgreSQL, {options.runs} runs of {options.epochs} epochs")
        bench(server.url, options.runs, options.epochs)


if __name__ == "__main__":
    main()
