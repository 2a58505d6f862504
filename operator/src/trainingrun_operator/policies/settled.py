"""Terminal is terminal: a run that ended, or is being deleted, gets nothing, whatever became of its
children."""

from trainingrun_operator.conditions import ended
from trainingrun_operator.plan import Plan, Standing


def settled(standing: Standing) -> Plan | None:
    """Nothing to do for a run that is over."""
    if standing.run.deleting:
        return Plan(why="the run is being deleted")
    if ended(standing.status):
        return Plan(why="the run has ended")
    return None
