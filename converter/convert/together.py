"""Uses that stand in one expression: they change together or not at all, and in one patch.

Half of `(addr & ~PTE_MASK) + PAGE_SIZE` says less than none of it. Two uses are in one expression where nothing between
them parts values: no comma of a list, no `&&` or `||`, no end of a statement. The arguments of a macro that rounds or
compares (rules/arithmetic.toml) are one value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from converter.classify.record import Site
from converter.convert.lines import Lines
from converter.units.names import names

_FAR = 4
"""Lines that an expression with two uses spans, at most."""
_BEFORE = 3
"""Lines before a use in which the call around it begins, at most."""
_LITERAL = re.compile(rb'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)
_SIGN = re.compile(rb"(&&|\|\||[(){}\[\];,]|\n[ \t]*#)(?:\s*([A-Za-z_]))?")
"""What can part two uses, and a letter that follows: no operand begins behind `if (PAGE_SIZE)` or `x[PAGE_SIZE]`."""
_CALLED = re.compile(rb"(\w+)[ \t]*\($")


Place = tuple[str, int, int]
"""What Site.order() gives."""


@dataclass(frozen=True, slots=True)
class Together:
    """`held`: uses that stay as they are, each with the open use of its expression; `with_`: of each further use of an
    expression that changes in the same unit, the first one."""

    held: Mapping[Place, Site]
    with_: Mapping[Place, Site]


def together(
    wanted: Mapping[str, Sequence[Site]], left: Mapping[str, Sequence[Site]], lines_of: Callable[[str], Lines | None]
) -> Together:
    """What belongs together of the uses that are to change, by path, and of the open ones that are not."""
    held: dict[Place, Site] = {}
    with_: dict[Place, Site] = {}
    for path, own in wanted.items():
        open_ = {s.order() for s in left.get(path, ())}
        sites = sorted([*own, *left.get(path, ())], key=Site.order)
        if not _worth(sites, open_):
            continue
        lines = lines_of(path)
        for uses in _expressions(lines, sites) if lines is not None else ():
            other = next((s for s in uses if s.order() in open_), None)
            first: dict[str | None, Site] = {}
            for s in uses:
                if other is not None and s.order() not in open_:
                    held[s.order()] = other
                elif other is None and first.setdefault(s.unit, s) is not s:
                    with_[s.order()] = first[s.unit]
    return Together(held, with_)


def _worth(sites: Sequence[Site], open_: Iterable[Place]) -> bool:
    """Can two uses that would part be in one expression: an open one and another, or two of different roles?"""
    return any(
        b.line - a.line <= _FAR and (a.role != b.role or (a.order() in open_) != (b.order() in open_))
        for a, b in pairwise(sites)
    )


def _expressions(lines: Lines, sites: Sequence[Site]) -> list[list[Site]]:
    """The uses of a file, in order, by the expression that they stand in."""
    found: list[list[Site]] = []
    for s in sites:
        if found and _joined(lines, found[-1][-1], s):
            found[-1].append(s)
        else:
            found.append([s])
    return found


def _joined(lines: Lines, a: Site, b: Site) -> bool:
    if b.line - a.line > _FAR:
        return False
    start = a.col - 1
    text = b"".join(lines[a.line - 1 : b.line])
    text = _LITERAL.sub(b" ", text[start + len(a.macro) : len(text) - len(lines[b.line - 1]) + b.col - 1])
    depth = lowest = 0
    parted = commas = False
    for m in _SIGN.finditer(text):
        sign = m[1]
        if sign in b"([":
            depth += 1
        elif sign in b")]":
            depth -= 1
            if m[2] and (sign == b"]" or depth < lowest):
                return False
            if depth < lowest:
                lowest, parted, commas = depth, False, False
        elif sign in (b"&&", b"||"):
            parted = parted or depth == lowest
        elif sign == b",":
            commas = commas or depth == lowest
        else:
            return False
    if parted or not commas:
        return not parted
    before = b"".join([*lines[max(0, a.line - 1 - _BEFORE) : a.line - 1], lines[a.line - 1][:start]])
    return _call(_LITERAL.sub(b" ", before), 1 - lowest) in _combining()


def _call(text: bytes, up: int) -> bytes:
    """The name of the call whose parenthesis is the `up`-th that is open at the end of the text; else nothing."""
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        sign = text[at : at + 1]
        if sign in (b")", b"]"):
            depth += 1
        elif sign in (b"(", b"["):
            depth -= 1
            if depth == -up:
                called = _CALLED.search(text[: at + 1])
                return called[1] if called else b""
        elif sign in (b";", b"{", b"}"):
            break
    return b""


@cache
def _combining() -> frozenset[bytes]:
    """Macros and functions whose arguments are one value."""
    known = names("pte-pg")
    return frozenset(
        n.encode() for n in (*known.choice, *known.round, *known.predicate, *known.divide, *known.multiply)
    )
