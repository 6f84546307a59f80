"""Unit errors on both sides of a commit, and which of them the commit introduces."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from converter.ci.view import folded, take
from converter.classify.record import Site
from converter.csource.pieces import Source, function_name
from converter.csource.text import Lines
from converter.units.facts import Facts
from converter.vocabulary import unconverted

_NAME = re.compile(rb"\s*(\w*)")


@dataclass(frozen=True)
class Side:
    """A file of the parent with the lines that go, or of the commit with those that come.

    origin  its path in the parent
    hunks   by line, the number of the hunk
    """

    path: str
    origin: str
    number: int
    facts: Facts
    lines: Mapping[int, bytes]
    hunks: Mapping[int, int]
    content: Callable[[str], bytes]
    scheme: str

    @cached_property
    def _source(self) -> tuple[Source, Lines]:
        content = self.content(self.path)
        return Source(content), Lines(content)

    def text(self, line: int) -> bytes:
        """A line without what indenting or converting it changes."""
        return unconverted(folded(self.lines[line]), self.scheme)

    def around(self, line: int) -> tuple[str, bytes]:
        """The function or macro around a line, the file's origin where there is none; and its code without blanks."""
        source, lines = self._source
        start = lines.span(line)
        directive = source.directive_at(start)
        if directive is not None:
            head = _NAME.match(source.masked, directive.body) if directive.keyword == b"define" else None
            code, name = source.masked[directive.start : directive.end], head and head[1].decode()
        else:
            piece = source.piece_at(start)
            code, name = source.code[piece.start : piece.end], function_name(source.code, piece)
        return name or self.origin, b"".join(unconverted(code, self.scheme).split())


@dataclass(frozen=True)
class Error:
    """What is wrong with a line. `name`: the word that the units contradict, "" where two measures meet."""

    side: Side
    line: int
    col: int
    name: str
    message: str
    site: Site

    @cached_property
    def what(self) -> bytes:
        """The error in words that no conversion changes; a name that is written is another one."""
        message = folded(self.message.encode("utf-8", "surrogateescape"))
        return message if self.name else unconverted(message, self.side.scheme)

    @cached_property
    def text(self) -> bytes:
        """The line without what indenting or converting it changes."""
        return self.side.text(self.line)

    @cached_property
    def around(self) -> tuple[str, bytes]:
        """The function or macro in which it stands, and its code."""
        return self.side.around(self.line)

    @property
    def function(self) -> str:
        """Its name."""
        return self.around[0]


_SAME: tuple[Callable[[Error], tuple[object, ...]], ...] = (
    lambda e: (e.side.origin, e.function, e.text),
    lambda e: (e.side.origin, e.text),
    lambda e: (e.side.origin, e.function, e.side.hunks[e.line]),
    lambda e: (e.text,),
    lambda e: e.around,
)
"""Where two errors of the same words have to agree to be one. What agrees in more is paired first."""


def introduced(new: Iterable[Error], old: Iterable[Error], sides: Iterable[Side]) -> list[Error]:
    """The errors of a commit that its parent has not: each that goes accounts for one that comes.

    `sides`: the files with the lines that come. One whose line comes back without it is mended, and accounts for none.
    """
    left = list(new)
    words = {e.what for e in left}
    gone = [e for e in old if e.what in words]
    if gone:
        wrong = Counter((e.side.origin, e.text) for e in left)
        right = Counter((s.origin, s.text(n)) for s in sides for n in s.lines) - wrong
        gone = [e for e in gone if not take(right, (e.side.origin, e.text))]
    for same in _SAME if gone else ():
        came, went = (Counter((e.what, *same(e)) for e in errors) for errors in (left, gone))
        left = [e for e in left if not take(went, (e.what, *same(e)))]
        gone = [e for e in gone if not take(came, (e.what, *same(e)))]
    return left
