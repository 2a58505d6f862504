"""Shows the page to whoever started the service.

The key does not stand in the command line of the browser, which every process of the machine can read: the
browser is given a file that sends it on, for its owner alone.
"""

import os
import sys
import threading
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

PAGE = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={url}">\n'
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


@contextmanager
def opened(url: str) -> Iterator[None]:
    """Opens a browser beside, and forgets the address in the end."""
    with TemporaryDirectory(prefix="trainingrun-") as folder:
        page = Path(folder) / "open.html"
        page.write_text(PAGE.format(url=escape(url)), encoding="utf-8")
        threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()
        yield


def has_screen(environ: Mapping[str, str]) -> bool:
    """Whether a window can open; a browser for terminals would take over this one."""
    return sys.platform in ("darwin", "win32") or any(environ.get(name) for name in SCREENS)


def wanted(no_browser: bool | None) -> bool:
    """Whether to open one."""
    return not no_browser and has_screen(os.environ)
