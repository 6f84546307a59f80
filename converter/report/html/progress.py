"""A history as a page: trends of the whole tree, of each directory and subsystem, and the newest uses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from converter.progress.record import LEFT, MEASURES, Counts, History, NewUse
from converter.report.html.document import document, shown

_SCRIPTS = ("element.js", "data.js", "plain_table.js", "trend.js", "progress.js")
_DEPTH = 2
"""Levels of directories that have a line of their own."""

Trend = list[list[int]]
"""For each step, one number for each of MEASURES."""


def render(history: History) -> bytes:
    """The page."""
    whole = _trend([files.values() for files in history.files])
    left = [sum(row[MEASURES.index(name)] for name in LEFT) for row in whole]
    return document(
        "progress.html",
        _SCRIPTS,
        {
            "measures": MEASURES,
            "steps": [[s.commit, _day(s.time), shown(s.label)] for s in history.steps],
            "whole": whole,
            "directories": _grouped(history, _directories),
            "subsystems": _grouped(history, lambda path: (history.subsystems[path],)),
            "newest": [_new(u) for u in history.newest],
        },
        history.warnings,
        history=history,
        first=_day(history.steps[0].time),
        last=_day(history.steps[-1].time),
        left=left,
        open_=sum(whole[-1][MEASURES.index(name)] for name in ("review", "logic")),
        converted=sum(whole[-1][MEASURES.index(name)] for name in ("converted pte", "converted pg")),
    )


def _day(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}"


def _directories(path: str) -> Iterator[str]:
    parts = path.split("/")[:-1]
    for depth in range(1, min(len(parts), _DEPTH) + 1):
        yield "/".join(parts[:depth]) + "/"


def _trend(steps: Iterable[Iterable[Counts]]) -> Trend:
    return [[sum(column) for column in zip([0] * len(MEASURES), *rows, strict=True)] for rows in steps]


def _grouped(history: History, groups: Any) -> dict[str, Trend]:
    """The trend of each group of files, by name."""
    found: dict[str, Trend] = defaultdict(lambda: [[0] * len(MEASURES) for _ in history.steps])
    for n, files in enumerate(history.files):
        for path, counts in files.items():
            for group in groups(path):
                row = found[group][n]
                for m, number in enumerate(counts):
                    row[m] += number
    return {shown(name): found[name] for name in sorted(found)}


def _new(use: NewUse) -> dict[str, Any]:
    origin = use.origin
    return {
        "place": f"{shown(use.path)}:{use.line}:{use.col}",
        "macro": use.macro,
        "function": shown(use.function),
        "status": use.status,
        "unit": use.unit or "",
        "role": use.role or "",
        "source": shown(use.source)[:240],
        "step": use.step,
        "commit": origin.commit if origin else "",
        "subject": shown(origin.subject) if origin else "",
        "day": _day(origin.time) if origin else "",
    }
