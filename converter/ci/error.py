"""Unit errors on both sides of a commit, and which of them the commit introduces."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from converter.ci.view import folded
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
    """

    path: str
    origin: str
    number: int
    facts: Facts
    lines: Mapping[int, bytes]
    content: Callable[[str], bytes]
    scheme: str

    @cached_property
    def _source(self) -> tuple[Source, Lines]:
        content = self.content(self.path)
        return Source(content), Lines(content)

    def function(self, line: int) -> str:
        """The function or macro around a line; the file's origin where there is none."""
        source, lines = self._source
        start = lines.span(line)
        directive = source.directive_at(start)
        if directive is not None:
            head = _NAME.match(source.masked, directive.body)
            return head[1].decode() if head is not None and directive.keyword == b"define" else self.origin
        return function_name(source.code, source.piece_at(start)) or self.origin


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
        return unconverted(folded(self.side.lines[self.line]), self.side.scheme)

    @cached_property
    def function(self) -> str:
        """The function or macro in which it stands."""
        return self.side.function(self.line)


_SAME: tuple[Callable[[Error], tuple[object, ...]], ...] = (
    lambda e: (e.side.origin, e.function, e.text),
    lambda e: (e.side.origin, e.function),
    lambda e: (e.side.origin, e.text),
    lambda e: (e.text,),
    lambda e: (e.function,),
)
"""Where two errors of the same words have to agree to be one. What agrees in more is paired first."""


def introduced(new: Iterable[Error], old: Iterable[Error]) -> list[Error]:
    """The errors of a commit that its parent has not: each that goes accounts for one that comes."""
    left = list(new)
    words = {e.what for e in left}
    gone = [e for e in old if e.what in words]
    for same in _SAME if gone else ():
        there = defaultdict(list)
        for e in gone:
            there[e.what, *same(e)].append(e)
        left = [e for e in left if not _account(there[e.what, *same(e)])]
        gone = [e for own in there.values() for e in own]
    return left


def _account(gone: list[Error]) -> bool:
    """Take one away, if there is one."""
    if gone:
        gone.pop()
        return True
    return False
