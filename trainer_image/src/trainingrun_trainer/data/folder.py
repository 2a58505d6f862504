"""Files of a directory by the names that tables give them, with or without the suffix and in any case."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from trainingrun_trainer.data.images import Unreadable
from trainingrun_trainer.data.problems import Problems

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".nii.gz", ".nii", ".npy")


class Folder:
    """The files below a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, name: str) -> Path:
        """The file of this name, or else the one that differs in nothing but its suffix: scan.PNG for
        scan.png, scan or scan.jpg.

        Raises:
            Unreadable: there is none, or several differ by their suffix.
        """
        exact = self._directory / name
        if exact.is_file():
            return exact
        found = self._by_stem.get(stem(PurePosixPath(name).as_posix()), ())
        if len(found) > 1:
            raise Unreadable(f"may be {' or '.join(path.name for path in found)}")
        if not found:
            raise Unreadable(f"is not in {self._directory.name}/")
        return found[0]

    @cached_property
    def _by_stem(self) -> Mapping[str, Sequence[Path]]:
        files = defaultdict(list)
        for path in sorted(self._directory.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                files[stem(path.relative_to(self._directory).as_posix())].append(path)
        return files


def stem(name: str) -> str:
    """A name without the suffix of a picture or volume."""
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def is_inside(name: str) -> bool:
    """Whether a name of a file stays below the directory that it is relative to."""
    path = PurePosixPath(name)
    return "\0" not in name and not path.is_absolute() and ".." not in path.parts


def find_all(directory: Path, names: Sequence[str], where: Sequence[str]) -> tuple[Path, ...]:
    """The files of these names.

    Args:
        directory: where they lie.
        names: their names, see `Folder.find`.
        where: what a message calls each.

    Raises:
        BadData: some are not there, or two are the same; names the first ten.
    """
    folder, problems = Folder(directory), Problems()
    found: dict[Path, str] = {}
    for name, place in zip(names, where, strict=True):
        try:
            path = folder.find(name)
        except Unreadable as error:
            problems.add(f"{place} {error}")
            continue
        if path in found:
            problems.add(f"{place} is the same file as {found[path]}")
        found.setdefault(path, place)
    problems.check(f"Add the files below {directory.name}/, or drop what names them.")
    return tuple(found)
