"""Top-level pieces of a C file, found without parsing it.

Kernel style closes a function or a type with `}` in column 1, so these lines cut a file into blocks; inside a block,
braces and semicolons at depth 0 separate the declarations. Only pieces that hold something of interest are parsed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from operator import attrgetter
from typing import NamedTuple

from converter.csource import text as ctext

_CLOSE = re.compile(rb"\n\}(?![^\n]*[{,=][ \t\r]*$)[^\n]*", re.M)  # in `} name = {` a declaration goes on
_PUNCT = re.compile(rb"[{};]")
_START = attrgetter("start")
_HEADER = re.compile(rb"([A-Za-z_]\w*)\s*\((?:[^()]|\([^()]*\))*\)[\s\w]*$")


class Piece(NamedTuple):
    """One external declaration or definition: bytes [start, end) of the file, brace at `body` (-1: none)."""

    start: int
    end: int
    body: int
    balanced: bool


class Source:
    """One C file cut into directives and pieces; all offsets are those of the file."""

    def __init__(self, data: bytes, assembler: bool = False, comment: bytes = b"") -> None:
        self.data = data
        self.masked = ctext.mask(data, assembler, comment)
        self.directives = ctext.directives(self.masked)
        self.code = ctext.without(self.masked, [(d.start, d.end) for d in self.directives])
        self._ends = [min(m.end() + 1, len(self.code)) for m in _CLOSE.finditer(self.code)]
        self._directive_starts = [d.start for d in self.directives]
        self._blocks: dict[int, list[Piece]] = {}
        self._branches: tuple[list[tuple[int, int]], list[tuple[int, int]]] | None = None

    def directive_at(self, offset: int) -> ctext.Directive | None:
        """The preprocessor line that covers a byte offset."""
        i = bisect_right(self._directive_starts, offset) - 1
        if i >= 0 and offset < self.directives[i].end:
            return self.directives[i]
        return None

    def blocks(self) -> list[tuple[int, int]]:
        """The blocks that lines with `}` in column 1 end, and the rest of the file."""
        starts = [0, *self._ends]
        ends = [*self._ends, len(self.code)]
        return list(zip(starts, ends, strict=True))

    def block_at(self, offset: int) -> tuple[int, int]:
        i = bisect_right(self._ends, offset)
        return (self._ends[i - 1] if i else 0), (self._ends[i] if i < len(self._ends) else len(self.code))

    def piece_at(self, offset: int) -> Piece:
        """The piece around a byte offset."""
        start, end = self.block_at(offset)
        pieces = self.pieces(start, end)
        return pieces[max(bisect_right(pieces, offset, key=_START) - 1, 0)]

    def pieces(self, start: int, end: int) -> list[Piece]:
        """A block's pieces, in order; together they cover it."""
        found = self._blocks.get(start)
        if found is None:
            found = self._blocks[start] = _split(self.code, start, end)
        return found

    def variants(self, piece: Piece) -> list[bytes]:
        """The text of a piece; where conditional text unbalances its braces, once without each side of #else."""
        text = self.code[piece.start : piece.end]
        if piece.balanced:
            return [text]
        if self._branches is None:
            self._branches = ctext.branches(self.directives)
        made = []
        for spans in self._branches:
            inside = [
                (max(s, piece.start) - piece.start, min(e, piece.end) - piece.start)
                for s, e in spans
                if s < piece.end and e > piece.start
            ]
            if inside:
                made.append(ctext.without(text, inside))
        return made or [text]


def _split(code: bytes, start: int, end: int) -> list[Piece]:
    pieces = []
    depth, at, body = 0, start, -1
    parentheses, counted = 0, start  # open ones: a trace event holds statements among its arguments
    for m in _PUNCT.finditer(code, start, end):
        c = code[m.start()]
        if c == 123:
            if depth == 0 and body < 0:
                body = m.start()
            depth += 1
        elif c == 125:
            depth -= 1
            if depth <= 0:
                depth = 0
                newline = code.find(b"\n", m.end(), end)
                rest = code[m.end() : newline if newline >= 0 else end].strip()
                if not rest:
                    pieces.append(Piece(at, m.end(), body, True))
                    at, body, parentheses, counted = m.end(), -1, 0, m.end()
        elif depth == 0:
            parentheses += code.count(b"(", counted, m.start()) - code.count(b")", counted, m.start())
            counted = m.start()
            if parentheses <= 0:
                pieces.append(Piece(at, m.end(), body, True))
                at, body, parentheses = m.end(), -1, 0
    if code[at:end].strip() or not pieces:
        pieces.append(Piece(at, end, body, depth == 0 and parentheses == 0))
    else:
        last = pieces.pop()
        pieces.append(Piece(last.start, end, last.body, last.balanced))
    return pieces


def function_name(code: bytes, piece: Piece) -> str | None:
    """The name of the function that a piece defines, None for anything else."""
    if piece.body < 0:
        return None
    header = code[piece.start : piece.body].rstrip()
    if not header.endswith(b")"):
        header = header.rsplit(b")", 1)[0] + b")"
        if not header[:-1]:
            return None
    m = _HEADER.search(header)
    return m.group(1).decode() if m else None
