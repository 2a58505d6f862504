"""What ranks decide together, by two real processes."""

import subprocess
import sys
from pathlib import Path

SLOW_WORK = """
import sys, time
from datetime import timedelta
from torch import distributed
from trainingrun_trainer.distributed import Ranks, on_each_node

rank = int(sys.argv[1])
distributed.init_process_group("gloo", sys.argv[2], timedelta(seconds=3), rank=rank, world_size=2)
assert on_each_node(Ranks(rank=rank, world_size=2), lambda: time.sleep(6 * rank) or rank) == [0, 1]
distributed.destroy_process_group()
"""


def test_work_may_take_longer_than_ranks_wait_in_training(tmp_path: Path) -> None:
    rendezvous = f"file://{tmp_path}/rendezvous"
    ranks = [subprocess.Popen([sys.executable, "-c", SLOW_WORK, str(rank), rendezvous]) for rank in (0, 1)]
    assert [rank.wait(60) for rank in ranks] == [0, 0]
