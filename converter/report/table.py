"""The sites counted by directory and status: the table that the text report lays out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os.path import commonpath
from posixpath import dirname

from converter.classify.record import STATUSES, Site

COLUMNS = ("uses", "decided", "pte", "pg", "review", "logic", "defin.", "inert")
"""pte and pg are parts of decided; uses is the sum of the statuses."""


@dataclass(frozen=True)
class Row:
    label: str  # a directory with its slash, or a file
    counts: tuple[int, ...]  # one for each of COLUMNS


def rows(sites: Iterable[Site]) -> tuple[list[Row], Row]:
    """One row for each directory below the one that holds all sites (or for each file of it), and the totals."""
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    for site in sites:
        counter = tally[site.path]
        counter[site.status] += 1
        if site.status == "decided" and site.unit:
            counter[site.unit] += 1
    top = _common(list(tally))
    flat = all(dirname(path) == top for path in tally)
    grouped: dict[str, Counter[str]] = defaultdict(Counter)
    total: Counter[str] = Counter()
    for path, counter in tally.items():
        grouped[path if flat else _label(path, top)].update(counter)
        total.update(counter)
    return [Row(label, _counts(grouped[label])) for label in sorted(grouped)], Row("total", _counts(total))


def _common(paths: Sequence[str]) -> str:
    return commonpath([dirname(path) for path in paths]) if paths else ""


def _label(path: str, top: str) -> str:
    """The directory just below `top` that holds the path, or `top` itself for a file that lies in it."""
    start = len(top) + 1 if top else 0
    end = path.find("/", start)
    return path[: end + 1] if end >= 0 else path[:start] or "./"


def _counts(counter: Counter[str]) -> tuple[int, ...]:
    uses = sum(counter[status] for status in STATUSES)
    return (uses, counter["decided"], counter["pte"], counter["pg"], *(counter[status] for status in STATUSES[1:]))
