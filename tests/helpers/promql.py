"""What a PromQL expression reads: a small reader for expressions of ours.

It knows words, strings and brackets, and no precedence: enough to hold names and labels against what is
exported. Whether an expression is right is for a real Prometheus to say.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<text>"[^"]*"|'[^']*')|(?P<word>[A-Za-z_:][\w:]*)|(?P<range>\[[^]]*\])"""
    r"""|(?P<other>\$\w+|[\d.]\w*|[(){}=!~<>+\-*/%^,])|\s+""",
    re.VERBOSE,
)
LABEL_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
OPERATORS = {"and", "or", "unless", "bool", "offset"}


@dataclass(frozen=True)
class Selector:
    """One place where series are read."""

    name: str
    matched: dict[str, str]
    """The value that a label is matched against, with the variables of the dashboard."""
    range: str
    """Such as [5m]; empty for an instant."""
    functions: tuple[str, ...]
    """Those around it, the innermost last; empty for a plain bracket."""


@dataclass(frozen=True)
class Reading:
    """All that an expression names."""

    selectors: tuple[Selector, ...]
    labels: frozenset[str]
    """Of joins and sums."""
    made: frozenset[str]
    """Labels that label_replace writes."""


def read(expr: str) -> Reading:
    """Raises ValueError for what the reader does not know."""
    tokens = list(_tokens(expr))
    selectors: list[Selector] = []
    labels: set[str] = set()
    made: set[str] = set()
    functions: list[str] = []
    place = 0
    while place < len(tokens):
        kind, text = tokens[place]
        following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        if kind == "word" and text in LABEL_LISTS:
            end = _closing(tokens, place + 1)
            labels |= {word for kind, word in tokens[place + 1 : end] if kind == "word"}
            place = end
        elif kind == "word" and following == "(":
            functions.append(text)
            if text == "label_replace":
                strings = _own_strings(tokens, place + 1)
                made.add(strings[0])
                labels.add(strings[2])
            place += 1
        elif kind == "word" and following not in LABEL_LISTS and text not in OPERATORS:
            end = place
            matched = {}
            if following == "{":
                end = next(index for index in range(place, len(tokens)) if tokens[index][1] == "}")
                inside = "".join(text for _, text in tokens[place + 2 : end])
                matched = dict(re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', inside))
            ranged = end + 1 < len(tokens) and tokens[end + 1][0] == "range"
            selectors.append(Selector(text, matched, tokens[end + 1][1] if ranged else "", tuple(functions)))
            place = end + ranged
        elif text == "(":
            functions.append("")
        elif text == ")":
            functions.pop()
        place += 1
    return Reading(tuple(selectors), frozenset(labels), frozenset(made))


def _tokens(expr: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(expr):
        found = TOKEN.match(expr, place)
        if found is None:
            raise ValueError(f"not known here: {expr[place : place + 20]}")
        if found.lastgroup:
            yield found.lastgroup, found[0]
        place = found.end()


def _closing(tokens: list[tuple[str, str]], opening: int) -> int:
    """The place of the bracket that closes the one at `opening`."""
    depth = 0
    for place in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[place][1], 0)
        if depth == 0:
            return place
    raise ValueError("a bracket stays open")


def _own_strings(tokens: list[tuple[str, str]], opening: int) -> list[str]:
    """The texts that stand right in a bracket, and not in one inside."""
    depth, found = 0, []
    for kind, text in tokens[opening : _closing(tokens, opening)]:
        depth += {"(": 1, ")": -1}.get(text, 0)
        if kind == "text" and depth == 1:
            found.append(text[1:-1])
    return found
