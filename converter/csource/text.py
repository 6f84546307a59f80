"""Kernel source as bytes of constant length: comments, strings and directives blanked, every position kept true."""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate
from typing import NamedTuple

_LEXEME = re.compile(
    rb"/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|/\*.*"  # block comment, also one cut off by the end of the file
    rb"|//[^\\\n]*(?:\\(?:\r?\n)?[^\\\n]*)*"
    rb'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    rb"|'(?:\\[^\n][^'\n]{0,3}|[^'\\\n]{1,4})'",
    re.S,
)
_OPENING = re.compile(rb"[/\"']")
# Begins with a literal, which the search skips to: `^` is tried at every byte.
_DIRECTIVE = re.compile(rb"#[ \t]*([a-z_]+)([^\\\n]*(?:\\(?:\r?\n)?[^\\\n]*)*)")
_ASM_COMMENT = re.compile(
    rb"^[ \t]*#(?![ \t]*(?:define|undef|if|ifdef|ifndef|elif|else|endif|include|error|warning)\b)[^\n]*", re.M
)

_BLANK = bytes(c if c in b"\n\r" else 32 for c in range(256))
_BLOCK = 4096
_FILL = bytes(c if c in b"\n\r" else 95 for c in range(256))  # string contents become underscores: no braces, no names


def blank(text: bytes) -> bytes:
    """Blanks in place of all but the line breaks."""
    return text.translate(_BLANK)


def _blank_lexeme(match: re.Match[bytes]) -> bytes:
    text = match.group()
    if text[0] == 47:  # '/': a comment
        return text.translate(_BLANK)
    if len(text) < 3:
        return text
    return text[:1] + text[1:-1].translate(_FILL) + text[-1:]


def mask(data: bytes, assembler: bool = False, comment: bytes = b"") -> bytes:
    """The same number of bytes with comments blanked and the contents of literals replaced by underscores.

    `comment` is the character that begins a comment of an assembler file, b"" for none.
    """
    masked = _LEXEME.sub(_blank_lexeme, data)
    if assembler:
        masked = _ASM_COMMENT.sub(lambda m: m.group().translate(_BLANK), masked)
    return _without_comments(masked, comment) if comment in masked and comment else masked


def _without_comments(masked: bytes, comment: bytes) -> bytes:
    """Blanks what follows `comment` on its line, but not in preprocessor lines."""
    pattern = re.compile(re.escape(comment) + rb"[^\n]*")
    parts, at = [], 0
    for start, end in [*((d.start, d.end) for d in directives(masked)), (len(masked), len(masked))]:
        parts.append(pattern.sub(lambda m: blank(m.group()), masked[at:start]))
        parts.append(masked[start:end])
        at = end
    return b"".join(parts)


def hidden(data: bytes, offsets: list[int]) -> set[int]:
    """Those of the ascending offsets that lie in comments and literals, found without a masked copy of a large file."""
    found: set[int] = set()
    at = covered = 0
    for offset in offsets:
        while (opened := _OPENING.search(data, at, offset + 1)) is not None:
            lexeme = _LEXEME.match(data, opened.start())
            at = opened.end()
            if lexeme is not None:
                at = covered = lexeme.end()
        if offset < covered:
            found.add(offset)
    return found


class Directive(NamedTuple):
    """A preprocessor line with its continuations: bytes [start, end), keyword without '#'."""

    start: int
    end: int
    keyword: bytes
    body: int  # where the text after the keyword starts


def directives(masked: bytes) -> list[Directive]:
    """All preprocessor lines of a masked file, in order."""
    found = []
    for m in _DIRECTIVE.finditer(masked):
        start = masked.rfind(b"\n", 0, m.start()) + 1
        if not masked[start : m.start()].strip(b" \t"):
            found.append(Directive(start, m.end(), m.group(1), m.start(2)))
    return found


def without(text: bytes, spans: list[tuple[int, int]]) -> bytes:
    """`text` with the given ascending, disjoint spans blanked, line breaks kept."""
    parts, at = [], 0
    for start, end in spans:
        parts.append(text[at:start])
        parts.append(text[start:end].translate(_BLANK))
        at = end
    parts.append(text[at:])
    return b"".join(parts)


def branches(lines: list[Directive]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Spans of conditional text: (what follows an #else or #elif, what an #else or #elif is the alternative of)."""
    later: list[tuple[int, int]] = []
    earlier: list[tuple[int, int]] = []
    stack: list[list[int]] = []  # for each open #if: the ends of its directive lines so far
    for line in lines:
        if line.keyword in (b"if", b"ifdef", b"ifndef"):
            stack.append([line.end])
        elif line.keyword in (b"elif", b"else") and stack:
            opened = stack[-1]
            (earlier if len(opened) == 1 else later).append((opened[-1], line.start))
            opened.append(line.end)
        elif line.keyword == b"endif" and stack:
            opened = stack.pop()
            if len(opened) > 1:
                later.append((opened[-1], line.start))
    return _disjoint(later), _disjoint(earlier)


def _disjoint(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged


class Lines:
    """Byte offset to line and column, both counted from 1. Line breaks are listed only of blocks that are asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        counts = (data.count(b"\n", at, at + _BLOCK) for at in range(0, len(data), _BLOCK))
        self._before = [0, *accumulate(counts)]  # line breaks before each block
        self._listed: dict[int, list[int]] = {}

    def number(self, offset: int) -> int:
        block = offset // _BLOCK
        breaks = self._listed.get(block)
        if breaks is None:
            breaks = self._breaks(block)
        return self._before[block] + bisect_left(breaks, offset) + 1

    def at(self, offset: int) -> tuple[int, int]:
        return self.number(offset), offset - self._data.rfind(b"\n", 0, offset)

    def span(self, line: int) -> int:
        """Where a line (from 1) starts."""
        if line == 1:
            return 0
        block = bisect_left(self._before, line - 1) - 1
        return self._breaks(block)[line - 2 - self._before[block]] + 1

    def _breaks(self, block: int) -> list[int]:
        """Offsets of a block's line breaks."""
        start = block * _BLOCK
        lengths = map(len, self._data[start : start + _BLOCK].split(b"\n")[:-1])
        ends = accumulate(lengths, lambda end, length: end + length + 1, initial=start - 1)
        made = self._listed[block] = list(ends)[1:]
        return made
