"""The documentation holds together: the site builds without a warning and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cluster.api import TREE
from tests.docs_site import blocks, hooks, transcripts
from trainingrun_api.reasons import Phase
from trainingrun_operator.policies.advice import BY_REASON

PAGES = blocks.pages()
FAILURES = (blocks.DOCS / "guide" / "failures.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does, where a link or an anchor that leads nowhere is an error."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        build,
        cwd=TREE,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Loaded(HTMLParser):
    """What a browser fetches by itself when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source") and given.get("src"):
            self.addresses.append(str(given["src"]))
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon", "preconnect"):
            self.addresses.append(str(given["href"]))


def test_the_site_builds_and_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES) - 2
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert not [address for address in loaded.addresses if "//" in address], page
        assert 'class="mermaid"' not in page.read_text(encoding="utf-8"), "its script comes from elsewhere"


def test_the_search_knows_the_pages(site: Path) -> None:
    assert "kubectl trainingrun" in (site / "search" / "search_index.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TREE)))
def test_every_block_that_is_left_out_says_why(page: Path) -> None:
    assert not blocks.unexplained(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TREE)))
def test_links_lead_somewhere_where_the_files_are_read_in_the_repository(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("reason", BY_REASON)
def test_every_reason_of_a_failure_is_in_the_list_of_failures(reason: str) -> None:
    assert f"`{reason}`" in FAILURES


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase != Phase.COMPLETED])
def test_every_phase_that_is_not_the_end_is_in_the_list_of_failures(phase: str) -> None:
    assert phase in FAILURES


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[a](b.md#c)", "[a](b.md#c)"),
        ("[a](../b.md)", "[a](../b.md)"),
        ("[a](../../charts/values.yaml)", "`a`"),
        ("[`a`](../../charts)", "`a`"),
        ("[a](https://example.com/x)", "[a](https://example.com/x)"),
        ("![a](b.svg)", "![a](b.svg)"),
    ],
)
def test_links_out_of_the_site_are_text(written: str, shown: str) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="guide/page.md"))
    assert hooks.on_page_markdown(written, page=page) == shown


def test_the_shape_of_a_transcript_is_what_does_not_change_with_time() -> None:
    first = (
        "NAME PHASE\ndigits                       0s\ndigits  Pending    0/2    1s   the pods\n"
        "digits  Running  0/5   1/2    1m2s\ndigits  Running  1/5   1/2    12s\n[1/1] train: 9.1 s\n"
        "  results: /checkpoints/digits-cd90caf1\n"
    )
    second = (
        "NAME PHASE\ndigits    Running  4/5   2/2   2s\n[1/1] train: 12.0 s\n"
        "results:  /checkpoints/digits-00aa11bb\n"
    )
    assert transcripts.shape(first) == transcripts.shape(second)
    assert transcripts.shape(first) != transcripts.shape(second.replace("results", "report"))
    assert transcripts.shape(first) != transcripts.shape(second.replace("Running", "Failed"))


def test_a_document_that_tells_something_else_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPDATE_GOLDEN", raising=False)
    page = tmp_path / "demo.md"
    page.write_text("before\n<!-- transcript: make -->\n```text\nold\n```\nafter\n")
    with pytest.raises(AssertionError, match="UPDATE_GOLDEN=1"):
        transcripts.assert_current(page, "make", "new")
    monkeypatch.setenv("UPDATE_GOLDEN", "1")
    transcripts.assert_current(page, "make", f"{TREE}/new\n")
    assert page.read_text() == (
        "before\n<!-- transcript: make -->\n```text\n/home/me/trainingrun/new\n```\nafter\n"
    )
    monkeypatch.delenv("UPDATE_GOLDEN")
    transcripts.assert_current(page, "make", f"{TREE}/new\n")


def test_blocks_are_found_as_readers_see_them() -> None:
    page = (
        "<!-- not run: it needs a registry -->\n```sh\npush\n```\n```sh\nkubectl apply -f - <<'EOF'\n"
        "kind: TrainingRun\nEOF\n```\n```yaml\nspec: {suspend: true}\n```\n"
    )
    assert blocks.script(page, {"apply": "create"}).startswith("kubectl create")
    assert [run["kind"] for run in blocks.runs(page)] == ["TrainingRun"]
    assert list(blocks.parts(page)) == [{"suspend": True}]
    assert not blocks.unexplained(page)
    assert blocks.unexplained("<!-- not run: why -->\ntext\n```sh\nls\n```\n") == 1
    with pytest.raises(AssertionError, match="no longer says delete"):
        blocks.script(page, {"delete": "create"})
