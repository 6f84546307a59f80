"""Level `units`: the converted tree type-checks. The unit checker reads the uses as converted, and contradicts none.

A converted name is a claim (converter.check): each use is decided again from the quantities around it, now that they
stand among converted names, and a count that meets the wrong count after the conversion alone is an error too.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from converter.analyse import analyse
from converter.check.check import MISMATCH, check
from converter.classify.record import Report, Site
from converter.classify.roles import inert_directory
from converter.convert.sources import read_any
from converter.csource.context import ASSEMBLER
from converter.csource.text import Lines
from converter.examine import Analysis
from converter.lift.rewritten import Rewritten
from converter.tree import Entry, Reader, Unreadable
from converter.tree.pool import Lost, chunked
from converter.tree.pool import run as spread
from converter.units.facts import Facts, Use, decode, encode
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item, Result, below
from converter.vocabulary import Scheme, scheme, vocabulary

Key = tuple[str, int, int]


def run(
    analysis: Analysis,
    report: Report,
    chosen: Scheme,
    paths: Sequence[str] = (),
    jobs: int | None = None,
    series: Mapping[str, Rewritten] | None = None,
) -> Result:
    """An item for each decided use of the family below `paths` (all where there are none).

    `series`: the files as a series leaves them, by path: these are checked, not the uses converted in memory.
    """
    uses = [s for s in report.sites if s.status == "decided" and not s.derived and s.replacement is not None]
    changed = converted(analysis, chosen, uses, jobs=jobs, series=series)
    found = check(changed, chosen).sites
    wrong = {s.order(): s for s in found if s.rule == MISMATCH}
    known = {(e.path, e.line) for e in report.conflicts}
    met = {(s.path, s.line): s for s in found if s.rule != MISMATCH and (s.path, s.line) not in known}
    told = zip(changed.paths, changed.facts, strict=True)
    read = {(path, u.line, u.col) for path, facts in told for u in facts.written if _in_c(u)}
    moved = _moved(uses) if series is None else _placed(analysis, uses, series)
    items = []
    for s in uses:
        if not below(s.path, paths):
            continue
        what = f"{s.macro} -> {s.replacement}"
        now = moved[s.order()]
        finding = wrong.get(now) or met.get((s.path, s.line))
        if finding is not None:
            why = f"{finding.rule}: {finding.missing}"
            detail = "\n".join(e.why for e in (*finding.evidence, *finding.against))
            items.append(Item(s.path, s.line, FAILED, what, why, detail))
        elif now not in read:
            items.append(Item(s.path, s.line, NOT_COVERED, what, "not in C: the checker gives it no unit"))
        else:
            items.append(Item(s.path, s.line, PASSED, what))
    checked = sum(i.outcome != NOT_COVERED for i in items)
    return Result("units", tuple(items), (("decided uses", len(items)), ("checked", checked)))


def _in_c(use: Use) -> bool:
    """Has it quantities around it? In assembler a role rule alone speaks, of the same line as before."""
    return use.context is None or use.context.sink != ASSEMBLER


def _moved(uses: Iterable[Site]) -> dict[Key, Key]:
    """Where each use stands once all are converted: names before it on its line may have grown."""
    grown: defaultdict[tuple[str, int], int] = defaultdict(int)
    found = {}
    for s in sorted(uses, key=Site.order):
        by = grown[s.path, s.line]
        found[s.order()] = (s.path, s.line, s.col + by)
        grown[s.path, s.line] = by + len(s.replacement or s.macro) - len(s.macro)
    return found


def _placed(analysis: Analysis, uses: Iterable[Site], series: Mapping[str, Rewritten]) -> dict[Key, Key]:
    """Where each use stands in the files of a series."""
    by_file: dict[str, list[Site]] = defaultdict(list)
    for s in uses:
        by_file[s.path].append(s)
    found = {}
    for path, own in by_file.items():
        file = series[path]
        before, after = Lines(read_any(analysis.tree, path) or b""), Lines(file.content)
        for s in own:
            found[s.order()] = (path, *after.at(file.places.forward(before.span(s.line) + s.col - 1)))
    return found


def converted(
    analysis: Analysis,
    chosen: Scheme,
    uses: Iterable[Site],
    flips: Collection[Site] = (),
    jobs: int | None = None,
    series: Mapping[str, Rewritten] | None = None,
) -> Analysis:
    """The analysis of the tree with `uses` converted, those in `flips` to the other unit; with the files of a series in
    its place where there is one. Nothing is written."""
    turned = frozenset(s.order() for s in flips)
    by_file: dict[str, list[Site]] = defaultdict(list)
    for s in uses:
        by_file[s.path].append(s)
    entries = {e.path: e for e in analysis.tree.entries}
    if series is None:
        work = [_File(entries[path], tuple(own)) for path, own in sorted(by_file.items())]
    else:
        work = [_File(entries[path], (), file.content) for path, file in sorted(series.items()) if path in entries]
    make = partial(_Editor, analysis.tree.reader, chosen.scheme, turned)
    made: dict[str, Facts] = {}
    with closing(spread(make, chunked(work, lambda f: f.entry.size), jobs or os.cpu_count() or 1)) as results:
        for result in results:
            for path, raw in result if not isinstance(result, Lost) else ():
                made[path] = decode(raw) if raw else Facts()
    facts = [made.get(path, old) for path, old in zip(analysis.paths, analysis.facts, strict=True)]
    return replace(analysis, facts=facts)


@dataclass(frozen=True, slots=True)
class _File:
    entry: Entry
    uses: tuple[Site, ...]
    written: bytes | None = None


class _Editor:
    """Runs in a process of its own: converts files in memory, extracts their facts."""

    def __init__(self, reader: Reader, scheme_name: str, turned: frozenset[Key]) -> None:
        self.reader = reader
        self.scheme = scheme(scheme_name)
        self.turned = turned

    def __call__(self, work: Sequence[_File]) -> list[tuple[str, bytes]]:
        return list(self._edited(work))

    def _edited(self, work: Sequence[_File]) -> Iterator[tuple[str, bytes]]:
        files = {f.entry.path: f for f in work}
        for entry, content in self.reader.read_many([f.entry for f in work]):
            if isinstance(content, Unreadable):
                continue
            file = files[entry.path]
            changed = file.written
            if changed is None:
                changed = edited(content, file.uses, self.turned, self.scheme)
            facts = analyse(entry.path, changed, self.scheme.scheme, inert_directory(os.path.dirname(entry.path)))
            yield entry.path, encode(facts) if facts is not None else b""


def edited(content: bytes, sites: Iterable[Site], turned: Collection[Key], chosen: Scheme) -> bytes:
    """Names that mean something else in this tree step aside, then each use takes its new name."""
    taken = [n for units in chosen.names.values() for n in units.values() if n not in vocabulary().names]
    lines = content.split(b"\n")
    for s in sorted(sites, key=lambda s: (s.line, -s.col)):
        unit = s.unit if s.order() not in turned else {"pte": "pg", "pg": "pte"}[s.unit or ""]
        new = chosen.names[s.macro][unit or ""].encode()
        line = lines[s.line - 1]
        at = s.col - 1
        assert line[at : at + len(s.macro)] == s.macro.encode(), s
        lines[s.line - 1] = line[:at] + b"\0" + new + b"\0" + line[at + len(s.macro) :]
    text = b"\n".join(lines)
    text = re.sub(rb"\b(?<!\0)(" + "|".join(taken).encode() + rb")\b(?!\0)", rb"ARCH_\1", text)
    return text.replace(b"\0", b"")
