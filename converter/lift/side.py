"""The texts that are lifted: a part of a file, as it stands before a conversion and after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tree_sitter import Node

from converter.csource.normalise import normalise
from converter.csource.pieces import Source
from converter.lift.helpers import one_word, parser
from converter.lift.scope import Declarations, Scope

Place = Callable[[int], int]
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


def enclosed(expression: bytes) -> Text:
    """An expression that stands in no file, as a text to parse; it begins at offset 0."""
    return Text(_PREFIX + expression + _SUFFIX, -len(_PREFIX))


def _head(text: bytes) -> int:
    """Length of the name and parameters that a #define begins with."""
    n = len(text) - len(text.lstrip())
    while n < len(text) and (text[n : n + 1].isalnum() or text[n : n + 1] == b"_"):
        n += 1
    if text[n : n + 1] == b"(":
        n = text.find(b")", n) + 1
    return n


class Side:
    """One side of a conversion: a text, its tree, and where each byte of it stands in the original.

    here    where a byte of the original stands in this text; -1 where it has no counterpart
    before  where a byte of this text stood in the original; -1 where it had no counterpart
    words   words of the original in place of this text's, by offset of this text: start, end, word
    """

    def __init__(
        self,
        text: bytes,
        known: Declarations,
        here: Place = lambda offset: offset,
        before: Place = lambda offset: offset,
        words: Sequence[tuple[int, int, bytes]] = (),
    ) -> None:
        self.text = text
        self.here = here
        self.before = before
        self.words = words
        self.root = parser().parse(text).root_node
        self.scope = Scope(self.root, text, known)

    def original(self, node: Node) -> str:
        """The C of a node, with the names of the original."""
        out, last = b"", node.start_byte
        for start, end, word in self.words:
            if last <= start and end <= node.end_byte:
                out += self.text[last:start] + word
                last = end
        return " ".join((out + self.text[last : node.end_byte]).decode("utf-8", "replace").split())
