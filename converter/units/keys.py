"""The global keys of a tree, numbered: one run of bytes as long as nobody asks for one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, pairwise
from zlib import crc32

import ahocorasick_rs
import msgspec
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint32]


class Packed(msgspec.Struct, array_like=True):
    """Names as they are kept: their UTF-8 in a row, the length of each, their CRC-32 in order, and whose each is."""

    text: memoryview
    lengths: memoryview
    crc: memoryview
    by_crc: memoryview

    @classmethod
    def of(cls, names: Iterable[str]) -> Packed:
        """Raises UnicodeEncodeError."""
        encoded = [name.encode() for name in names]
        crc = np.fromiter(map(crc32, encoded), np.uint32, len(encoded))
        order = np.argsort(crc, kind="stable").astype(np.uint32)
        lengths = np.fromiter(map(len, encoded), np.uint32, len(encoded))
        return cls(memoryview(b"".join(encoded)), lengths.data, crc[order].data, order.data)


class Keys(Sequence[str]):
    """Names by number, and numbers by name. Those that are appended follow the packed ones."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._text = packed.text
        lengths = _numbers(packed.lengths)
        self._ends = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=self._ends[1:])
        self._crc, self._by_crc = _numbers(packed.crc), _numbers(packed.by_crc)
        if not len(lengths) == len(self._crc) == len(self._by_crc) or self._ends[-1] != len(self._text):
            raise ValueError("columns of different length")
        self._size = len(lengths)
        self._more: list[str] = []
        self._asked: dict[str, int] = {}

    @classmethod
    def of(cls, names: Sequence[str]) -> Keys:
        """Names that are strings already: nothing is packed."""
        made = cls(Packed.of(()))
        made._more = list(names)
        made._asked = dict(zip(made._more, count()))
        return made

    def __len__(self) -> int:
        return self._size + len(self._more)

    def __getitem__(self, number: int) -> str:  # type: ignore[override]  # no slices
        if number >= self._size:
            return self._more[number - self._size]
        return str(self._bytes(number), "utf-8")

    def __iter__(self) -> Iterator[str]:
        """All of them, faster than one by one."""
        text = self._text.tobytes()
        for start, end in pairwise(self._ends.tolist()):
            yield text[start:end].decode()
        yield from self._more

    def pack(self) -> Packed:
        """All of them, to be kept. Raises UnicodeEncodeError."""
        return Packed.of(self) if self._more else self._packed

    def number(self, name: str) -> int | None:
        """Which one it is."""
        found = self._asked.get(name)
        if found is None and (found := self._look_up(name.encode("utf-8", "surrogateescape"))) is not None:
            self._asked[name] = found
        return found

    def holding(self, words: Iterable[str]) -> list[int]:
        """Numbers of the names in which one of the words stands, in no order."""
        sought = [word.encode() for word in words]
        at = ahocorasick_rs.BytesAhoCorasick(sought).find_matches_as_indexes(self._text, overlapping=True)
        starts = np.array([start for _, start, _ in at], np.int64)
        numbers = np.searchsorted(self._ends, starts, side="right") - 1
        ends = self._ends[numbers + 1]
        found = {n for n, (_, _, end), last in zip(numbers.tolist(), at, ends.tolist(), strict=True) if end <= last}
        return [*found, *(n for n, key in enumerate(self._more, self._size) if any(word in key for word in words))]

    def append(self, name: str) -> None:
        """One more, that was not there."""
        self._asked[name] = len(self)
        self._more.append(name)

    def _look_up(self, raw: bytes) -> int | None:
        crc = np.uint32(crc32(raw))
        at = int(np.searchsorted(self._crc, crc))
        while at < self._size and self._crc[at] == crc:
            number = self._by_crc.item(at)
            if self._bytes(number) == raw:
                return number
            at += 1
        return None

    def _bytes(self, number: int) -> memoryview:
        return self._text[self._ends.item(number) : self._ends.item(number + 1)]


def _numbers(raw: memoryview) -> Numbers:
    return np.frombuffer(raw, np.uint32)
