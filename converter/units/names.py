"""What the walk over the source recognises: the family, a scheme's own names, hints, and rules/arithmetic.toml."""

from __future__ import annotations

import re
from functools import cache

from converter import data, toml
from converter.units.quantities import Names
from converter.units.signatures import signatures
from converter.vocabulary import scheme, vocabulary


class _Silent(toml.Entry, frozen=True):
    pattern: str


class _ArithmeticFile(toml.Entry, frozen=True):
    class _List(toml.Entry, frozen=True):
        names: tuple[str, ...]

    through: dict[str, int]
    choice: dict[str, list[int]]
    round: _List
    predicate: _List
    divide: _List
    multiply: _List
    shift: _List
    typed: dict[str, int]
    variables: dict[str, str]
    silent: _Silent


@cache
def names(scheme_name: str) -> Names:
    """What the extractor recognises: the family and, as known units, the scheme's own names."""
    arithmetic = toml.load(data.path("rules/arithmetic.toml"), _ArithmeticFile)
    known = signatures()
    vocab = vocabulary()
    family: dict[bytes, tuple[str, str, str | None]] = {}
    chosen = scheme(scheme_name)
    for n in vocab.names.values():
        for unit, converted in chosen.names[n.name].items():
            if converted not in vocab.names and n.kind != "config":
                family[converted.encode()] = (n.kind, n.result, unit)
    for n in vocab.names.values():
        if n.kind != "config":
            family[n.name.encode()] = (n.kind, n.result, None)

    hints = [(pattern.fullmatch, key) for pattern, key in known.names]

    @cache
    def hint(name: str) -> str | None:
        for fits, key in hints:
            if fits(name):
                return key
        return None

    silent_pattern = re.compile(arithmetic.silent.pattern)

    @cache
    def silent(name: str) -> bool:
        return silent_pattern.fullmatch(name) is not None

    types = known.types

    def type_hint(type_: str, depth: int) -> str | None:
        return types.get((type_, depth))

    return Names(
        family, arithmetic.through, arithmetic.choice, frozenset(arithmetic.round.names),
        frozenset(arithmetic.predicate.names), frozenset(arithmetic.divide.names),
        frozenset(arithmetic.multiply.names), frozenset(arithmetic.shift.names), arithmetic.typed,
        arithmetic.variables, known.relations, hint, type_hint, silent,
    )  # fmt: skip
