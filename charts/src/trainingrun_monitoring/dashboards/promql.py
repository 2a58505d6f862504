"""PromQL that more than one dashboard needs.

The operator's series of a run carry `namespace` and `name`; those of its trainers carry `namespace` and
`trainingrun` instead, for `name` is a metric's there. Series of runs are brought down to those labels first:
what else a scrape adds (pod, instance) changes when the operator is replaced, and would split every line.
"""

from trainingrun_api.reasons import Phase
from trainingrun_monitoring.dashboards.panels import States
from trainingrun_operator import run_series as runs

BY_RUN = "by (namespace, name)"
ON_RUN = "on (namespace, name)"
PROJECT = 'project=~"$project"'
PHASES: States = {
    0: (Phase.PENDING, "blue"),
    1: (Phase.RUNNING, "green"),
    2: (Phase.COMPLETED, "purple"),
    3: (Phase.FAILED, "red"),
}
"""What the values of `phase` stand for."""


def of(family: str, *matchers: str) -> str:
    """The series of a family, by matchers such as `name="$run"`."""
    return f"{family}{{{', '.join(matchers)}}}"


def single(family: str, *matchers: str) -> str:
    """A family that has one series for each run."""
    return f"max {BY_RUN} ({of(family, *matchers)})"


def phase(*matchers: str) -> str:
    """Each run's phase as a number of PHASES."""
    phases = {name: number for number, (name, _) in PHASES.items()}
    return (
        f"{whether(Phase.RUNNING, *matchers)} * {phases[Phase.RUNNING]}"
        f" + {whether(Phase.COMPLETED, *matchers)} * {phases[Phase.COMPLETED]}"
        f" + {whether(Phase.FAILED, *matchers)} * {phases[Phase.FAILED]}"
    )


def whether(name: Phase, *matchers: str) -> str:
    """1 for the runs in a phase, 0 for the others."""
    return single(runs.PHASE, *matchers, f'phase="{name}"')


def in_phase(name: Phase, *matchers: str) -> str:
    """The runs that are in a phase, each as 1."""
    return f"{whether(name, *matchers)} == 1"


def age(timestamp: str, *matchers: str) -> str:
    """Seconds since the moment that a family tells of each run."""
    return f"time() - {single(timestamp, *matchers)}"


def metrics(*matchers: str) -> str:
    """The last value of every metric."""
    return f"max by (namespace, name, metric) ({of(runs.METRIC, *matchers)})"


def monitored(*matchers: str) -> str:
    """The last value of the metric that picks the best epoch."""
    return f"{metrics(*matchers)} and on (namespace, name, metric) {of(runs.BEST_METRIC, *matchers)}"


def best(*matchers: str) -> str:
    """The best value so far of that metric."""
    return f"max by (namespace, name, metric) ({of(runs.BEST_METRIC, *matchers)})"


def restarts(*matchers: str) -> str:
    """Attempts of each run that ended too early."""
    return f"sum {BY_RUN} (max by (namespace, name, cause) ({of(runs.RESTARTS, *matchers)}))"


def spent_seconds(*matchers: str) -> str:
    """Seconds that each run has had: its useful seconds are goodput's share of them.

    Goodput comes in thousandths. Below one percent that is too coarse to divide by, and the time since the
    start stands for it.
    """
    useful, goodput = single(runs.USEFUL_SECONDS, *matchers), single(runs.GOODPUT_RATIO, *matchers)
    started, completed = single(runs.STARTED, *matchers), single(runs.COMPLETED, *matchers)
    return f"({useful} / ({goodput} > 0.01) or {completed} - {started} or time() - {started})"
