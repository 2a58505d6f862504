"""What pages are made of keeps to their Content-Security-Policy; files of others are what they say."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from trainingrun_console.page.serving import STATIC, templates

TEMPLATES = sorted((STATIC.parent / "templates").glob("*.html"))
OWN = sorted(path for path in STATIC.iterdir() if path.is_file())
VENDOR = STATIC / "vendor"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_no_script_no_style_and_no_other_host(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle\s*=|<style|\son[a-z]+\s*=|javascript:|https?://|\|\s*safe", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    templates.get_template(path.name)  # it compiles


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_a_script_names_no_other_host_and_writes_no_html_but_the_services_own(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|\beval\(|outerHTML|insertAdjacentHTML|document\.write", text)
    assert text.count("innerHTML") == (1 if path.name == "lib.js" else 0)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_a_file_of_our_own_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 300


def test_the_libraries_of_others_are_what_the_readme_says() -> None:
    readme = (VENDOR / "README.md").read_text()
    told = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", readme, re.MULTILINE)}
    found = {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.name != "README.md"
    }
    assert told == found
    assert "MIT" in (VENDOR / "LICENSE").read_text()
    version = re.search(r"uPlot \| ([0-9.]+) ", readme)
    assert version is not None
    assert f"(v{version[1]})" in (VENDOR / "uPlot.iife.min.js").read_text()
