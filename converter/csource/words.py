"""Words of a fixed set, found in bytes: one pass of Aho-Corasick, whatever the number of words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import ahocorasick_rs

_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Mark(NamedTuple):
    """An identifier that stands in bytes [start, end)."""

    start: int
    end: int
    word: bytes


class Beginnings:
    """Finds the lines that begin with one of some words, or with longer ones."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self._search = ahocorasick_rs.BytesAhoCorasick(sorted(b"\n" + word for word in words))

    def find(self, text: bytes) -> list[int]:
        """Offsets of the line breaks before them, in order."""
        return [start for _, start, _ in self._search.find_matches_as_indexes(text)]


class Words:
    """Finds each lexical occurrence of its identifiers."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self._words = sorted(set(words))
        # An identifier starts where no match could begin earlier and reach into it, so the leftmost longest is the one.
        # A large set has no quick pre-filter: there the table of all transitions is the faster one.
        self._search = ahocorasick_rs.BytesAhoCorasick(
            self._words,
            matchkind=ahocorasick_rs.MatchKind.LeftmostLongest,
            implementation=ahocorasick_rs.Implementation.DFA if len(self._words) > 64 else None,
        )

    def find(self, text: bytes) -> list[Mark]:
        """All occurrences, in order."""
        if not self._words:
            return []
        found = []
        size = len(text)
        for number, start, end in self._search.find_matches_as_indexes(text):
            if (start == 0 or text[start - 1] not in _WORD) and (end == size or text[end] not in _WORD):
                found.append(Mark(start, end, self._words[number]))
        return found
