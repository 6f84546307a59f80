"""What lifting makes: values as Python code with their C type, inputs, and the function of an expression."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from converter.lift.ctypes import CType


class NotLifted(Exception):
    """Why an expression cannot be lifted, worded so that equal reasons can be counted."""


@dataclass(frozen=True, slots=True)
class Input:
    """A quantity that the expression takes as it is.

    text   its C
    guess  why the type is not as declared, worded so that equal reasons can be counted
    owner  of a field: the struct that it is in, where that is known
    """

    name: str
    text: str
    type: CType
    guess: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A Python expression for a C value.

    truth    it is a numpy bool
    literal  it is a bare number
    page     it is made of a page-size name alone: shift, size or mask
    terms    inputs that it is a sum of
    count    it is a count of pages, made of bytes by the page-size name at this offset (-1: it is not)
    """

    code: cst.BaseExpression
    type: CType
    truth: bool = False
    literal: int | None = None
    page: str = ""
    terms: frozenset[str] = frozenset()
    count: int = -1

    @property
    def simple(self) -> bool:
        return isinstance(self.code, (cst.Name, cst.Integer, cst.Attribute))


@dataclass(frozen=True, slots=True)
class Lifted:
    """The function, as libcst has it, its inputs in the order of its parameters, and the type of what it returns.

    `measures` says of an input, by its C, that it is bytes or a count: what a page-size name in the expression takes
    it for, and the offset of that name. `meets` are pairs of page-size names by whose unit one count is both made and
    used, and `scaled` inputs that are multiplied or shifted by something else: a size of entries, not a count of pages.
    """

    function: cst.FunctionDef
    inputs: tuple[Input, ...]
    type: CType
    measures: dict[str, tuple[str, int]]
    meets: frozenset[tuple[int, int]]
    scaled: frozenset[str]

    def source(self) -> str:
        return cst.Module([self.function]).code
