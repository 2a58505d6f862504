"""The table of results as text: one line a case, and below it what does not hold. Pure."""

from collections.abc import Sequence

from tests.chaos.runner import Result
from tests.chaos.verdict import FIRST_STEP_SECONDS
from tests.helpers.runs import Object

HEADER = ("case", "struck", "attempt 1", "lost", "equal", "noticed", "first step", "run", "verdict")


def table(results: Sequence[Result]) -> str:
    """Markdown; "first step" is without the start of the pods, which stands in brackets."""
    rows = [HEADER, *map(_row, results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*lines, "", summary(results)])


def summary(results: Sequence[Result]) -> str:
    """How many held, what does not hold, and how quick the restarts were."""
    wrong = [f"  {result.case.name}: {sentence}" for result in results for sentence in result.wrong]
    held = sum(not result.wrong for result in results)
    lines = [f"{held} of {len(results)} cases hold", *wrong]
    times = sorted(time for result in results if (time := result.seen.own_seconds) is not None)
    if times:
        late = sum(time > FIRST_STEP_SECONDS for time in times)
        lines.append(
            f"fault to first new step, without the pods' start: median {times[len(times) // 2]:.1f} s, "
            f"longest {times[-1]:.1f} s; {late} of {len(times)} above {FIRST_STEP_SECONDS} s"
        )
    return "\n".join(lines)


def _row(result: Result) -> tuple[str, ...]:
    seen = result.seen
    records: list[Object] = seen.status.get("attempts", [])
    first = records[0] if records else {}
    lost = "" if seen.resumed_step is None else str(max(0, seen.struck_step - seen.resumed_step))
    own = seen.own_seconds
    return (
        result.case.name,
        seen.struck,
        f"{first.get('outcome', '')} {first.get('reason', '')}",
        lost,
        "no" if seen.differences else "yes" if seen.status.get("phase") == "Completed" else "",
        "" if seen.noticed_seconds is None else f"{seen.noticed_seconds:.1f} s",
        "" if own is None else f"{own:.1f} s (+{seen.pods_seconds:.0f})",
        f"{result.seconds:.0f} s",
        "WRONG" if result.wrong else "holds",
    )
