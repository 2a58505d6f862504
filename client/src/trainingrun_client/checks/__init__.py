"""Whether a cluster can train: what `kubectl trainingrun doctor` asks.

`asking` runs all checks against a connection; each file has those of one subject.
"""

from trainingrun_client.checks.asking import CHECKS, examine
from trainingrun_client.checks.finding import Finding, State

__all__ = ["CHECKS", "Finding", "State", "examine"]
