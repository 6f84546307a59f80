"""The expression around a use, before and after its conversion, as two Python functions of the same inputs.

The expression is the largest one without side effects that is one computation: the operands of && and || are
expressions of their own, since only their truth goes on. `x += PAGE_SIZE` is read as the value that x takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tree_sitter import Node

from converter.classify.record import Site
from converter.csource.normalise import normalise
from converter.csource.pieces import Source
from converter.csource.text import Lines
from converter.lift import ctypes
from converter.lift.ctypes import CType
from converter.lift.helpers import helpers, one_word, parser
from converter.lift.lower import Lifted, Lower, NotLifted, Reading
from converter.lift.reading import meaning, reading
from converter.lift.scope import Declarations, Scope
from converter.vocabulary import Scheme, vocabulary

_PREFIX, _SUFFIX = b"void _(void){", b"\n;}"
_BINARY_STOPS = ("&&", "||")
WIDEST = 24
"""Levels of syntax that are climbed from a use: what is above is no longer one thought."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two functions of one expression.

    text      its C
    sink      what takes its value
    sites     the uses in it, those of locals that it is resolved to included
    offsets   of the sites, as Lifted.measures counts them
    asked     the original with each use in the unit that is asked of it, where these are not all one
    """

    path: str
    line: int
    function: str
    text: str
    sink: str
    before: Lifted
    after: Lifted
    sites: tuple[Site, ...]
    offsets: tuple[int, ...]
    asked: Lifted | None = None


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A use that has no pair, and why, worded so that equal reasons can be counted."""

    site: Site
    why: str


@dataclass(slots=True)
class _Text:
    """A part of a file that is parsed by itself: `base` is the offset in the file of its first byte."""

    text: bytes
    base: int


class _Side:
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


def pairs(
    path: str,
    content: bytes,
    sites: Sequence[Site],
    decided: Iterable[Site],
    chosen: Scheme,
    known: Declarations,
    units: Mapping[tuple[str, int, int], str],
) -> Iterator[Pair | Uncovered]:
    """A Pair or Uncovered for each of `sites`, uses of the file.

    decided  all of its uses that are converted
    units    what is asked of a use, by Site.order()
    """
    if not path.endswith((".c", ".h")):
        yield from (Uncovered(s, "assembler or linker script") for s in sites)
        return
    source, lines = Source(content), Lines(content)
    offsets = {lines.span(s.line) + s.col - 1: s for s in decided}
    at = {s.order(): o for o, s in offsets.items()}
    made: dict[int, _Piece | None] = {}
    for s in sites:
        offset = at[s.order()]
        text = _text_at(source, offset, s.macro.encode())
        if text is None:
            yield Uncovered(s, "in the text of a preprocessor line")
            continue
        if text.base not in made:
            made[text.base] = _Piece(path, text, offsets, chosen, known, units)
        piece = made[text.base]
        assert piece is not None
        try:
            yield piece.pair(s, offset - text.base)
        except NotLifted as why:
            yield Uncovered(s, str(why))
        except RecursionError:
            yield Uncovered(s, "nested too deeply")


def _text_at(source: Source, offset: int, macro: bytes) -> _Text | None:
    directive = source.directive_at(offset)
    if directive is None:
        piece = source.piece_at(offset)
        for variant in source.variants(piece):
            inside = offset - piece.start
            if variant[inside : inside + len(macro)] == macro:
                return _Text(one_word(normalise(variant)), piece.start)
        return None
    if directive.keyword not in (b"define", b"if", b"elif"):
        return None
    start = directive.body
    if directive.keyword == b"define":
        head = source.masked[directive.body : directive.end]
        start += _head(head)
    body = source.masked[start : directive.end].replace(b"\\", b" ")
    return _Text(_PREFIX + one_word(body) + _SUFFIX, start - len(_PREFIX))


def _head(text: bytes) -> int:
    """Length of the name and parameters that a #define begins with."""
    n = len(text) - len(text.lstrip())
    while n < len(text) and (text[n : n + 1].isalnum() or text[n : n + 1] == b"_"):
        n += 1
    if text[n : n + 1] == b"(":
        n = text.find(b")", n) + 1
    return n


class _Piece:
    """A function, macro or declaration on both sides."""

    def __init__(
        self,
        path: str,
        text: _Text,
        offsets: Mapping[int, Site],
        chosen: Scheme,
        known: Declarations,
        units: Mapping[tuple[str, int, int], str],
    ) -> None:
        self.units = units
        self.path = path
        self.scheme = chosen
        self.sites = {
            o - text.base: s
            for o, s in sorted(offsets.items())
            if o - text.base >= 0 and text.text[o - text.base : o - text.base + len(s.macro)] == s.macro.encode()
        }
        out, last, moves = b"", 0, []
        for o, s in self.sites.items():
            new = (s.replacement or s.macro).encode()
            out += text.text[last:o] + new
            last = o + len(s.macro)
            if len(new) != len(s.macro):
                moves.append((o, len(new) - len(s.macro)))
        self.old = _Side(text.text, (), known)
        self.new = _Side(out + text.text[last:], moves, known)

    def pair(self, site: Site, offset: int) -> Pair:
        """The pair around the use at an offset of the original text. Raises NotLifted."""
        leaf = self.old.root.descendant_for_byte_range(offset, offset + len(site.macro))
        if leaf is None or leaf.type not in ("identifier", "field_identifier"):
            raise NotLifted("no expression of C as the parser reads it")
        while True:
            top = _largest(leaf, self.old)
            try:
                return self._lifted(site, top)
            except NotLifted:
                smaller = _smaller(leaf, top)
                if smaller is None:
                    raise
                leaf_top = smaller
                return self._lifted(site, leaf_top)

    def _lifted(self, site: Site, top: Node) -> Pair:
        used: set[int] = set()
        before = self._side(self.old, top, "page", "before", used)
        other = self.new.root.descendant_for_byte_range(self.new.here(top.start_byte), self.new.here(top.end_byte))
        if other is None or other.type != top.type:
            raise NotLifted("the converted text is read as something else")
        again: set[int] = set()
        after = self._side(self.new, other, "", "after", again)
        if used != again:
            raise NotLifted("the converted text is read as something else")
        if not used:
            raise NotLifted("the use is in a part that stays as it is")
        sites = tuple(self.sites[o] for o in sorted(used))
        if site not in sites:
            raise NotLifted("the use is in a part that stays as it is")
        text = self.old.scope.raw(top)
        asked = None
        if len({self.units.get(s.order()) for s in sites}) > 1:
            asked = self._side(self.old, top, "asked", "before", set())
        return Pair(
            self.path,
            site.line,
            site.function or "",
            text,
            _sink(top, self.old),
            before,
            after,
            sites,
            tuple(sorted(used)),
            asked,
        )

    def _side(self, side: _Side, top: Node, kernel: str, name: str, used: set[int]) -> Lifted:
        lower = Lower(side.scope, self._reading(side, kernel, used), lambda source: self._has_open(side, source))
        if top.type == "assignment_expression":
            left, right = top.child_by_field_name("left"), top.child_by_field_name("right")
            sign = top.child_by_field_name("operator")
            if left is None or right is None or sign is None:
                raise NotLifted("not an expression")
            a = lower.opaque(left) if left.type != "identifier" else lower.value(left)
            value = lower.operate(sign.type[:-1], a, lower.value(right))
            target: CType | None = a.type
        else:
            value = lower.value(top)
            target = _target(top, side)
        if target is not None and not (value.type.pointer and target.pointer):
            value = lower.converted(value, target)
        return lower.function(name, value)

    def _reading(self, side: _Side, kernel: str, used: set[int]) -> Reading:
        names = vocabulary().names

        def named(node: Node) -> str | None:
            word = side.text[node.start_byte : node.end_byte].decode("utf-8", "replace")
            start = side.before(node.start_byte)
            site = self.sites.get(start)
            if site is not None:
                unit = kernel or (self.scheme.unit_written(word) if word != site.macro else site.unit) or ""
                if kernel == "asked":
                    unit = self.units.get(site.order()) or site.unit or ""
                found = meaning(site.macro, unit)
                if found is not None:
                    used.add(start)
                    made.last = start
                    return found
            elif word in names and names[word].kind in (
                "size",
                "shift",
                "mask",
                "rounding",
                "predicate",
                "offset",
                "count",
                "order",
            ):
                return ""
            return None

        def origin(node: Node) -> str:
            a, b = side.before(node.start_byte), side.before(node.end_byte)
            return " ".join(self.old.text[a:b].decode("utf-8", "replace").split())

        made = reading(self.scheme.scheme, named, origin)
        return made

    def _has_open(self, side: _Side, source: Node) -> bool:
        """Does a local's value hold a use that stays as it is?"""
        names = vocabulary().names
        stack = [source]
        while stack:
            node = stack.pop()
            if node.type == "identifier":
                word = side.text[node.start_byte : node.end_byte].decode("utf-8", "replace")
                if side.before(node.start_byte) not in self.sites and word in names:
                    return True
            stack.extend(node.named_children)
        return False


def _largest(leaf: Node, side: _Side) -> Node:
    """The top of the expression around a leaf, or the assignment whose value it makes."""
    cur, parent = leaf, leaf.parent
    for _ in range(WIDEST):
        if parent is None:
            return cur
        t = parent.type
        if t == "argument_list":
            call = parent.parent
            if call is None or call.type != "call_expression" or not _known_call(call, side):
                return cur
            cur, parent = call, call.parent
            continue
        if t == "call_expression":
            if parent.child_by_field_name("function") != cur:
                return cur
        elif t == "binary_expression":
            sign = parent.child_by_field_name("operator")
            if sign is None or sign.type in _BINARY_STOPS:
                return cur
        elif t == "assignment_expression":
            sign, right = parent.child_by_field_name("operator"), parent.child_by_field_name("right")
            if sign is not None and right == cur and sign.type != "=" and sign.type[:-1]:
                return parent
            return cur
        elif t == "cast_expression":
            type_ = parent.child_by_field_name("type")
            if type_ is None or ctypes.parse(side.scope.raw(type_)) is None:
                return cur
        elif t not in ("parenthesized_expression", "unary_expression", "conditional_expression"):
            return cur
        cur, parent = parent, parent.parent
    return cur


def _smaller(leaf: Node, top: Node) -> Node | None:
    """The operation next to the leaf, where the whole cannot be lifted."""
    cur = leaf
    while cur.parent is not None and cur.parent != top and cur != top:
        if cur.parent.type == "argument_list":
            return cur if cur != leaf else None
        if cur.parent.type in ("binary_expression", "call_expression"):
            return cur.parent
        cur = cur.parent
    return None


def _known_call(call: Node, side: _Side) -> bool:
    """Is it a call of a macro that only computes?"""
    function = call.child_by_field_name("function")
    if function is None:
        return False
    name = side.scope.raw(function)
    if function.type == "parenthesized_expression":
        return ctypes.parse(name[1:-1]) is not None  # a cast that is read as a call
    return name in helpers() and (name not in side.scope.variables)


def _target(top: Node, side: _Side) -> CType | None:
    """The type that the value is converted to by what takes it."""
    parent = top.parent
    if parent is None:
        return None
    if parent.type == "init_declarator":
        declarator = parent.child_by_field_name("declarator")
        if declarator is not None and parent.parent is not None and declarator.type == "identifier":
            type_ = parent.parent.child_by_field_name("type")
            return ctypes.parse(side.scope.raw(type_)) if type_ is not None else None
    if parent.type == "assignment_expression":
        left = parent.child_by_field_name("left")
        return side.scope.ctype(left) if left is not None and left != top else None
    if parent.type == "return_statement":
        return ctypes.parse(side.scope.result) if side.scope.result.strip() not in ("", "void") else None
    return None


def _sink(top: Node, side: _Side) -> str:
    """What takes the value, in a few words of C."""
    parent = top.parent
    if parent is None:
        return ""
    if parent.type == "argument_list" and parent.parent is not None:
        function = parent.parent.child_by_field_name("function")
        return f"{side.scope.raw(function)}()" if function is not None else ""
    named = parent.child_by_field_name("left") or parent.child_by_field_name("declarator")
    if named is not None and named != top:
        return side.scope.raw(named)[:60]
    return "return" if parent.type == "return_statement" else ""
