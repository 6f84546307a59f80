"""Level `arithmetic`, of what defines the names: PTE_MASK and PG_MASK have the value and the type that PAGE_MASK has.

Types matter where words have 32 bits: a mask that a patch makes unsigned cuts off the upper half of an address of 64
bits, and nothing at its uses says so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from tree_sitter import Node

from converter.csource.pieces import Source
from converter.csource.text import Lines
from converter.lift.ctypes import CType
from converter.lift.datamodel import DataModel, models_of
from converter.lift.lower import Lower
from converter.lift.reading import attribute, reading
from converter.lift.scope import Declarations
from converter.lift.side import Side, enclosed
from converter.lift.value import Lifted, NotLifted
from converter.verify.arithmetic import verdict
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item
from converter.vocabulary import UNITS, Scheme

DEFINED = ("PAGE_SIZE", "PAGE_MASK")
_CONSTANTS = ("PAGE_SHIFT", *DEFINED)
_HEAD = re.compile(rb"[ \t]*(\w+)[ \t]+")
OPEN = "defined with what is not known here"

Body = tuple[int, bytes]
"""Line of a #define, and what it says."""


def run(before: Mapping[str, bytes], after: Mapping[str, bytes], chosen: Scheme) -> list[Item]:
    """An item for each definition that the files of `after` have beside one of the family in the same file of `before`,
    with each data model of kernels that the file is a part of."""
    items: list[Item] = []
    for path in sorted(after):
        if path.endswith(".h"):
            items += _file(path, _bodies(before.get(path, b"")), _bodies(after[path]), chosen)
    return items


def _file(path: str, old: Mapping[str, list[Body]], new: Mapping[str, list[Body]], chosen: Scheme) -> Iterator[Item]:
    for name in DEFINED:
        for unit in UNITS:
            made = chosen.names[name][unit]
            if made == name or not old.get(name) or not new.get(made):
                continue
            what = f"#define {name} -> {made}"
            if len(old[name]) != len(new[made]):
                yield Item(path, new[made][0][0], NOT_COVERED, what, "defined more often or less often than before")
                continue
            for (_, a), (line, b) in zip(old[name], new[made], strict=True):
                found = [_judged(path, line, what, a, b, unit, chosen, model) for model in models_of(path)]
                yield min(found, key=lambda i: (FAILED, PASSED, NOT_COVERED).index(i.outcome))


def _judged(path: str, line: int, what: str, a: bytes, b: bytes, unit: str, chosen: Scheme, model: DataModel) -> Item:
    try:
        before = _lifted(a, {n: n for n in _CONSTANTS}, "before", chosen, model)
        after = _lifted(
            b, {chosen.names[n][u]: attribute(n, u) for n in _CONSTANTS for u in UNITS}, "after", chosen, model
        )
    except NotLifted as why:
        return Item(path, line, NOT_COVERED, what, str(why))
    text = f"{a.decode('utf-8', 'replace')}  ->  {b.decode('utf-8', 'replace')}"
    if before.type != after.type:
        detail = f"{text}\n{model.bits}-bit words: {_words(before.type)} becomes {_words(after.type)}"
        return Item(path, line, FAILED, what, "has another type than before", detail)
    v = verdict(before.source(), after.source(), (), (), unit, "", model.bits)
    return Item(path, line, v.outcome, what, v.why, f"{text}\n{v.detail}" if v.outcome == FAILED else "")


def _lifted(body: bytes, constants: Mapping[str, str], name: str, chosen: Scheme, model: DataModel) -> Lifted:
    """The value of a definition. Raises NotLifted."""
    text = enclosed(body)
    side = Side(text.text, Declarations())

    def family(node: Node) -> str | None:
        return constants.get(side.scope.raw(node))

    top = side.root.descendant_for_byte_range(-text.base, -text.base + len(body))
    if top is None or side.root.has_error:
        raise NotLifted(OPEN)
    lower = Lower(side.scope, reading(chosen.scheme, family, side.scope.raw, model))
    made = lower.function(name, lower.value(top))
    if made.inputs:
        raise NotLifted(OPEN)
    return made


def _bodies(content: bytes) -> dict[str, list[Body]]:
    """The definitions of constants in a file, by name, in order."""
    source, lines = Source(content), Lines(content)
    found: defaultdict[str, list[Body]] = defaultdict(list)
    for d in source.directives:
        m = _HEAD.match(source.masked, d.body, d.end) if d.keyword == b"define" else None
        if m is not None:
            found[m[1].decode("latin-1")].append((lines.number(d.start), source.masked[m.end() : d.end].strip()))
    return found


def _words(t: CType) -> str:
    return f"{'signed' if t.signed else 'unsigned'} of {t.bits} bits"
