"""What ranks decide together, by two real processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from trainingrun_api.names import EXIT_INTERRUPTED

COMMON = """
import os, sys, threading, time
from datetime import timedelta
import torch
from torch import distributed

from trainingrun_trainer.distributed import Ranks, leave, on_each_node
from trainingrun_trainer.errors import BadData, Interrupted, describe
from trainingrun_trainer.interruption import StopSignal

rank = int(sys.argv[1])
ranks = Ranks(rank=rank, world_size=2)
# both have imported all before the group's few seconds count
ready = sys.argv[2].removeprefix("file://") + ".ready"
open(f"{ready}{rank}", "w").close()
while not os.path.exists(f"{ready}{1 - rank}"):
    time.sleep(0.05)
distributed.init_process_group("gloo", sys.argv[2], timedelta(seconds=3), rank=rank, world_size=2)
stop = StopSignal()
stop.install(deferred=True)
beats = []

def together(work):
    return on_each_node(ranks, work, lambda: beats.append(time.monotonic()), lambda: stop.received)
"""
SLOW_WORK = """
def work(beat):
    for _ in range(6 * rank):
        time.sleep(1)
        beat()
    return rank

assert together(work) == [0, 1]
# six movements of the other rank, and an end each
assert len(beats) >= 4, beats
"""
HUNG_WORK = """
def work(beat):
    time.sleep(6 * rank)
    return rank

assert together(work) == [0, 1]
assert len(beats) <= 2, beats
"""
FAILED_WORK = """
def work(beat):
    if rank:
        raise BadData("row 7", "Fill it.")
    return rank

try:
    together(work)
except BadData as error:
    assert error.message == "row 7"
else:
    sys.exit("no error")
"""
STOPPED_WORK = """
def work(beat):
    if rank:
        os.kill(os.getpid(), 15)
        threading.Event().wait()
    return rank

try:
    together(work)
except Interrupted as error:
    os._exit(error.exit_code)
"""
HUNG_COLLECTIVE = """
done = sys.argv[2].removeprefix("file://") + ".done"
if rank:
    while not os.path.exists(done):
        time.sleep(0.1)
    os._exit(0)
try:
    distributed.all_reduce(torch.ones(1))
except Exception as error:
    assert describe(error).type == "NcclTimeout", error
    open(done, "w").close()
    os._exit(0)
else:
    sys.exit("no error")
"""


# Threads of a group that is still there may abort the interpreter's end.
END = "leave(0)"


def run(script: str, directory: Path) -> list[int]:
    """Exit codes of two ranks."""
    rendezvous = f"file://{directory}/rendezvous"
    code = COMMON + script + END
    ranks = [subprocess.Popen([sys.executable, "-c", code, str(rank), rendezvous]) for rank in (0, 1)]
    return [rank.wait(120) for rank in ranks]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (SLOW_WORK, 0),
        (HUNG_WORK, 0),
        (FAILED_WORK, 0),
        (STOPPED_WORK, EXIT_INTERRUPTED),
        (HUNG_COLLECTIVE, 0),
    ],
    ids=[
        "work may take longer than ranks wait in training, and all beat while it moves",
        "work that does not move is not covered up",
        "an error reaches all ranks",
        "SIGTERM reaches all ranks, whatever the work does",
        "a collective that hangs is told from a lost peer",
    ],
)
def test_two_ranks(script: str, code: int, tmp_path: Path) -> None:
    assert run(script, tmp_path) == [code, code]
