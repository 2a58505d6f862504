"""What `stat` answers is read as it is meant, whatever the names are."""

import pytest

from trainingrun_client.errors import InputError, TransferError
from trainingrun_client.files.listing import Entry, Kind, parse


@pytest.mark.parametrize(
    ("answer", "entries"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"41ed 4096 5 .//\n", [], id="the directory itself"),
        pytest.param(b"81a4 12 5 ./a b//\n", [Entry("a b", Kind.FILE, 12, 5)], id="a file"),
        pytest.param(b"41ed 4096 5 ./d//\n", [Entry("d", Kind.DIRECTORY, 0, 5)], id="a directory"),
        pytest.param(b"a1ff 7 5 ./l//\n", [Entry("l", Kind.LINK, 0, 5)], id="a link"),
        pytest.param(b"11a4 0 5 ./p//\n", [Entry("p", Kind.OTHER, 0, 5)], id="a pipe"),
        pytest.param(
            b"81a4 1 5 ./z//\n81a4 1 5 ./a\n81a4 2 6 ./b//\n",
            [Entry("a\n81a4 2 6 ./b", Kind.FILE, 1, 5), Entry("z", Kind.FILE, 1, 5)],
            id="a newline in a name is no end",
        ),
        pytest.param(b"81a4 1 5 ./\xff//\n", [Entry("\udcff", Kind.FILE, 1, 5)], id="no UTF-8"),
        pytest.param(b"81a4 1 5 ./a//\n81a4 1 5 ./a//\n", [Entry("a", Kind.FILE, 1, 5)], id="twice"),
    ],
)
def test_records_are_read(answer: bytes, entries: list[Entry]) -> None:
    assert parse(answer) == entries


def test_what_is_no_record_is_told() -> None:
    with pytest.raises(TransferError, match="--image"):
        parse(b"stat: bad option//\n")


@pytest.mark.parametrize("path", [b"../../etc/cron.d/x", b"/etc/passwd", b"./a/../../b"])
def test_a_pod_names_no_file_elsewhere(path: bytes) -> None:
    with pytest.raises(InputError):
        parse(b"81a4 1 5 " + path + b"//\n")
