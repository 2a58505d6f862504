"""Called by mkdocs: links out of docs/, which work in the repository, are text on the site."""

import posixpath
import re
from typing import Any

LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\s:#]+)[^)\s]*\)")
"""A link to a file; those with a scheme have a colon."""


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page without links that leave docs/."""
    folder = posixpath.dirname(page.file.src_uri)

    def mended(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        return f"`{link[1].strip('`')}`" if target.startswith("../") else link[0]

    return LINK.sub(mended, markdown)
