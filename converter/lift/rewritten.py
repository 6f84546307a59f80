"""Files as a series leaves them: what stood in the tree's file is found again there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from converter.classify.record import Site
from converter.csource.pieces import Source
from converter.lift.alignment import Alignment, aligned
from converter.vocabulary import Scheme, scheme, vocabulary


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A file as a series leaves it, and where what stood in the tree's file stands in it."""

    content: bytes
    places: Alignment


class After:
    """A rewritten file with the names of the original put back, so that both are read alike, and cut into pieces."""

    def __init__(self, content: bytes, written: Rewritten, offsets: Mapping[int, Site], chosen: Scheme) -> None:
        words = {o: s.macro.encode() for o, s in offsets.items()}
        words |= {m.start(): m[0] for m in _taken(chosen.scheme).finditer(content)}
        out, last = b"", 0
        for o, word in sorted(words.items()):
            start, end = written.places.forward(o), written.places.forward(o + len(word))
            if last <= start < end:
                out += written.content[last:start] + word
                last = end
        text = out + written.content[last:]
        self.places = aligned(content, text)
        self.source = Source(text)

    def kept(self, content: bytes, offset: int) -> bool:
        """Is the line at an offset of the original the same but for names of page sizes?"""
        start, end = content.rfind(b"\n", 0, offset) + 1, content.find(b"\n", offset)
        at = self.places.forward(start)
        return at >= 0 and self.source.data[at : at + max(end, start) - start] == content[start : max(end, start)]


@cache
def _taken(scheme_name: str) -> re.Pattern[bytes]:
    """Names of the scheme: where a tree has one already, it steps aside and keeps its meaning."""
    names = {n for units in scheme(scheme_name).names.values() for n in units.values()} - set(vocabulary().names)
    return re.compile(rb"\b(?:" + "|".join(sorted(names)).encode() + rb")\b")
