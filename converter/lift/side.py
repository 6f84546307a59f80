"""The texts that are lifted: a part of a file, as it stands before a conversion and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converter.csource.normalise import normalise
from converter.csource.pieces import Source
from converter.lift.helpers import one_word, parser
from converter.lift.scope import Declarations, Scope

_PREFIX, _SUFFIX = b"void _(void){", b"\n;}"


@dataclass(slots=True)
class Text:
    """A part of a file that is parsed by itself: `base` is the offset in the file of its first byte."""

    text: bytes
    base: int


def text_at(source: Source, offset: int, macro: bytes) -> Text | None:
    """What is parsed for a use at an offset of a file: its function or declaration, or the body of its directive; None
    where it is in the text of another directive."""
    directive = source.directive_at(offset)
    if directive is None:
        piece = source.piece_at(offset)
        for variant in source.variants(piece):
            inside = offset - piece.start
            if variant[inside : inside + len(macro)] == macro:
                return Text(one_word(normalise(variant)), piece.start)
        return None
    if directive.keyword not in (b"define", b"if", b"elif"):
        return None
    start = directive.body
    if directive.keyword == b"define":
        head = source.masked[directive.body : directive.end]
        start += _head(head)
    body = source.masked[start : directive.end].replace(b"\\", b" ")
    return Text(_PREFIX + one_word(body) + _SUFFIX, start - len(_PREFIX))


def _head(text: bytes) -> int:
    """Length of the name and parameters that a #define begins with."""
    n = len(text) - len(text.lstrip())
    while n < len(text) and (text[n : n + 1].isalnum() or text[n : n + 1] == b"_"):
        n += 1
    if text[n : n + 1] == b"(":
        n = text.find(b")", n) + 1
    return n


class Side:
    """One side of a conversion: a text, its tree, and where each byte of it stood before."""

    def __init__(self, text: bytes, moves: Sequence[tuple[int, int]], known: Declarations) -> None:
        self.text = text
        self.root = parser().parse(text).root_node
        self.scope = Scope(self.root, text, known)
        self.moves = moves  # (offset from which on, bytes longer), in order

    def here(self, original: int) -> int:
        """Where a byte of the original text stands."""
        return original + sum(by for at, by in self.moves if at < original)

    def before(self, offset: int) -> int:
        """Where a byte of this text stood in the original."""
        moved = 0
        for at, by in self.moves:
            if offset - moved > at:
                moved += by
        return offset - moved
