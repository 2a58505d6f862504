"""Unpack a ZIP that a user uploaded, without trusting it.

All members are checked before the first byte is written. `zipfile` itself never reads more of a member than
its header declares and verifies the CRC, so the declared sizes that are checked here hold.
"""

import errno
import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from trainingrun_api.training import ArchiveLimits
from trainingrun_trainer.errors import BadData

ENCRYPTED = 0x1
"""Bit 0 of a member's flags. Source: PKWARE's APPNOTE.TXT, 4.4.4."""
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    IndexError,
    NotImplementedError,
    UnicodeDecodeError,
)
"""What zipfile raises for damaged or foreign content."""
LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
REPACK = "Pack metadata.csv and images/ again with plain relative paths."


def extract(
    archive: Path, destination: Path, limits: ArchiveLimits, beat: Callable[[], None] = lambda: None
) -> None:
    """Unpack an archive into an existing empty directory, and call `beat` for each member.

    Raises:
        BadData: it is missing, damaged or no ZIP, or a member is unsafe or beyond the limits. Nothing is
            written outside of the destination.
    """
    if not archive.is_file():
        raise BadData(f"data.path {archive} is not a file", "Check the path and the volume mounted there.")
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            check(members, limits)
            for member in members:
                if not member.is_dir() and not _is_litter(member.filename):
                    _extract_member(opened, member, destination)
                    beat()
    except DAMAGE as error:
        raise BadData(f"{archive} is not an intact ZIP file: {error}", "Pack or copy it again.") from error


def root(directory: Path) -> Path:
    """Where the data begin: the directory itself, or the only folder in it, as when a folder was packed."""
    entries = list(directory.iterdir())
    return root(entries[0]) if len(entries) == 1 and entries[0].is_dir() else directory


def _is_litter(name: str) -> bool:
    """Whether macOS or Windows put it there, beside the data."""
    parts = PurePosixPath(name).parts
    return parts[0] == "__MACOSX" or parts[-1] in LITTER


def check(members: Sequence[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    """Refuse members that would leave the directory or exhaust the disk.

    Raises:
        BadData: names the first such member and the limit.
    """
    if len(members) > limits.max_members:
        raise BadData(
            f"the archive has {len(members)} members, above data.limits.maxMembers ({limits.max_members})",
            "Raise the limit if the archive is yours.",
        )
    size = sum(member.file_size for member in members)
    if size > limits.max_gibibytes * 2**30:
        raise BadData(
            f"the archive would extract to {size / 2**30:.1f} GiB, more than data.limits.maxGibibytes "
            f"({limits.max_gibibytes})",
            "Raise the limit if the archive is yours and the node has the space.",
        )
    seen = set()
    for member in members:
        _check_member(member, limits)
        path = PurePosixPath(member.filename)
        if path in seen:
            raise BadData(f"the archive holds {member.filename!r} twice", REPACK)
        seen.add(path)


def _check_member(member: zipfile.ZipInfo, limits: ArchiveLimits) -> None:
    name = member.filename
    if (
        PurePosixPath(name).is_absolute()
        or ".." in name.split("/")
        or "\\" in name
        or ":" in name.split("/")[0]
    ):
        raise BadData(f"the archive's member {name!r} would be written outside of its directory", REPACK)
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadData(
            f"the archive's member {name!r} is a link or a special file", "Pack the files themselves."
        )
    if member.flag_bits & ENCRYPTED:
        raise BadData(f"the archive's member {name!r} is encrypted", "Pack it without a password.")
    if member.file_size > limits.max_ratio * max(member.compress_size, 1):
        ratio = member.file_size / max(member.compress_size, 1)
        raise BadData(
            f"the archive's member {name!r} grows {ratio:.0f} times when extracted, above "
            f"data.limits.maxRatio ({limits.max_ratio})",
            "Raise the limit if the archive is yours.",
        )


def _extract_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, destination: Path) -> None:
    target = destination / member.filename
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, target.open("xb") as sink:
            shutil.copyfileobj(source, sink, length=1 << 20)
    except DAMAGE as error:
        raise BadData(
            f"the archive's member {member.filename!r} is damaged: {error}", "Pack or copy it again."
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise BadData(
            f"the archive's member {member.filename!r} is both a file and a directory", REPACK
        ) from error
    except OSError as error:
        # bz2 says "Invalid data stream" by an OSError without a number
        if error.errno in (None, errno.ENAMETOOLONG):
            raise BadData(
                f"the archive's member {member.filename!r} cannot be unpacked: {error}", REPACK
            ) from error
        raise
