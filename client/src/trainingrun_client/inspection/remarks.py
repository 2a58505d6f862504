"""What the trainer would refuse, as far as names and lists tell it. Pure."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from trainingrun_client.inspection.tree import stem


def of_rows(where: str, files: Sequence[str], known: Iterable[str], labels: Sequence[str] = ()) -> list[str]:
    """Of a list of samples.

    Args:
        where: what the list is called.
        files: that its rows name, below the folder of the images.
        known: files that are there, below the same folder.
        labels: of the rows; nothing where they have none.
    """
    there = {stem(name) for name in known}
    outside = [name for name in files if leads_out(name)]
    missing = [name for name in files if not leads_out(name) and _name(name) not in there]
    told: dict[str, set[str]] = {}
    for name, label in zip(files, labels or [""] * len(files), strict=True):
        told.setdefault(_name(name), set()).add(label)
    twice = len(files) - len(told)
    differing = [name for name, kinds in told.items() if len(kinds) > 1]
    unlabelled = [name for name, label in zip(files, labels, strict=False) if not label]
    kinds = set(labels) - {""}
    return [
        *_many(unlabelled, where, "have no label"),
        *_many(missing, where, "name files that are not there"),
        *_many(outside, where, "name files outside of the folder of images"),
        *([f"{twice} rows of {where} name a file that another row names"] if twice and not differing else []),
        *([f"{where} gives different labels to the same file: {_some(differing)}"] if differing else []),
        *(
            [f"all labels of {where} are {min(kinds)!r}: one class cannot be learned"]
            if len(kinds) == 1
            else []
        ),
    ]


def of_members(names: Iterable[str]) -> list[str]:
    """Of a ZIP by the names of its members."""
    outside = [name for name in names if leads_out(name)]
    return (
        [f"the ZIP has members that lead out of it, which are refused: {_some(outside)}"] if outside else []
    )


def leads_out(name: str) -> bool:
    """Whether a path is not below its folder."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts


def _name(file: str) -> str:
    return stem(PurePosixPath(file).as_posix())


def _many(found: Sequence[str], where: str, what: str) -> list[str]:
    return [f"{len(found)} rows of {where} {what}: {_some(found)}"] if found else []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
