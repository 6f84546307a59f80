"""Macros that a tree makes from the family (`#define BUF_SIZE (2 * PAGE_SIZE)`): where they are used, in which unit.

They are found, not listed: the facts of a file name the macros whose body holds a name of the family. A use takes the
unit that the body takes; the name stays as it is when the body is converted. Looking for a thousand more names costs a
second reading of the tree, so this is done where it is asked for.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from converter.classify.record import Evidence, Report, Site, summarise
from converter.classify.roles import inert_directory
from converter.csource.text import Lines, directives, mask
from converter.csource.words import Words
from converter.examine import Analysis, Progress
from converter.tree import Entry, Reader, Unreadable
from converter.tree.pool import Lost, chunked, run
from converter.vocabulary import vocabulary

_TO_COUNT = ("shift-right", "divide")
_TO_BYTES = ("shift-left", "multiply", "scale", "add", "subtract")


@dataclass(frozen=True, slots=True)
class Macro:
    """One definition. `unit` is that of its body: None where the body's uses are open or take both."""

    name: str
    path: str
    line: int
    kind: str  # of conversion, as in the vocabulary: size, shift, mask, count, ...
    unit: str | None
    status: str
    role: str | None
    why: str


@dataclass(frozen=True, slots=True)
class TreeMacros:
    """All definitions, and a record for each use."""

    macros: tuple[Macro, ...]
    sites: tuple[Site, ...]


def tree_macros(
    analysis: Analysis, report: Report, jobs: int | None = None, progress: Progress | None = None
) -> TreeMacros:
    """Definitions and uses of the macros that the tree makes from the family, in order of path, line, column."""
    macros = definitions(analysis, report)
    by_name: dict[str, list[Macro]] = defaultdict(list)
    for macro in macros:
        by_name[macro.name].append(macro)
    sites = []
    for path, line, col, name, inert in _occurrences(analysis, by_name, jobs, progress):
        seen = _visible(path, by_name[name])
        if seen:
            sites.append(_site(path, line, col, name, inert, seen))
    return TreeMacros(tuple(macros), tuple(sorted(sites, key=Site.order)))


def with_macros(report: Report, found: TreeMacros) -> Report:
    """The report with the uses of the tree's macros among its sites."""
    sites = tuple(sorted((*report.sites, *found.sites), key=Site.order))
    return replace(report, sites=sites, summary=summarise(sites))


def definitions(analysis: Analysis, report: Report) -> list[Macro]:
    """The macros of the tree, by path and line of their first use of the family."""
    bodies: dict[tuple[str, str], list[Site]] = defaultdict(list)
    made = {(path, name) for path, f in zip(analysis.paths, analysis.facts, strict=True) for name in f.macros}
    for s in report.sites:
        if s.function is not None and not s.derived and s.status != "inert" and (s.path, s.function) in made:
            bodies[s.path, s.function].append(s)
    return [_macro(name, path, body) for (path, name), body in bodies.items()]


def _macro(name: str, path: str, body: Sequence[Site]) -> Macro:
    first = body[0]
    units = {s.unit for s in body}
    open_ = [s for s in body if s.status != "decided"]
    unit = first.unit if len(units) == 1 and not open_ else None
    if unit is not None:
        status, why = "decided", f"{name} is made from {first.macro}, which takes {unit.upper()} here"
    elif any(s.status == "logic" for s in body):
        status, why = "logic", f"a rename is not enough where {name} is defined"
    else:
        status = "review"
        why = f"{name} takes both units" if not open_ else f"the unit of {open_[0].macro} in {name} is open"
    kind = first.kind
    if first.operation in _TO_COUNT:
        kind = "count"
    elif first.operation in _TO_BYTES and kind in ("shift", "size"):
        kind = "size"
    return Macro(name, path, first.line, kind, unit, status, first.role, why)


def _visible(path: str, macros: Sequence[Macro]) -> list[Macro]:
    """The definitions that a file can mean: its own, else those nearest by place, else those of all headers it may see.

    Without following #include: a private header serves its directory and what lies below, a header of an architecture
    that architecture and the code that all share.
    """
    own = [m for m in macros if m.path == path]
    if own:
        return own
    seen = [m for m in macros if m.path.endswith(".h") and _reaches(m.path, path)]
    private = [m for m in seen if not _public(m.path)]
    return private or seen


def _reaches(header: str, path: str) -> bool:
    folder = os.path.dirname(header)
    if header.startswith("arch/"):
        arch = header.split("/")[1]
        if path.startswith("arch/"):
            return path.split("/")[1] == arch and (_public(header) or path.startswith(folder + "/"))
        return _public(header)
    return _public(header) or path.startswith(folder + "/")


def _public(header: str) -> bool:
    return header.startswith("include/") or (header.startswith("arch/") and "/include/" in header)


def _site(path: str, line: int, col: int, name: str, inert: str, seen: Sequence[Macro]) -> Site:
    first = seen[0]
    if inert:
        return Site(
            path, line, col, name, None, "inert", None, None, None, False, 1.0, None,
            (Evidence(path, line, inert),), kind=first.kind, derived=True,
        )  # fmt: skip
    evidence = tuple(Evidence(m.path, m.line, m.why) for m in seen)
    agreed = len({(m.unit, m.status) for m in seen}) == 1
    status = first.status if agreed else "review"
    unit = first.unit if agreed else None
    return Site(
        path, line, col, name, None, status, unit, name if unit is not None else None, first.role if agreed else None,
        False, 1.0, "tree-macro", evidence, kind=first.kind, operation="value", expression=name,
        missing=None if status == "decided" else first.why if agreed else f"definitions of {name} take different units",
        derived=True,
    )  # fmt: skip


# where they are used

_Occurrence = tuple[str, int, int, str, str]
"""Path, line, column, name, and why it is inert ('': it is code)."""


class _Searcher:
    """Runs in a process of its own: reads files, finds names. The heads of definitions are no uses."""

    def __init__(self, reader: Reader, anywhere: Iterable[str], own: Mapping[str, frozenset[str]]) -> None:
        self._reader = reader
        self._anywhere = frozenset(name.encode() for name in anywhere)
        self._words = Words(self._anywhere)
        self._own = own

    def __call__(self, entries: Sequence[Entry]) -> tuple[int, list[_Occurrence]]:
        """Bytes read, and what was found."""
        found: list[_Occurrence] = []
        for entry, content in self._reader.read_many(entries):
            if isinstance(content, Unreadable):
                continue  # the scan has said so
            mine = {n.encode() for n in self._own.get(entry.path, ())} - self._anywhere
            marks = self._words.find(content) + Words(mine).find(content)
            if not marks:
                continue
            lines = Lines(content)
            inert = inert_directory(os.path.dirname(entry.path))
            masked = mask(content, not entry.path.endswith((".c", ".h")))
            heads = {d.body for d in directives(masked) if d.keyword in (b"define", b"undef")}
            for m in marks:
                line, col = lines.at(m.start)
                if m.start - _blanks(masked, m.start) in heads:
                    continue
                text = masked[m.start : m.end] != m.word
                why = inert or ("comment or string" if text else "")
                found.append((entry.path, line, col, m.word.decode(), why))
        return sum(entry.size for entry in entries), found


def _blanks(text: bytes, end: int) -> int:
    """How many blanks stand before a position."""
    at = end
    while at > 0 and text[at - 1] in b" \t":
        at -= 1
    return end - at


def _occurrences(
    analysis: Analysis, macros: Mapping[str, Sequence[Macro]], jobs: int | None, progress: Progress | None
) -> list[_Occurrence]:
    known = vocabulary().names
    anywhere = {n for n, found in macros.items() if n not in known and any(m.path.endswith(".h") for m in found)}
    own: dict[str, frozenset[str]] = {}
    for path, facts in zip(analysis.paths, analysis.facts, strict=True):
        if facts.macros:
            own[path] = frozenset(n for n in facts.macros if n in macros)
    if not macros:
        return []
    tree = analysis.tree
    make = partial(_Searcher, tree.reader, anywhere, own)
    total, done = sum(e.size for e in tree.entries), 0
    found: list[_Occurrence] = []
    with closing(run(make, chunked(tree.entries, lambda e: e.size), jobs or os.cpu_count() or 1)) as results:
        for result in results:
            if isinstance(result, Lost):
                continue
            size, some = result
            found.extend(some)
            done += size
            if progress is not None:
                progress(done, total)
    return found


def table(found: TreeMacros) -> list[tuple[str, ...]]:
    """Rows for a person: name, kind, unit, uses in code, and where it is defined."""
    uses = Counter(s.macro for s in found.sites if s.status != "inert")
    rows: list[tuple[str, ...]] = [("name", "kind", "unit", "uses", "defined in")]
    for m in sorted(found.macros, key=lambda m: (m.name, m.path)):
        rows.append((m.name, m.kind, m.unit or "open", str(uses[m.name]), f"{m.path}:{m.line}"))
    return rows
