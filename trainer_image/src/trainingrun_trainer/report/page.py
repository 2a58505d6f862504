"""report.html: one file with all in it, which asks no server for anything. Pure."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from trainingrun_trainer.report.summary import Summary

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1f2328; --faint: #656d76; --line: #d0d7de;
  --card: #f6f8fa; --good: #1a7f37; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --ink: #e6edf3; --faint: #8d96a0;
  --line: #30363d; --card: #161b22; --good: #3fb950; --bad: #f85149; } }
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 1100px; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { border-bottom: 1px solid var(--line); font-size: 1.2rem;
  margin-top: 2.5rem; padding-bottom: .3rem; }
p.lead { color: var(--faint); margin: .3rem 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem 1rem .3rem 0; text-align: left;
  vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; text-align: right; }
td { overflow-wrap: anywhere; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); }
figure { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: 0;
  overflow: hidden; } figure img { display: block; height: auto; margin: auto; max-width: 100%; }
figcaption { color: var(--faint); font-size: .85rem; padding: .4rem .7rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto;
  padding: 1rem; }
summary { cursor: pointer; }
"""


@dataclass(frozen=True)
class Figure:
    """An image of the report, and the same for a dark page where it has one of its own."""

    caption: str
    light: bytes
    """PNG."""
    dark: bytes | None = None
    right: bool | None = None
    """Whether what is shown is right, where that is a yes or no."""


def html(summary: Summary, plots: Sequence[Figure], samples: Sequence[Figure]) -> str:
    """The page."""
    results = summary.results
    sections = [
        ("Results", table(summary.results_rows)),
        ("Scores of the best epoch", scores(summary.scores)),
        ("Warnings", "".join(f'<p class="bad">{escape(text)}</p>' for text in summary.warnings)),
        ("Training and validation", figures(plots)),
        ("Sample predictions", figures(samples)),
        ("Classes", f"<p>{escape(', '.join(summary.classes))}</p>"),
        ("Provenance", table(summary.provenance_rows)),
        ("Config", folded("all fields, defaults included", summary.config)),
        ("All scores of the best epoch", folded(f"{len(results['scores'])} scores", results["scores"])),
    ]
    body = "".join(f"<h2>{escape(title)}</h2>{content}" for title, content in sections if content)
    title = escape(summary.run_id)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f'<body><h1>{title}</h1><p class="lead">{escape(summary.lead)}</p>{body}</body></html>\n'
    )


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Names and what they are."""
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f'<div class="scroll"><table>{cells}</table></div>' if cells else ""


def scores(by_name: Mapping[str, Mapping[str, str]]) -> str:
    """One row a metric, one column a split."""
    splits = [split for split in ("val", "test") if any(split in row for row in by_name.values())]
    head = "".join(f"<th>{split}</th>" for split in splits)
    rows = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(f'<td class="number">{escape(row.get(split, ""))}</td>' for split in splits)
        + "</tr>"
        for name, row in by_name.items()
    )
    return f'<div class="scroll"><table><tr><th></th>{head}</tr>{rows}</table></div>'


def figures(shown: Sequence[Figure]) -> str:
    """Images in a grid."""
    content = "".join(_figure(figure) for figure in shown)
    return f'<div class="grid">{content}</div>' if content else ""


def _figure(figure: Figure) -> str:
    dark = (
        f'<source media="(prefers-color-scheme: dark)" srcset="{_uri(figure.dark)}">' if figure.dark else ""
    )
    caption = escape(figure.caption)
    verdict = "" if figure.right is None else f' class="{"good" if figure.right else "bad"}"'
    return (
        f'<figure><picture>{dark}<img alt="{caption}" src="{_uri(figure.light)}"></picture>'
        f"<figcaption{verdict}>{caption}</figcaption></figure>"
    )


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def folded(title: str, content: Any) -> str:
    """JSON that opens on a click."""
    text = escape(json.dumps(content, indent=2))
    return f"<details><summary>{escape(title)}</summary><pre>{text}</pre></details>"
