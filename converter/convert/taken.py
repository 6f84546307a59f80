"""Names of the scheme that a tree already uses for something else, and what they are to be called instead.

Before the scheme is introduced every occurrence of one of its names is such a use: on x86, PTE_SHIFT is
ilog2(PTRS_PER_PTE), and giving it another meaning would compile and make page_level_shift() wrong.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from converter.classify.roles import inert_directory
from converter.convert.edits import Edit
from converter.csource.text import Lines, mask
from converter.tree import Entry, Reader, Tree
from converter.tree.pool import Lost, run
from converter.vocabulary import Scheme, vocabulary

_CHUNK = 64 << 20
_STRING = re.compile(rb'"(?:\\.|[^"\\\n])*"')


@dataclass(frozen=True, slots=True)
class Taken:
    """In `scope` (an architecture or a driver), `name` means something else; `new` is free there, and everywhere."""

    scope: str  # path prefix of the files that see it
    name: str
    new: str
    edits: tuple[tuple[str, tuple[Edit, ...]], ...]  # by path


def own_names(chosen: Scheme) -> frozenset[str]:
    """The names that the scheme brings into the tree."""
    return frozenset(n for row in chosen.names.values() for n in row.values()) - frozenset(vocabulary().names)


def find(tree: Tree, names: frozenset[str], jobs: int | None = None) -> list[Taken]:
    """Every taken name of the tree's kernel code, by scope."""
    entries = [e for e in tree.entries if not inert_directory(os.path.dirname(e.path))]
    uses: dict[tuple[str, str], dict[str, list[Edit]]] = defaultdict(dict)
    definers: dict[tuple[str, str], str] = {}
    for path, hits in _occurrences(tree, entries, names, jobs):
        scope = _scope(path)
        for line, col, name, defines in hits:
            key = (scope, name)
            uses[key].setdefault(path, []).append(Edit(line, col, name.encode(), b""))
            if defines:
                definers.setdefault(key, path)
    found = []
    for (scope, name), files in sorted(uses.items()):
        if (scope, name) not in definers:
            continue
        new = _prefix(scope, definers[scope, name]) + name
        made = tuple(
            (path, tuple(Edit(e.line, e.col, e.old, new.encode()) for e in edits))
            for path, edits in sorted(files.items())
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


Hit = tuple[int, int, str, bool]


def _occurrences(
    tree: Tree, entries: list[Entry], names: frozenset[str], jobs: int | None
) -> Iterable[tuple[str, list[Hit]]]:
    chunks: list[list[Entry]] = [[]]
    size = 0
    for e in entries:
        chunks[-1].append(e)
        size += e.size
        if size > _CHUNK:
            chunks.append([])
            size = 0
    for result in run(partial(_Search, tree.reader, tuple(sorted(names))), chunks, jobs or os.cpu_count() or 1):
        if not isinstance(result, Lost):
            yield from result


class _Search:
    """Worker: the occurrences in code and comments of each file."""

    def __init__(self, reader: Reader, names: tuple[str, ...]) -> None:
        self._reader = reader
        words = [n.encode() for n in names]
        # A plain search is many times faster than a pattern: only files that hold one of these are looked at.
        self._parts = [w for w in words if not any(o != w and o in w for o in words)]
        alternatives = b"|".join(words)
        self._pattern = re.compile(rb"(?<![A-Za-z0-9_])(?:" + alternatives + rb")(?![A-Za-z0-9_])")

    def __call__(self, chunk: Sequence[Entry]) -> list[tuple[str, list[Hit]]]:
        found = []
        for entry, data in self._reader.read_many(chunk):
            if isinstance(data, bytes) and any(p in data for p in self._parts):
                hits = self._hits(data)
                if hits:
                    found.append((entry.path, hits))
        return found

    def _hits(self, data: bytes) -> list[Hit]:
        masked = mask(data)
        lines = Lines(data)
        strings = [m.span() for m in _STRING.finditer(data)]
        hits: list[Hit] = []
        for m in self._pattern.finditer(data):
            in_code = masked[m.start() : m.end()] == m.group()
            if not in_code and any(a <= m.start() < b for a, b in strings):
                continue
            line, col = lines.at(m.start())
            before = data[lines.span(line) : m.start()]
            defines = in_code and re.fullmatch(rb"[ \t]*#[ \t]*define[ \t]+", before) is not None
            hits.append((line, col, m.group().decode(), defines))
        return hits
