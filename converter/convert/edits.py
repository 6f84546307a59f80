"""Token edits: a use of the family becomes the scheme's name, and what stood in a column stays in it.

A line is only ever rendered from its original bytes and a set of edits, so that the patches of a series, which take
the edits of a line one role at a time, end at the same bytes as the conversion at one go.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from converter.classify.record import Site
from converter.convert.lines import Change, Lines

TAB = 8
"""Columns between tab stops (Documentation/process/coding-style.rst, chapter 1)."""

_GAP = re.compile(rb"(?<=[^ \t])(?:[ \t]*\t[ \t]*|[ ]{2,})(?=[^ \t\r\n])")
_CONTINUED = re.compile(rb"(?<=[^ \t])[ \t]+(?=\\\r?\n?$)")
_WORD = re.compile(rb"[A-Za-z0-9_]")


class Stale(Exception):
    """A file that is not what the scan saw."""


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """On line `line`, at byte `col` (both from 1), the identifier `old` becomes `new`."""

    line: int
    col: int
    old: bytes
    new: bytes


def edit_of(site: Site) -> Edit | None:
    """The edit that a site asks for; None where the name stays."""
    if site.replacement is None or site.replacement == site.macro:
        return None
    return Edit(site.line, site.col, site.macro.encode(), site.replacement.encode())


def by_line(edits: Iterable[Edit]) -> dict[int, list[Edit]]:
    """Edits by line, in order of columns."""
    found: dict[int, list[Edit]] = defaultdict(list)
    for e in sorted(edits):
        found[e.line].append(e)
    return found


def check(path: str, lines: Lines, edits: Iterable[Edit]) -> None:
    """Raises Stale where an edit's identifier does not stand in the file as a whole word."""
    for e in edits:
        line = lines[e.line - 1] if e.line <= len(lines) else b""
        start, end = e.col - 1, e.col - 1 + len(e.old)
        whole = not (_WORD.match(line[end : end + 1]) or (start and _WORD.match(line[start - 1 : start])))
        if line[start:end] != e.old or not whole:
            raise Stale(f"{e.line}:{e.col}: {e.old.decode()} is not there any more")


def changes(lines: Lines, edits: Mapping[int, Sequence[Edit]]) -> list[Change]:
    """What the edits, by line, make of the lines."""
    return [Change(n - 1, n, (render(lines, n, own),)) for n, own in sorted(edits.items())]


def render(lines: Lines, number: int, edits: Sequence[Edit]) -> bytes:
    """Line `number` (from 1) with its edits, in order of columns; aligned text after them keeps its column."""
    line = lines[number - 1]
    gaps = list(_gaps(lines, number))
    out = bytearray()
    at = 0
    moved = False
    for stop in [*edits, None]:
        end = stop.col - 1 if stop is not None else len(line)
        gap = next((g for g in gaps if at <= g[0] and g[1] <= end), None) if moved else None
        if gap is not None:
            out += line[at : gap[0]]
            out += _blank(width(out), width(line[: gap[1]]), line[gap[0] : gap[1]])
            at, moved = gap[1], False
        out += line[at:end]
        if stop is not None:
            out += stop.new
            at = end + len(stop.old)
            moved = width(out) != width(line[:at])
    made = bytes(out)
    if _plain(made) != _plain(_renamed(line, edits)):
        raise AssertionError(f"line {number}: more than the names would change")
    return made


def _renamed(line: bytes, edits: Sequence[Edit]) -> bytes:
    """The line with its edits and nothing else."""
    for e in reversed(edits):
        line = line[: e.col - 1] + e.new + line[e.col - 1 + len(e.old) :]
    return line


def _plain(line: bytes) -> list[bytes]:
    """What a line says without its blanks: words stay apart where a blank parts them."""
    return line.split()


def width(text: bytes | bytearray) -> int:
    """Columns that a text takes from the start of a line; UTF-8 counts by characters."""
    column = 0
    for c in text:
        if c == 9:
            column += TAB - column % TAB
        elif c & 0xC0 != 0x80:
            column += 1
    return column


def _blank(start: int, target: int, was: bytes) -> bytes:
    """White space from column `start` to `target` in the manner of `was`, at least one blank."""
    if b"\t" not in was:
        return b" " * max(1, target - start)
    made = b""
    while start + TAB - start % TAB <= target:
        made += b"\t"
        start += TAB - start % TAB
    return made + b" " * (target - start) or b"\t"


def _gaps(lines: Lines, number: int) -> Iterator[tuple[int, int]]:
    """Spans of white space on a line after which text stands in a column on purpose."""
    line = lines[number - 1]
    last = _CONTINUED.search(line)
    for m in _GAP.finditer(line):
        if not _quoted(line, m.start()) and (last is None or m.start() != last.start()):
            yield m.span()
    if last is not None and (last.end() - last.start() > 1 or last.group() == b"\t" or _columned(lines, number)):
        yield last.span()


def _columned(lines: Lines, number: int) -> bool:
    """Does the backslash that ends a line stand below or above another one?"""
    own = _backslash(lines[number - 1])
    around = [lines[i] for i in (number - 2, number) if 0 <= i < len(lines)]
    return any(_backslash(other) == own for other in around)


def _backslash(line: bytes) -> int | None:
    text = line.rstrip(b"\r\n")
    return width(text[:-1]) if text.endswith(b"\\") else None


def _quoted(line: bytes, at: int) -> bool:
    """Is a byte of the line inside a string literal that begins on it?"""
    before = line[:at].replace(b"\\\\", b"").replace(b'\\"', b"").replace(b"'\"'", b"")
    return before.count(b'"') % 2 == 1
