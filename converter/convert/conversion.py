"""A conversion as a whole: the uses that change, the preparation they need, and what both make of each file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from converter.classify.record import OPEN, Site
from converter.convert.decisions import Decisions
from converter.convert.edits import Stale, by_line, changes, check
from converter.convert.lines import Change, Lines, between, changed, diff, split
from converter.convert.plan import by_path, chosen, edits
from converter.convert.prepare import Preparation
from converter.convert.sources import read_scanned
from converter.convert.steps import prepare_steps
from converter.convert.together import Together, together
from converter.errors import InputError
from converter.tree import Tree, check_paths, shown
from converter.vocabulary import scheme

_NAMED = 20


@dataclass(frozen=True)
class Options:
    """review: best guesses too; steps: derived names; prefixes: only these paths; prepare: introduce the names too."""

    review: bool = False
    steps: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    prepare: bool = True


@dataclass(frozen=True)
class Converted:
    """One file: its lines, and the changes to them."""

    path: str
    old: Lines
    changes: Sequence[Change]

    @property
    def new(self) -> bytes:
        return b"".join(changed(self.old, self.changes))

    def diff(self) -> bytes:
        return diff(self.path, self.old, self.changes)


class Conversion:
    """What a report's decisions make of the tree that was scanned."""

    def __init__(self, tree: Tree, decided: Decisions, options: Options) -> None:
        self.tree = tree
        self.report = report = decided.report
        self.options = options
        self.scheme = scheme(report.scheme)
        self._definers = decided.definers
        self._spoken = decided.spoken
        self._entries = {e.path: e for e in tree.entries}
        check_paths(tree, options.prefixes)

    @cached_property
    def _wanted(self) -> tuple[Site, ...]:
        options = self.options
        own = frozenset(self.scheme.origins()) if self._spoken else frozenset[str]()
        return tuple(chosen(self.report.sites, options.review, options.steps, options.prefixes, own))

    @cached_property
    def together(self) -> Together:
        """Which uses change with others, or stay with others."""
        wanted = {s.order() for s in self._wanted}
        left = (s for s in self.report.sites if s.status in OPEN and not s.derived and s.order() not in wanted)
        return together(by_path(s for s in self._wanted if not s.derived), by_path(left), self._lines_if_scanned)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The uses that change: without those in whose expression another one stays."""
        return tuple(s for s in self._wanted if s.order() not in self.together.held)

    @cached_property
    def preparation(self) -> Preparation:
        """The preparation patches, made."""
        made = Preparation(self.tree, self.scheme, self.report.sites, self._definers)
        if self.options.prepare:
            made.run()
            prepare_steps(made, self.options.steps, self.report.sites)
        return made

    def scanned(self, path: str) -> Lines:
        """The lines of a file as scanned. Raises Stale."""
        return split(read_scanned(self.tree, self._entries[path]))

    def _lines_if_scanned(self, path: str) -> Lines | None:
        """The lines of a file as scanned; None where it has changed, which is said when it would be converted."""
        try:
            return self.scanned(path)
        except Stale:
            return None

    def lines(self, path: str) -> Lines:
        """The lines of a file as they are before the uses change: as scanned, or as the preparation leaves them.

        Raises Stale.
        """
        lines = self.scanned(path)
        file = self.preparation.workspace.files.get(path)
        if file is None:
            return lines
        if file.original != lines:
            raise Stale("it has changed since the scan")
        return file.now

    def located(self, path: str, sites: Iterable[Site]) -> list[Site]:
        """The uses of a file with the places that they have after the preparation."""
        if path not in self.preparation.workspace.files:
            return list(sites)
        found = []
        for s in sites:
            moved = self.preparation.workspace.moved(path, edits([s]))
            found += [replace(s, line=e.line, col=e.col) for e in moved]
        return found

    def files(self) -> list[Converted]:
        """Every file that changes, from first to last. Raises InputError naming files that changed since the scan."""
        stale: list[str] = []
        made: list[Converted] = []
        uses = by_path(self.sites)
        for path in sorted(uses.keys() | self.preparation.workspace.files.keys()):
            try:
                made += self._file(path, uses.get(path, []))
            except Stale as error:
                stale.append(f"{shown(path)} ({error})")
        refuse(stale)
        return made

    def _file(self, path: str, sites: list[Site]) -> Iterator[Converted]:
        prepared = self.preparation.workspace.files.get(path)
        now = self.lines(path) if path in self._entries else prepared.now if prepared else []
        own = edits(self.located(path, sites))
        check(path, now, own)
        made = changes(now, by_line(own))
        if prepared is None:
            yield Converted(path, now, made)
            return
        whole = between(prepared.original, changed(now, made))
        if whole:
            yield Converted(path, prepared.original, whole)


def refuse(stale: list[str]) -> None:
    """Raises InputError where files are not what was scanned."""
    if stale:
        more = f" and {len(stale) - _NAMED} more" if len(stale) > _NAMED else ""
        raise InputError(f"changed since the scan: {', '.join(stale[:_NAMED])}{more}; nothing was written, scan again")
