"""What one run tells many clients: everything, to each, at the cost of one; and who is sent away."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.console_scene import BUSY, START
from tests.helpers.forgetting import forget
from trainingrun_api.reasons import Phase
from trainingrun_client.errors import UnreachableError
from trainingrun_console.history.errors import HistoryError
from trainingrun_console.history.records import Attempt, Run
from trainingrun_console.history.store import History
from trainingrun_console.live.cursor import Cursor
from trainingrun_console.live.frames import HEARTBEAT, Batch
from trainingrun_console.live.hub import Hub
from trainingrun_console.live.subscription import Ending, Subscription

RUN = replace(BUSY, started_at=START, attempt=1)
SECONDS = 10.0


class CountedHistory(History):
    """Counts who is looked at, and may be away."""

    looks: int = 0
    away: bool = False

    def run(self, run_id: str) -> Run | None:
        self.looks += 1
        if self.away:
            raise HistoryError("the database is away")
        return super().run(run_id)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[CountedHistory]:
    with CountedHistory.open(f"sqlite:///{tmp_path}/history.db") as opened:
        opened.save(RUN)
        yield opened


def epoch(number: int, loss: float = 0.5) -> dict[str, Any]:
    time = (START + timedelta(seconds=number)).isoformat()
    return {"epoch": number, "time": time, "train_loss": loss}


def end(history: History) -> None:
    history.save(replace(RUN, phase=Phase.COMPLETED, completed_at=START + timedelta(hours=1)))


def events(batch: Batch) -> list[str]:
    return [frame.event for frame in batch.frames]


async def following(subscription: Subscription) -> Batch:
    async with asyncio.timeout(SECONDS):
        return await anext(subscription)


async def everything(subscription: Subscription) -> list[Batch]:
    async with asyncio.timeout(SECONDS):
        return [batch async for batch in subscription]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, "who has left costs nothing more"

    asyncio.run(main())


def test_one_read_and_one_encoding_serve_all(history: CountedHistory) -> None:
    async def scenario() -> None:
        hub = Hub(history, poll_seconds=60)
        clients = [await hub.subscribe(RUN.run_id, Cursor()) for _ in range(50)]
        first = [await following(client) for client in clients]
        assert all(batch is first[0] for batch in first)
        assert events(first[0]) == [
            "run_status",
            "training_metrics_update",
            "training_start",
            "training_mode",
        ]
        assert history.looks == 1
        history.save_epochs(RUN.run_id, [epoch(1)])
        hub.changed(RUN.run_id)
        second = [await following(client) for client in clients]
        assert all(batch is second[0] for batch in second)
        assert events(second[0]) == ["training_metrics_update", "epoch_end"]
        assert history.looks == 2
        for client in clients:
            hub.close(client)
        hub.changed(RUN.run_id)
        assert len(hub) == 0

    run(scenario)


def test_what_others_write_is_found_and_nobody_is_asked_for_runs_to_which_nobody_listens(
    history: CountedHistory,
) -> None:
    async def scenario() -> None:
        hub = Hub(history, poll_seconds=0.02)
        client = await hub.subscribe(RUN.run_id, Cursor())
        await following(client)
        history.save_epochs(RUN.run_id, [epoch(1)])
        assert "epoch_end" in events(await following(client))
        hub.close(client)
        looks = history.looks
        await asyncio.sleep(0.1)
        assert history.looks == looks

    run(scenario)


def test_messages_do_not_pile_up_for_a_slow_client_and_it_misses_none(history: CountedHistory) -> None:
    async def scenario() -> None:
        hub = Hub(history, poll_seconds=60)
        slow = await hub.subscribe(RUN.run_id, Cursor())
        quick = await hub.subscribe(RUN.run_id, Cursor())
        await following(slow)
        await following(quick)
        for number in range(1, 6):
            history.save_epochs(RUN.run_id, [epoch(number)])
            hub.changed(RUN.run_id)
            assert events(await following(quick))[-1] == "epoch_end"
        assert events(await following(slow)) == ["training_metrics_update", *["epoch_end"] * 5]
        hub.close(slow)
        hub.close(quick)

    run(scenario)


def test_a_long_story_comes_in_pieces_and_ends(history: CountedHistory) -> None:
    history.save_epochs(RUN.run_id, [epoch(number) for number in range(1, 1001)])
    end(history)

    async def scenario() -> None:
        hub = Hub(history)
        client = await hub.subscribe(RUN.run_id, Cursor())
        batches = await everything(client)
        assert max(len(batch.sse) for batch in batches) < 64 << 10
        told = [event for batch in batches for event in events(batch)]
        assert told.count("epoch_end") == 1000
        assert told[-1] == "training_end"
        assert client.ending is Ending.OVER
        hub.close(client)

    run(scenario)


def test_heartbeats(history: CountedHistory) -> None:
    async def scenario() -> None:
        hub = Hub(history, poll_seconds=60, heartbeat_seconds=0.05)
        client = await hub.subscribe(RUN.run_id, Cursor())
        await following(client)
        assert [await following(client) for _ in range(3)] == [HEARTBEAT] * 3
        hub.close(client)

    run(scenario)


def test_who_never_reads_is_dropped_and_others_do_not_notice(history: CountedHistory) -> None:
    async def scenario() -> None:
        hub, cut = Hub(history, poll_seconds=60, write_seconds=0.1), list[str]()
        stalled = await hub.subscribe(RUN.run_id, Cursor(), abort=lambda: cut.append("stalled"))
        well = await hub.subscribe(RUN.run_id, Cursor(), abort=lambda: cut.append("well"))
        await following(stalled)  # and what it is sent is never written

        async def listen() -> list[Batch]:
            return [batch async for batch in well]

        listening = asyncio.create_task(listen())
        await until(lambda: "stalled" in cut)
        assert stalled.ending is Ending.SLOW
        history.save_epochs(RUN.run_id, [epoch(1)])
        end(history)
        hub.changed(RUN.run_id)
        assert events((await listening)[-1])[-1] == "training_end"
        assert "well" not in cut
        hub.close(stalled)
        hub.close(well)

    run(scenario)


def test_who_may_listen_no_more_is_sent_away_but_not_while_nobody_can_say(history: CountedHistory) -> None:
    async def scenario() -> None:
        hub, answers = Hub(history, poll_seconds=60, check_seconds=0.05), list[Ending | Exception | None]()
        asked = 0

        def allowed() -> Ending | None:
            nonlocal asked
            asked += 1
            match answers[min(asked, len(answers)) - 1]:
                case Exception() as error:
                    raise error
                case answer:
                    return answer

        answers += [None, UnreachableError("the API server is away"), None, Ending.FORBIDDEN]
        client = await hub.subscribe(RUN.run_id, Cursor(), allowed=allowed)
        await everything(client)
        assert client.ending is Ending.FORBIDDEN
        assert asked == 4
        hub.close(client)

    run(scenario)


def test_a_database_that_is_away_ends_no_connection(history: CountedHistory) -> None:
    async def scenario() -> None:
        hub = Hub(history, poll_seconds=0.02)
        client = await hub.subscribe(RUN.run_id, Cursor())
        await following(client)
        history.away = True
        looks = history.looks
        await until(lambda: history.looks > looks + 2)
        history.away = False
        history.save_epochs(RUN.run_id, [epoch(1)])
        assert "epoch_end" in events(await following(client))
        hub.close(client)
        history.away = True
        with pytest.raises(HistoryError):
            await hub.subscribe(RUN.run_id, Cursor())
        assert len(hub) == 0

    run(scenario)


def test_a_run_that_is_forgotten_ends_its_connections(history: CountedHistory) -> None:
    async def scenario() -> None:
        hub = Hub(history, poll_seconds=60)
        client = await hub.subscribe(RUN.run_id, Cursor())
        await following(client)
        forget(history, RUN.run_id)
        hub.changed(RUN.run_id)
        assert await everything(client) == []
        assert client.ending is Ending.FORGOTTEN
        hub.close(client)

    run(scenario)


def test_the_service_stops_with_clients(history: CountedHistory) -> None:
    async def scenario() -> None:
        hub = Hub(history)
        clients = [await hub.subscribe(RUN.run_id, Cursor()) for _ in range(3)]
        hub.stop()
        hub.changed(RUN.run_id)
        for client in clients:
            await everything(client)
        assert {client.ending for client in clients} == {Ending.CLOSING}

    run(scenario)


def test_an_epoch_that_is_repeated_reaches_those_who_listen_and_those_who_come(
    history: CountedHistory,
) -> None:
    async def scenario() -> None:
        hub = Hub(history, poll_seconds=60)
        history.save_epochs(RUN.run_id, [epoch(1), epoch(2)])
        client = await hub.subscribe(RUN.run_id, Cursor())
        await following(client)
        history.save(replace(RUN, attempt=2))
        again = {**epoch(2, loss=0.25), "time": (START + timedelta(minutes=1)).isoformat()}
        ended = Attempt(number=1, outcome="Failure", reason="Oom", ended_at=START + timedelta(seconds=30))
        history.save_attempts(RUN.run_id, [ended])
        history.save_epochs(RUN.run_id, [again])
        hub.changed(RUN.run_id)
        batch = await following(client)
        assert events(batch)[-2:] == ["attempt_end", "epoch_end"]
        assert '"train_loss":0.25' in batch.frames[-1].text
        newcomer = await hub.subscribe(RUN.run_id, Cursor())
        told = [frame for frame in (await following(newcomer)).frames if frame.event == "epoch_end"]
        assert ['"train_loss":0.25' in frame.text for frame in told] == [False, True]
        hub.close(client)
        hub.close(newcomer)

    run(scenario)
