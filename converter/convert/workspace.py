"""Files as the patches of a series leave them, and where a line of the original stands meanwhile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from converter.convert.edits import Edit
from converter.convert.lines import Change, Lines, changed, split
from converter.convert.sources import read_any
from converter.tree import Tree


@dataclass(frozen=True, slots=True)
class File:
    """A file that patches have changed: its lines before any and now, and for each of the first its place now."""

    original: Lines
    now: Lines
    places: tuple[int | None, ...]


class Workspace:
    """The files that preparation patches touch; a few dozen."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.files: dict[str, File] = {}

    def lines(self, path: str) -> Lines | None:
        """The file as it is now; None where there is none."""
        if path in self.files:
            return self.files[path].now
        data = read_any(self._tree, path)
        return None if data is None else split(data)

    def apply(self, path: str, changes: Sequence[Change]) -> None:
        """Lines that change one for one keep their place; where more or fewer come, the old ones have none."""
        lines = self.lines(path)
        assert lines is not None
        old = self.files.get(path) or File(lines, lines, tuple(range(len(lines))))
        moved: list[int | None] = list(range(len(lines)))
        shift = at = 0
        for c in changes:
            for i in range(at, c.lo):
                moved[i] = i + shift
            alike = len(c.new) == c.hi - c.lo == 1
            for i in range(c.lo, c.hi):
                moved[i] = i + shift if alike else _same(lines[i], c, shift)
            shift += len(c.new) - (c.hi - c.lo)
            at = c.hi
        for i in range(at, len(lines)):
            moved[i] = i + shift
        places = tuple(None if p is None else moved[p] for p in old.places)
        self.files[path] = File(old.original, changed(lines, changes), places)

    def moved(self, path: str, edits: Sequence[Edit]) -> list[Edit]:
        """Edits of the original where they belong now; those whose line or name is gone are left out."""
        file = self.files[path]
        found = []
        for e in edits:
            place = file.places[e.line - 1]
            if place is None:
                continue
            word = re.compile(rb"(?<![A-Za-z0-9_])" + re.escape(e.old) + rb"(?![A-Za-z0-9_])")
            before = [m.start() for m in word.finditer(file.original[e.line - 1])]
            after = [m.start() for m in word.finditer(file.now[place])]
            if len(before) == len(after):
                found.append(Edit(place + 1, after[before.index(e.col - 1)] + 1, e.old, e.new))
        return found


def _same(line: bytes, change: Change, shift: int) -> int | None:
    """The place of a line that a change keeps among others."""
    return change.lo + shift + change.new.index(line) if change.new.count(line) == 1 else None
