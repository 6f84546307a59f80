"""What gives a name a meaning: a macro, a declaration of a plain type, an enumerator, an assembler's symbol."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from converter.csource.assembler import comment_start
from converter.csource.pieces import Source
from converter.csource.text import Lines
from converter.tree.history import Hunk

_NAMED = re.compile(rb"(?:[ \t]|\\\r?\n)*(\w+)")
_WORD = rb"static|extern|inline|__always_inline|const|volatile|unsigned|signed|void|bool|char|short|int|long|\w+_t"
_TYPE = rb"(?:(?:" + _WORD + rb"|[us](?:8|16|32|64))\b[ \t*]*)+"
_DECLARED = re.compile(rb"^[ \t]*" + _TYPE + rb"\b(\w+)[ \t]*[=;,\[(]", re.M)
_PARAMETER = re.compile(rb"[(,]\s*" + _TYPE + rb"\b(\w+)\s*(?=[,)\[])")
_SYMBOL = re.compile(rb"^[ \t]*(?:\.(?:set|equ|equiv|eqv)[ \t]+(\w+)[ \t]*,|(\w+)[ \t]*=[^=])", re.M)
_ENUM = re.compile(rb"\benum\b[^;{}()]*\{")
_TOKEN = re.compile(rb"\w+|[(){}\[\],]")
_SPELLING = re.compile(  # 1UL, _AC(1, UL), a cast
    rb"\b(\d+)[uUlL]+\b|\b(?:_AC|U?LL?|\w*_CONST)\(\s*(\d+)\s*(?:,\s*\w+\s*)?\)"
    rb"|\((?:(?:unsigned|signed|long|int)\s*)+\)(?=\s*[\w(~])"
)
_BLANK = re.compile(rb"(?:\s|\\\r?\n)+")


@dataclass(frozen=True, slots=True)
class Meaning:
    """`name` gets a meaning at line and column, from 1; `does`: how, as a phrase. Of a macro, `body` is what it says
    without the ways to spell it, and `last` is the line on which it ends."""

    line: int
    col: int
    last: int
    name: str
    does: str
    body: bytes = b""


def meanings(path: str, content: bytes, names: Container[str]) -> list[Meaning]:
    """Those of some names in a file: macros, then the rest."""
    source = Source(content, not path.endswith((".c", ".h")), comment_start(path))
    lines = Lines(content)
    found = []
    for d in source.directives:
        m = _NAMED.match(source.masked, d.body, d.end) if d.keyword in (b"define", b"undef") else None
        if m is not None and (name := m[1].decode()) in names:
            body = spelled_out(source.masked[m.end() : d.end])
            found.append(Meaning(*lines.at(m.start(1)), lines.number(d.end - 1), name, f"{d.keyword.decode()}s", body))
    for at, word, does in _plain(path, source.code):
        if (name := word.decode()) in names:
            line, col = lines.at(at)
            found.append(Meaning(line, col, line, name, does))
    return found


def _plain(path: str, code: bytes) -> Iterator[tuple[int, bytes, str]]:
    """Where, name and phrase of what is no macro."""
    if path.endswith((".c", ".h")):
        yield from ((m.start(1), m[1], "declares") for m in _DECLARED.finditer(code))
        yield from ((m.start(1), m[1], "has a parameter") for m in _PARAMETER.finditer(code))
        yield from ((at, name, "has an enumerator") for at, name in _enumerators(code))
    else:
        for m in _SYMBOL.finditer(code):
            n = 1 if m[1] is not None else 2
            yield m.start(n), m[n], "sets the symbol"


def _enumerators(code: bytes) -> Iterator[tuple[int, bytes]]:
    """A comma between brackets belongs to a value, as in `LAST = FIRST + max(3, PTE_SIZE)`."""
    at = 0
    while (m := _ENUM.search(code, at)) is not None:
        at, depth, begins = m.end(), 1, True
        while depth and (token := _TOKEN.search(code, at)) is not None:
            at = token.end()
            if token[0] in (b"(", b"{", b"["):
                depth += 1
            elif token[0] in (b")", b"}", b"]"):
                depth -= 1
            elif token[0] == b",":
                begins = depth == 1
            elif begins:
                yield token.start(), token[0]
                begins = False


def spelled_out(body: bytes) -> bytes:
    """What a macro says, without blanks, casts, suffixes of numbers, and brackets around the whole."""
    text = _BLANK.sub(b"", _SPELLING.sub(lambda m: m[1] or m[2] or b"", body))
    opened, closed = len(text) - len(text.lstrip(b"(")), len(text) - len(text.rstrip(b")"))
    depth = least = opened
    for c in text[opened : len(text) - closed]:
        depth += (c == 40) - (c == 41)
        least = min(least, depth)
    around = max(0, min(least, closed))
    return text[around : len(text) - around]


def former(content: bytes, hunks: Sequence[Hunk]) -> bytes:
    """A file as it was before these hunks."""
    lines = content.split(b"\n")
    for h in reversed(hunks):
        start = h.new_start - 1 if h.new else h.new_start  # where nothing comes, git counts the line before
        lines[start : start + len(h.new)] = h.old
    return b"\n".join(lines)
