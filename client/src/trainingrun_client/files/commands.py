"""What runs in the helper pod: POSIX shell, and cat, dd, find, head, mkdir, mv, readlink, rm, sha256sum, stat
and xargs as GNU coreutils and busybox both have them. No Python, for a run's own image may lack it.

A frame goes into the directory and hands the items that come first on standard input, each ended by NUL, to
one of the commands below; what follows on standard input is descriptor 3 of that command. Items never stand
in the command line: the API server takes it as part of a URL, whose length is bounded.
"""

from dataclasses import dataclass

from trainingrun_client.files.listing import FORMAT
from trainingrun_client.files.paths import PART
from trainingrun_client.files.pieces import BLOCK

MOUNT = "/volume"
MANY = 500
"""Items of one process where it takes any number."""
BEAT = b"\0"
"""Written to standard error while a command works, so that silence means a lost connection."""
BEAT_SECONDS = 10
FAILURE = b"\4"
"""Written to standard error where a command fails, after its words.

It must take the rest of its standard input then: a kubelet whose command ends before that tells nobody.
"""


@dataclass(frozen=True, slots=True)
class Command:
    """One of the commands."""

    script: str
    items: int = MANY
    """How many items one process takes."""


# The beating process must hold none of the streams once it is killed: the kubelet waits until all are closed,
# and a sleep outlives it for some seconds.
FRAME = rf"""
directory=$1 size=$2 command=$3 count=$4
exec 3<&0
fail() {{ printf '\004' >&2; cat <&3 >/dev/null; exit 1; }}
[ -d "$directory" ] || {{ echo "there is no directory ${{directory#{MOUNT}/}} in the volume" >&2; fail; }}
cd -P -- "$directory" || fail
here=$(pwd -P)
export here
case $here/ in {MOUNT}/*) ;; *) echo "$directory leads out of the volume" >&2; fail ;; esac
while sleep {BEAT_SECONDS} 2>/dev/null; do printf '\0' >&2; done </dev/null >/dev/null 3<&- &
beat=$!
trap 'kill "$beat"' EXIT
dd bs="$size" count=1 iflag=fullblock status=none <&3 | xargs -0 -n "$count" sh -c "$command" sh || fail
"""

_INSIDE = r"""
inside() {
    real=$(readlink -f -- "$1") || return 1
    case $real in
        "$here" | "$here"/*) ;;
        *) echo "${1#./} leads out of the directory" >&2; exit 255 ;;
    esac
}
"""

_LIST = rf"""{_INSIDE}
show="{FORMAT}"
export show
follow='for link; do
    real=$(readlink -f -- "$link")
    case $real in "$here"/*) [ -f "$real" ] && stat -L -c "$show" -- "$link" && continue ;; esac
    stat -c "$show" -- "$link"
done'
for path; do
    [ -e "$path" ] || [ -L "$path" ] || continue
    inside "$path"
    find "$path" DEPTH -type d -name lost+found -prune -o ! -type l -exec stat -c "$show" -- {{}} +
    find "$path" DEPTH -type d -name lost+found -prune -o -type l -exec sh -c "$follow" sh {{}} +
done
:
"""
LIST = Command(_LIST.replace("DEPTH", ""))
"""Paths; answers a record for each that is there and for everything below, as listing.py reads them."""
LIST_FLAT = Command(_LIST.replace("DEPTH", "-maxdepth 1"))
"""The same, of one level."""

HASH = Command(
    rf"""{_INSIDE}
[ -f "$2" ] || {{ echo -; exit 0; }}
inside "$2"
if [ "$(stat -L -c %s -- "$2")" = "$1" ]; then
    sha256sum < "$2" || exit 255
else
    head -c "$1" -- "$2" | sha256sum || exit 255
fi
""",
    items=2,
)
"""Bytes and a path; answers a line: SHA-256 of so many first bytes, or `-` where there is no such file."""

SEND = Command(
    rf"""{_INSIDE}
[ -f "$3" ] || exit 0
inside "$3"
whole=$(($2 / {BLOCK})) rest=$(($2 % {BLOCK}))
if [ "$whole" != 0 ]; then dd if="$3" bs={BLOCK} skip="$1" count="$whole" status=none || exit 255; fi
if [ "$rest" != 0 ]; then
    dd if="$3" bs={BLOCK} skip="$(($1 + whole))" count=1 status=none | head -c "$rest" || exit 255
fi
""",
    items=3,
)
"""Block, bytes and a path; answers the bytes, or fewer where the file has become shorter."""

STATE = Command(rf"""{_INSIDE}
for path; do
    for file in "$path" "$path{PART}"; do
        if [ -f "$file" ]; then inside "$file"; stat -L -c %s -- "$file" || exit 255; else echo -; fi
    done
done
""")
"""Paths; answers two lines each: bytes of the file and of its part, or `-`."""

MAKE = Command(r"""
mkdir -p -- "$@" || exit 255
""")
"""Paths of directories."""

# Every byte has its place, so that a command which outlives its connection can only write what is right.
STORE = Command(
    rf"""{_INSIDE}
part=$3{PART}
inside "${{3%/*}}"
[ ! -L "$part" ] || rm -f -- "$part" || exit 255
if [ "$1" = 0 ]; then : > "$part" || exit 255; fi
if [ "$2" != 0 ]; then
    dd ibs="$2" obs={BLOCK} count=1 seek="$1" iflag=fullblock conv=notrunc status=none of="$part" <&3 \
        || exit 255
fi
""",
    items=3,
)
"""Block, bytes and a path; takes the bytes from descriptor 3."""

FINISH = Command(
    rf"""{_INSIDE}
part=$2{PART}
inside "${{2%/*}}"
if [ -d "$2" ]; then echo "${{2#./}} is a directory" >&2; exit 255; fi
is() {{ [ -f "$2" ] && sum=$(sha256sum < "$2") && [ "${{sum%% *}}" = "$1" ]; }}
if is "$1" "$part"; then
    if said=$(mv -f -- "$part" "$2" 2>&1); then echo right; exit 0; fi
    [ ! -f "$part" ] || {{ echo "$said" >&2; exit 255; }}
fi
rm -f -- "$part" || exit 255
if is "$1" "$2"; then echo right; else echo wrong; fi
""",
    items=2,
)
"""SHA-256 and a path; gives the part its name and answers `right`, or removes it and answers `wrong`.

It may come twice, where the first answer was lost; and another client that brings the same file may have
given it the name already. What counts is what has the name at the end.
"""
