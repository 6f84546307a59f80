"""Where the words of a text stand in a changed one: both sides of a conversion are read, and compared by place."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import groupby

_TOKEN = re.compile(rb"\w+|[^\w\s]")


@dataclass(frozen=True)
class Alignment:
    """Stretches that are the same in both texts, each as (offset before, offset after, length), in order.

    A word that became another lies between two stretches: its ends are known, what is in it is not.
    """

    stretches: tuple[tuple[int, int, int], ...]

    def forward(self, offset: int) -> int:
        """Where a byte of the original stands in the changed text; -1 where it has no counterpart."""
        return _other(offset, self._old, self.stretches, 0)

    def back(self, offset: int) -> int:
        """Where a byte of the changed text stood in the original; -1 where it has no counterpart."""
        return _other(offset, self._new, self.stretches, 1)

    def within(self, start: int, place: int) -> Alignment:
        """Of parts of the texts: offsets count from `start` of the original and `place` of the changed text."""
        return Alignment(tuple((old - start, new - place, n) for old, new, n in self.stretches))

    @cached_property
    def _old(self) -> list[int]:
        return [s[0] for s in self.stretches]

    @cached_property
    def _new(self) -> list[int]:
        return [s[1] for s in self.stretches]


def _other(offset: int, starts: Sequence[int], stretches: Sequence[tuple[int, int, int]], side: int) -> int:
    i = bisect_right(starts, offset) - 1
    if i < 0 or offset > stretches[i][side] + stretches[i][2]:
        return -1
    return offset - stretches[i][side] + stretches[i][1 - side]


def renamed(words: Iterable[tuple[int, int, int]], size: int) -> Alignment:
    """Of a text of `size` bytes in which words became others: offset, length before and after of each, in order."""
    found, old, new = [], 0, 0
    for offset, before, after in words:
        found.append((old, new, offset - old))
        new += offset - old + after
        old = offset + before
    return Alignment((*found, (old, new, size - old)))


def aligned(old: bytes, new: bytes) -> Alignment:
    """Of two texts, line by line: a line that changed has a counterpart where it has as many words and signs."""
    return Alignment(tuple(_stretches(old.splitlines(keepends=True), new.splitlines(keepends=True))))


def _stretches(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[tuple[int, int, int]]:
    starts, places = _offsets(old), _offsets(new)
    for kind, a, b, c, d in _blocks(old, new):
        if kind == "equal":
            yield starts[a], places[c], starts[b] - starts[a]
        else:
            for i, j in _alike(old[a:b], new[c:d]):
                yield from _line(old[a + i], new[c + j], starts[a + i], places[c + j])


def _alike(old: Sequence[bytes], new: Sequence[bytes]) -> Iterable[tuple[int, int]]:
    """Which lines of a block that changed are one line: those in the same order, else those of the same shape."""
    if len(old) == len(new):
        return [(i, i) for i in range(len(old))]
    matcher = SequenceMatcher(None, [_shape(line) for line in old], [_shape(line) for line in new], autojunk=False)
    return [(m.a + i, m.b + i) for m in matcher.get_matching_blocks() for i in range(m.size)]


def _shape(line: bytes) -> bytes:
    """A line without what its words are."""
    return b" ".join(b"w" if token[:1].isalnum() or token[:1] == b"_" else token for token in _TOKEN.findall(line))


def _blocks(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[tuple[str, int, int, int, int]]:
    if len(old) == len(new):  # words changed, no lines came or went
        i = 0
        for same, lines in groupby(zip(old, new, strict=True), lambda pair: pair[0] == pair[1]):
            end = i + len(list(lines))
            yield "equal" if same else "replace", i, end, i, end
            i = end
    else:
        yield from SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _line(old: bytes, new: bytes, start: int, place: int) -> Iterator[tuple[int, int, int]]:
    if old == new:
        yield start, place, len(old)
        return
    before, after = list(_TOKEN.finditer(old)), list(_TOKEN.finditer(new))
    if len(before) != len(after):
        return
    for a, b in zip(before, after, strict=True):
        if a[0] == b[0]:
            yield start + a.start(), place + b.start(), len(a[0])
        else:
            yield start + a.start(), place + b.start(), 0
            yield start + a.end(), place + b.end(), 0


def _offsets(lines: Sequence[bytes]) -> list[int]:
    """Where each line begins, and where the text ends."""
    found = [0]
    for line in lines:
        found.append(found[-1] + len(line))
    return found
