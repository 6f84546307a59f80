"""Uses in an argument that a macro turns into text (`#cond` of an assertion): there a rename shows in the object.

Only the macro that the source names counts: what it hands on to another macro is expanded first (C11, 6.10.3.1), and
so is the argument of __stringify(), which says the same number before and after.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from converter.classify.record import Site
from converter.convert.lines import Lines
from converter.tree import Tree

_MACRO = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)\(([^()]*)\)((?:[^\n]*\\\r?\n)*[^\n]*)", re.M)
_TEXT = re.compile(rb"(?<!#)#[ \t]*(\w+)")
_LITERAL = re.compile(rb'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/', re.S)
_MAYBE = re.compile(rb"#(?!(?:include|define|undef|if|ifdef|ifndef|elif|else|endif|error|warning|pragma)\b)[A-Za-z_]")
"""Begins with a literal, which the engine skips to: few headers hold it."""
_CALLS = re.compile(rb"(\w+)[ \t]*\(")
_CALL = re.compile(rb"(\w+)[ \t]*\($")
_NEVER_BUILT = (b"BUILD_BUG_ON", b"static_assert", b"compiletime_assert")
"""How the macros begin whose text is the compiler's error message."""
_BEFORE = 12
"""Lines before a use in which the call around it begins, at most."""

Printing = Mapping[bytes, frozenset[int]]
"""Macro -> the arguments, from 0, that it turns into text."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A use whose name the object shows, and the macro that shows it."""

    path: str
    line: int
    macro: str


def stringified(tree: Tree, sites: Mapping[str, Sequence[Site]], lines_of: Callable[[str], Lines]) -> list[Shown]:
    """The uses, by path, that stand in such an argument; `lines_of` gives a file as it was scanned."""
    scopes = {""} | {place for path in sites for place in _above(path)}
    headers: dict[str, dict[bytes, frozenset[int]]] = {}
    wanted = (e for e in tree.entries if e.path.endswith(".h") and _scope(e.path) in scopes)
    for entry, data in tree.reader.read_many(wanted):
        if isinstance(data, bytes) and (made := printing(data)):
            headers.setdefault(_scope(entry.path), {}).update(made)
    found = set()
    for path, uses in sites.items():
        seen = {n: a for place in ["", *_above(path)] for n, a in headers.get(place, {}).items()}
        lines = lines_of(path)
        seen |= printing(b"".join(lines))
        for s in uses:
            macro = _around(lines, s.line, s.col, seen)
            if macro is not None:
                found.add(Shown(path, s.line, macro.decode()))
    return sorted(found, key=lambda x: (x.path, x.line, x.macro))


def _scope(header: str) -> str:
    """The directory whose files may see a header: its own, or the one that its include/ is in."""
    place, found, below = ("/" + header).rpartition("/include/")
    if found and (not place.startswith("/drivers") or below.count("/") == 0):
        return place[1:]
    return os.path.dirname(header)


def _above(path: str) -> list[str]:
    """The directories above a file, the outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]


def printing(data: bytes) -> dict[bytes, frozenset[int]]:
    """The macros that a file defines, and that turn an argument into text."""
    found: dict[bytes, frozenset[int]] = {}
    if not _MAYBE.search(data):
        return found
    for m in _MACRO.finditer(data):
        if b"#" not in m[3] or m[1].startswith(_NEVER_BUILT):
            continue
        parameters = [p.strip() for p in m[2].split(b",")]
        texts = {t[1] for t in _TEXT.finditer(_LITERAL.sub(b'""', m[3]))}
        shown = frozenset(i for i, p in enumerate(parameters) if p in texts)
        if shown:
            found[m[1]] = found.get(m[1], frozenset()) | shown
    return found


def _around(lines: Lines, line: int, col: int, known: Printing) -> bytes | None:
    """The macro of `known` that is called around a place, with the place in an argument that it prints."""
    text = b"".join([*lines[max(0, line - 1 - _BEFORE) : line - 1], lines[line - 1][: col - 1]])
    if known.keys().isdisjoint(_CALLS.findall(text)):
        return None
    text = _LITERAL.sub(lambda m: b" " * len(m[0]), text)
    depth = commas = 0
    for at in range(len(text) - 1, -1, -1):
        c = text[at : at + 1]
        if c == b")":
            depth += 1
        elif c == b"(":
            if depth:
                depth -= 1
                continue
            call = _CALL.search(text[: at + 1])
            if call is not None and commas in known.get(call[1], ()):
                return call[1]
            commas = 0
        elif depth == 0 and c in b";{}":
            return None
        elif depth == 0 and c == b",":
            commas += 1
    return None
