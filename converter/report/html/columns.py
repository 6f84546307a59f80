"""The sites of a report as columns of numbers into one table of strings: small, and quick for a browser to take in.

    strings  every text once; 0 is ""
    steps    path, line, why, source: columns of the steps of evidence, each step once
    chains   lists of steps; 0 is the empty one
    sites    a column for each of SITE_COLUMNS, in the report's order

`at` is where the use begins in its source line, in UTF-16 units as browsers count, -1 where it is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converter.classify.record import Evidence, Report, Site
from converter.report.html.document import shown

Lines = Mapping[tuple[str, int], bytes]
"""(path, line) of the tree -> that line; what cannot be read is not there."""

SITE_COLUMNS = (
    "path", "line", "col", "macro", "function", "status", "unit", "replacement", "role", "policy", "confidence", "rule",
    "missing", "source", "at", "why", "against", "derived",
)  # fmt: skip
_LONGEST = 240
"""Characters of a source line that are shown."""


class _Once:
    """Numbers things in the order of their coming, each once."""

    def __init__(self, first: Any) -> None:
        self._numbers: dict[Any, int] = {first: 0}

    def __call__(self, value: Any) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    def values(self) -> list[Any]:
        return list(self._numbers)


class Columns:
    """Packs one report."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._strings = _Once("")
        self._steps = _Once(None)
        self._chains = _Once(())

    def pack(self, report: Report) -> dict[str, Any]:
        rows = [self._site(s) for s in report.sites]
        conflicts = [self._step(e) for e in report.conflicts]
        chains = self._chains.values()
        steps = self._steps.values()[1:]
        return {
            "strings": self._strings.values(),
            "steps": {name: [0, *(s[n] for s in steps)] for n, name in enumerate(("path", "line", "why", "source"))},
            "chains": chains,
            "conflicts": conflicts,
            "sites": {name: [row[n] for row in rows] for n, name in enumerate(SITE_COLUMNS)},
        }

    def _site(self, s: Site) -> tuple[int, ...]:
        source, at = self._window(s.path, s.line, s.col, s.macro)
        text = self._text
        return (
            text(s.path), s.line, s.col, text(s.macro), text(s.function), text(s.status), text(s.unit),
            text(s.replacement), text(s.role), text(s.policy_key), round(s.confidence * 1000), text(s.rule),
            text(s.missing), source, at, self._chain(s.evidence), self._chain(s.against), int(s.derived),
        )  # fmt: skip

    def _chain(self, chain: tuple[Evidence, ...]) -> int:
        return self._chains(tuple(self._step(e) for e in chain))

    def _step(self, e: Evidence) -> int:
        raw = self._lines.get((e.path, e.line), b"").strip()
        source = raw.decode("utf-8", "replace")
        return self._steps((self._text(e.path), e.line, self._text(e.why), self._strings(shown(_cut(source)))))

    def _window(self, path: str, line: int, col: int, macro: str) -> tuple[int, int]:
        """Number of the source line as it is shown, and where the use stands in it."""
        raw = self._lines.get((path, line), b"")
        before = shown(raw[: col - 1].decode("utf-8", "replace")).lstrip()
        rest = shown(raw[col - 1 :].decode("utf-8", "replace")).rstrip()
        if not rest.startswith(macro):  # the file is not what was scanned any more: a line, without a promise
            return self._strings(_cut((before + rest).strip())), -1
        if len(before) + len(macro) > _LONGEST:
            before = "..." + before[-(_LONGEST // 2) :]
        after = _cut(rest[len(macro) :], max(_LONGEST - len(before), _LONGEST // 4))
        return self._strings(before + macro + after), len(before.encode("utf-16-le")) // 2

    def _text(self, text: str | None) -> int:
        return self._strings(shown(text)) if text else 0


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[:longest] + "..."
