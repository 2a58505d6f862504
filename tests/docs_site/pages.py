"""The generated pages of the documentation."""

from pathlib import Path

from tests.docs_site import api_page, cli_page, python_page

REFERENCE = Path("docs/reference")


def generated_pages() -> dict[Path, str]:
    """Path below the root of the repository, and what is to stand there."""
    return {
        REFERENCE / "trainingrun.md": api_page.page(),
        REFERENCE / "cli.md": cli_page.page(),
        REFERENCE / "python.md": python_page.page(),
    }
