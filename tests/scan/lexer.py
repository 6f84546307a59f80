"""An independent answer to what the scanner must find: the family's names, where they stand, and in what kind of text.

It walks the characters with a state machine of its own and shares no pattern with the scanner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FAMILY = (
    b"PAGE_SIZE",
    b"PAGE_SHIFT",
    b"PAGE_MASK",
    b"PAGE_ALIGN",
    b"PAGE_ALIGNED",
    b"PAGE_ALIGN_DOWN",
    b"offset_in_page",
)

_WORD = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_OPENS = re.compile(rb"""["'/]""")


@dataclass(frozen=True, slots=True)
class Word:
    """A family name in a file. `line` and `col` count from 1, in bytes; `text` says comment, string or code.

    called  a parenthesis follows
    """

    line: int
    col: int
    name: str
    text: str
    called: bool


def words(data: bytes) -> list[Word]:
    """Every lexical occurrence of the seven names, in order."""
    offsets = sorted(at for name in FAMILY for at in _occurrences(data, name))
    if not offsets:
        return []
    spans = _spans(data)
    found, span, line, start = [], 0, 1, 0
    for at in offsets:
        line += data.count(b"\n", start, at)
        start = at
        while span < len(spans) and spans[span][1] <= at:
            span += 1
        inside = span < len(spans) and spans[span][0] <= at
        end = at
        while end < len(data) and data[end] in _WORD:
            end += 1
        col = at - data.rfind(b"\n", 0, at)
        called = data[end : end + 80].lstrip().startswith(b"(")
        found.append(Word(line, col, data[at:end].decode(), spans[span][2] if inside else "code", called))
    return found


def _occurrences(data: bytes, name: bytes) -> list[int]:
    found, at = [], data.find(name)
    while at >= 0:
        end = at + len(name)
        if (at == 0 or data[at - 1] not in _WORD) and (end == len(data) or data[end] not in _WORD):
            found.append(at)
        at = data.find(name, end)
    return found


def _spans(data: bytes) -> list[tuple[int, int, str]]:
    """Comments and literals as (start, end, kind), in order."""
    spans, at = [], 0
    while (opened := _OPENS.search(data, at)) is not None:
        at = opened.start()
        end, kind = _literal(data, at) if data[at] != ord("/") else _comment(data, at)
        if kind:
            spans.append((at, end, kind))
        at = end
    return spans


def _comment(data: bytes, at: int) -> tuple[int, str]:
    second = data[at + 1 : at + 2]
    if second == b"*":
        end = data.find(b"*/", at + 2)
        return (end + 2 if end >= 0 else len(data)), "comment"
    if second != b"/":
        return at + 1, ""
    end = at
    while True:  # a backslash at the end of the line continues the comment
        end = data.find(b"\n", end)
        if end < 0:
            return len(data), "comment"
        if not data[end - 2 : end].rstrip(b"\r").endswith(b"\\"):
            return end, "comment"
        end += 1


def _literal(data: bytes, at: int) -> tuple[int, str]:
    """A quote that finds no partner on its line opens nothing (assembler, text of #error)."""
    quote, end = data[at], at + 1
    while end < len(data) and data[end] != ord("\n"):
        if data[end] == ord("\\"):
            end += 2 if data[end + 1 : end + 3] != b"\r\n" else 3
        elif data[end] == quote:
            long = quote == ord("'") and end - at > 6
            return (at + 1, "") if long or (end == at + 1 and quote == ord("'")) else (end + 1, "string")
        else:
            end += 1
    return at + 1, ""
