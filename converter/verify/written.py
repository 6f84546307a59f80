"""A lifted pair as text: what is judged, and what an emitted script holds."""

from __future__ import annotations

from dataclasses import dataclass

Bindings = tuple[tuple[str, int, str, str], ...]
"""Of each input: column, turn, type, unit of a count; see converter.verify.judge."""


@dataclass(frozen=True, slots=True)
class Written:
    """title: the use; text: its expression in C; why: who asks for `unit`; before, after: the sources of the two
    functions of `inputs`; asked: that of the original with each use in the unit asked of it, '' where that is one;
    bits: of a word."""

    title: str
    text: str
    why: str
    before: str
    after: str
    inputs: tuple[str, ...]
    bindings: Bindings
    unit: str
    asked: str
    bits: int
