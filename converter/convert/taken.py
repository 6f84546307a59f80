"""Names of the scheme that a tree already uses for something else, and what they are to be called instead.

Before the scheme is introduced every occurrence of one of its names is such a use: on x86, PTE_SHIFT is
ilog2(PTRS_PER_PTE), and giving it another meaning would compile and make page_level_shift() wrong.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from converter.classify.roles import inert_directory
from converter.convert.edits import Edit
from converter.csource.text import Lines, mask
from converter.tree import Tree

_STRING = re.compile(rb'"(?:\\.|[^"\\\n])*"')


@dataclass(frozen=True, slots=True)
class Taken:
    """In `scope` (an architecture or a driver), `name` means something else; `new` is free there, and everywhere."""

    scope: str  # path prefix of the files that see it
    name: str
    new: str
    edits: tuple[tuple[str, tuple[Edit, ...]], ...]  # by path


def find(tree: Tree, names: frozenset[str], definers: Mapping[str, Sequence[str]]) -> list[Taken]:
    """Every taken name of the tree's kernel code, by scope. `definers` are the files that define some of `names`."""
    defining: dict[tuple[str, str], str] = {}
    for path, own in sorted(definers.items()):
        if not inert_directory(os.path.dirname(path)):
            for name in own:
                defining.setdefault((_scope(path), name), path)
    scopes = tuple({scope for scope, _ in defining})
    uses: dict[tuple[str, str], dict[str, list[Edit]]] = defaultdict(dict)
    search = _Search(names)
    for entry, data in tree.reader.read_many(e for e in tree.entries if e.path.startswith(scopes)):
        if isinstance(data, bytes):
            for line, col, name in search(data):
                for scope in (s for s in scopes if entry.path.startswith(s) and (s, name) in defining):
                    uses[scope, name].setdefault(entry.path, []).append(Edit(line, col, name.encode(), b""))
    found = []
    for (scope, name), definer in sorted(defining.items()):
        new = _prefix(scope, definer) + name
        made = tuple(
            (path, tuple(Edit(e.line, e.col, e.old, new.encode()) for e in edits))
            for path, edits in sorted(uses[scope, name].items())
        )
        found.append(Taken(scope, name, new, made))
    return found


def _scope(path: str) -> str:
    """The files that can see what a file defines: its architecture, or its directory; a .c file is seen by none."""
    parts = path.split("/")
    if parts[0] == "arch" and len(parts) > 2:
        return "/".join(parts[:2]) + "/"
    if path.endswith(".c"):
        return path
    return os.path.dirname(path) + "/"


def _prefix(scope: str, definer: str) -> str:
    """X86_ of arch/x86/, MOXART_ of drivers/net/ethernet/moxa/moxart_ether.h."""
    place = scope.rstrip("/")
    word = os.path.basename(place) if place.startswith("arch/") else re.split(r"[_.-]", os.path.basename(definer))[0]
    return re.sub(r"\W", "", word).upper() + "_"


class _Search:
    """Finds the names in the code and the comments of a file."""

    def __init__(self, names: frozenset[str]) -> None:
        words = [n.encode() for n in sorted(names)]
        # A plain search is many times faster than a pattern: only files that hold one of these are looked at.
        self._parts = [w for w in words if not any(o != w and o in w for o in words)]
        self._pattern = re.compile(rb"(?<![A-Za-z0-9_])(?:" + b"|".join(words) + rb")(?![A-Za-z0-9_])")

    def __call__(self, data: bytes) -> list[tuple[int, int, str]]:
        """(line, column, name), both from 1, of each occurrence that is not in a string."""
        if not any(p in data for p in self._parts):
            return []
        masked = mask(data)
        lines = Lines(data)
        strings = [m.span() for m in _STRING.finditer(data)]
        hits = []
        for m in self._pattern.finditer(data):
            in_code = masked[m.start() : m.end()] == m.group()
            if in_code or not any(a <= m.start() < b for a, b in strings):
                hits.append((*lines.at(m.start()), m.group().decode()))
        return hits
