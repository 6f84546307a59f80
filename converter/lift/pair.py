"""The expression around a use, before and after its conversion, as two Python functions of the same inputs.

The expression is the largest one without side effects that is one computation: the operands of && and || are
expressions of their own, since only their truth goes on. `x += PAGE_SIZE` is read as the value that x takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tree_sitter import Node

from converter.classify.record import Site
from converter.csource.assembler import comment_start
from converter.csource.pieces import Source
from converter.csource.text import Lines
from converter.lift.alignment import Alignment, renamed
from converter.lift.arithmetic import converted
from converter.lift.assembly import operand
from converter.lift.ctypes import CType
from converter.lift.datamodel import DataModel, lp64, models_of
from converter.lift.extent import largest, sink, smaller, target
from converter.lift.lower import Lower
from converter.lift.reading import Reading, meaning, reading
from converter.lift.rewritten import After, Rewritten
from converter.lift.scope import Declarations
from converter.lift.side import Side, Text, enclosed, text_at
from converter.lift.value import Lifted, NotLifted
from converter.vocabulary import Scheme, vocabulary

REWRITTEN = "the series rewrites the expression"


@dataclass(frozen=True, slots=True)
class Pair:
    """The two functions of one expression, on a kernel of one data model.

    text      its C
    sink      what takes its value
    sites     the uses in it, those of locals that it is resolved to included
    offsets   of the sites, as Lifted.measures counts them
    asked     the original with each use in the unit that is asked of it, where these are not all one
    """

    path: str
    line: int
    function: str
    model: DataModel
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
    model: DataModel


def pairs(
    path: str,
    content: bytes,
    sites: Sequence[Site],
    decided: Iterable[Site],
    chosen: Scheme,
    known: Declarations,
    units: Mapping[tuple[str, int, int], str],
    written: Rewritten | None = None,
) -> Iterator[tuple[Pair | Uncovered, ...]]:
    """Of each of `sites`, uses of the file, a Pair or Uncovered for each data model that the file is built with.

    decided  all of its uses that are converted
    units    what is asked of a use, by Site.order()
    written  the file as a series leaves it; without it, the file with the new names in place of the uses alone
    """
    models = models_of(path)
    if not path.endswith((".c", ".h")):
        yield from _assembled(path, content, sites, decided, chosen, units, written)
        return
    source, lines = Source(content), Lines(content)
    offsets = {lines.span(s.line) + s.col - 1: s for s in decided}
    at = {s.order(): o for o, s in offsets.items()}
    after = After(content, written, offsets, chosen) if written is not None else None
    made: dict[int, _Piece] = {}
    for s in sites:
        offset = at[s.order()]
        text = text_at(source, offset, s.macro.encode())
        if text is None:
            yield (Uncovered(s, "in the text of a preprocessor line", models[0]),)
            continue
        try:
            if text.base not in made:
                made[text.base] = _Piece(path, text, offsets, chosen, known, units, after)
        except NotLifted as why:
            yield (Uncovered(s, str(why), models[0]),)
        except RecursionError:
            yield (Uncovered(s, "nested too deeply", models[0]),)
        else:
            yield tuple(_tried(made[text.base], s, offset - text.base, model) for model in models)


def _assembled(
    path: str,
    content: bytes,
    sites: Sequence[Site],
    decided: Iterable[Site],
    chosen: Scheme,
    units: Mapping[tuple[str, int, int], str],
    written: Rewritten | None,
) -> Iterator[tuple[Pair | Uncovered, ...]]:
    """As pairs(), of assembler and linker scripts: what they compute has 64 bits, whatever the machine."""
    linker = path.endswith((".lds", ".lds.S"))
    source, lines, model = Source(content, True, comment_start(path)), Lines(content), lp64()
    at = {lines.span(s.line) + s.col - 1: s for s in decided}
    own = {s.order(): o for o, s in at.items()}
    after = After(content, written, at, chosen) if written is not None else None
    for s in sites:
        offset = own[s.order()]
        directive = source.directive_at(offset)
        found = operand(source.masked, offset, linker, directive.keyword if directive is not None else b"")
        if found is None or vocabulary().names[s.macro].form == "call":
            yield (Uncovered(s, "no expression of the assembler", model),)
        elif after is not None and not after.kept(content, offset):
            yield (Uncovered(s, REWRITTEN, model),)
        else:
            text = enclosed(found.c)
            places = {p - text.base: at[o] for o, p in found.uses if o in at}
            here = next(p for o, p in found.uses if o == offset) - text.base
            piece = _Piece(path, replace(text, base=0), places, chosen, Declarations(), units, None)
            made = _tried(piece, s, here, model)
            yield (replace(made, text=found.text, sink=found.taker) if isinstance(made, Pair) else made,)


def _tried(piece: _Piece, site: Site, offset: int, model: DataModel) -> Pair | Uncovered:
    try:
        return piece.pair(site, offset, model)
    except NotLifted as why:
        return Uncovered(site, str(why), model)
    except RecursionError:
        return Uncovered(site, "nested too deeply", model)


def _new(site: Site) -> bytes:
    """The word that stands in a use's place after the conversion."""
    return (site.replacement or site.macro).encode()


class _Piece:
    """A function, macro or declaration on both sides."""

    def __init__(
        self,
        path: str,
        text: Text,
        offsets: Mapping[int, Site],
        chosen: Scheme,
        known: Declarations,
        units: Mapping[tuple[str, int, int], str],
        after: After | None,
    ) -> None:
        self.units = units
        self.path = path
        self.scheme = chosen
        self.sites = {
            o - text.base: s
            for o, s in sorted(offsets.items())
            if o - text.base >= 0 and text.text[o - text.base : o - text.base + len(s.macro)] == s.macro.encode()
        }
        self.old = Side(text.text, known)
        self.new = self._renamed(text.text, self.sites, known) if after is None else self._rewritten(text, known, after)

    def _renamed(
        self, text: bytes, sites: Mapping[int, Site], known: Declarations, places: Alignment | None = None
    ) -> Side:
        """A text with the new names in place of its uses; `places`: where the original stands in it, if another."""
        out, last = b"", 0
        for o, s in sites.items():
            out += text[last:o] + _new(s)
            last = o + len(s.macro)
        named = renamed([(o, len(s.macro), len(_new(s))) for o, s in sites.items()], len(text))
        words = [(named.forward(o), named.forward(o + len(s.macro)), s.macro.encode()) for o, s in sites.items()]
        if places is None:
            return Side(out + text[last:], known, named.forward, named.back, words)

        def here(offset: int) -> int:
            at = places.forward(offset)
            return named.forward(at) if at >= 0 else -1

        def before(offset: int) -> int:
            at = named.back(offset)
            return places.back(at) if at >= 0 else -1

        return Side(out + text[last:], known, here, before, words)

    def _rewritten(self, text: Text, known: Declarations, after: After) -> Side:
        """The piece of a rewritten file in which the uses of this one are."""
        for o, s in self.sites.items():
            at = after.places.forward(text.base + o)
            found = text_at(after.source, at, s.macro.encode()) if at >= 0 else None
            if found is not None:
                break
        else:
            raise NotLifted(REWRITTEN)
        places = after.places.within(text.base, found.base)
        sites = {places.forward(o): s for o, s in self.sites.items() if 0 <= places.forward(o) < len(found.text)}
        return self._renamed(found.text, dict(sorted(sites.items())), known, places)

    def pair(self, site: Site, offset: int, model: DataModel) -> Pair:
        """The pair around the use at an offset of the original text. Raises NotLifted."""
        leaf = self.old.root.descendant_for_byte_range(offset, offset + len(site.macro))
        if leaf is None or leaf.type not in ("identifier", "field_identifier"):
            raise NotLifted("no expression of C as the parser reads it")
        top = largest(leaf, self.old)
        try:
            return self._lifted(site, top, model)
        except NotLifted:
            inner = smaller(leaf, top)
            if inner is None:
                raise
            return self._lifted(site, inner, model)

    def _lifted(self, site: Site, top: Node, model: DataModel) -> Pair:
        used: set[int] = set()
        before = self._side(self.old, top, "page", used, model)
        start, end = self.new.here(top.start_byte), self.new.here(top.end_byte)
        if start < 0 or end < start:
            raise NotLifted(REWRITTEN)
        other = self.new.root.descendant_for_byte_range(start, end)
        if other is None or other.type != top.type:
            raise NotLifted("the converted text is read as something else")
        again: set[int] = set()
        after = self._side(self.new, other, "", again, model)
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
            asked = self._side(self.old, top, "asked", set(), model)
        return Pair(
            self.path,
            site.line,
            site.function or "",
            model,
            text,
            sink(top, self.old),
            before,
            after,
            sites,
            tuple(sorted(used)),
            asked,
        )

    def _side(self, side: Side, top: Node, kernel: str, used: set[int], model: DataModel) -> Lifted:
        """`kernel`: page, the original; asked, with the units that are asked; '', the converted text."""
        lower = Lower(side.scope, self._reading(side, kernel, used, model), lambda source: self._has_open(side, source))
        if top.type == "assignment_expression":
            left, right = top.child_by_field_name("left"), top.child_by_field_name("right")
            sign = top.child_by_field_name("operator")
            if left is None or right is None or sign is None:
                raise NotLifted("not an expression")
            a = lower.opaque(left) if left.type != "identifier" else lower.value(left)
            value = lower.operate(sign.type[:-1], a, lower.value(right))
            taken: CType | None = a.type
        else:
            value = lower.value(top)
            taken = target(top, side, model)
        if taken is not None and not (value.type.pointer and taken.pointer):
            value = converted(value, taken)
        return lower.function("before" if kernel else "after", value)

    def _reading(self, side: Side, kernel: str, used: set[int], model: DataModel) -> Reading:
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

        made = reading(self.scheme.scheme, named, side.original, model)
        return made

    def _has_open(self, side: Side, source: Node) -> bool:
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
