"""The files of a folder or a ZIP, by their names; what operating systems put beside them is left out."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from trainingrun_client.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
VOLUMES = (".nii.gz", ".nii", ".npy")
LITTER = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Tree:
    """What lies below a folder, or in a ZIP."""

    path: Path
    names: tuple[str, ...]
    """Of files, relative to where the data begin, with slashes, sorted."""
    archive: zipfile.ZipFile | None = None
    top: str = ""
    """Folder of the ZIP in which all of it lies, with a slash at its end."""

    @cached_property
    def all_names(self) -> frozenset[str]:
        """For the question whether there is such a file."""
        return frozenset(self.names)

    @cached_property
    def samples(self) -> tuple[str, ...]:
        """Pictures and volumes."""
        return tuple(name for name in self.names if is_picture(name) or is_volume(name))

    def below(self, folder: str) -> list[str]:
        """Pictures and volumes below a folder; of all folders where it is empty."""
        return [name for name in self.samples if not folder or name.startswith(f"{folder}/")]

    def read(self, name: str, size: int = -1) -> bytes:
        """The first bytes of a file, or all. Raises InputError."""
        try:
            if self.archive is not None:
                with self.archive.open(self.top + name) as member:
                    return member.read(size)
            with (self.path / name).open("rb") as file:
                return file.read(size)
        except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
            raise InputError(f"{name} in {self.path} cannot be read: {error}") from error

    def text(self, name: str) -> str:
        """A text file in UTF-8 or, as Excel saves it, UTF-16. Raises InputError."""
        content = self.read(name)
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            raise InputError(f"{name} in {self.path} is no text: {error}") from error


@contextmanager
def opened(path: Path) -> Iterator[Tree]:
    """The tree of a folder or ZIP. Raises InputError where it is neither."""
    if path.is_dir():
        found = (file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        yield Tree(path, tuple(sorted(filter(_counts, found))))
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is neither a folder nor a ZIP: {error}") from error
    with archive:
        names = sorted(each.filename for each in archive.infolist() if not each.is_dir())
        names = [name for name in names if _counts(name)]
        top = _top(names)
        yield Tree(path, tuple(name.removeprefix(top) for name in names), archive, top)


def is_picture(name: str) -> bool:
    """By its suffix."""
    return name.lower().endswith(PICTURES)


def is_volume(name: str) -> bool:
    """By its suffix."""
    return name.lower().endswith(VOLUMES)


def stem(name: str) -> str:
    """A name without the suffix of a picture or volume."""
    suffix = next((each for each in (*VOLUMES, *PICTURES) if name.lower().endswith(each)), "")
    return name[: len(name) - len(suffix)]


def _counts(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not any(part.startswith(".") for part in parts) and not (
        parts[0] == "__MACOSX" or parts[-1].lower() in LITTER
    )


def _top(names: list[str]) -> str:
    """The folders that all files have in common, one in another, as when a folder was packed."""
    top = ""
    while names:
        first = names[0].removeprefix(top).partition("/")
        if not first[1] or not all(name.startswith(f"{top}{first[0]}/") for name in names):
            break
        top += f"{first[0]}/"
    return top
