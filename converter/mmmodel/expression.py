"""Expressions of scenarios: whole numbers with the units of memory, names, and random choice.

"a + 3*PG"    "64K"    "0x10000000 + (i % 2) * 1G"    "rand(0, 512M, 4K)"
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from random import Random

from converter.mmmodel.geometry import parse_size

_SIZE = re.compile(r"(?<![\w.])(\d+[KMGT])\b")
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_LONGEST = 200  # characters: keeps what hand-written data can ask of the parser small


class ExpressionError(ValueError):
    """Why a text is no expression, or has no value."""


class Expression:
    """A parsed expression. Raises ExpressionError where the text is none."""

    def __init__(self, text: str | int) -> None:
        self.text = str(text)
        if len(self.text) > _LONGEST:
            raise ExpressionError(f"longer than {_LONGEST} characters")
        plain = _SIZE.sub(lambda size: str(parse_size(size[1])), self.text.strip())
        try:
            self._tree = ast.parse(plain, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ExpressionError(f"not an expression: {self.text!r}") from None
        self.names = frozenset(_names(self._tree, self.text))

    def value(self, names: Mapping[str, int], random: Random) -> int:
        """Its value. Raises ExpressionError for a division by zero or an empty range to choose from."""
        try:
            return self._value(self._tree, names, random)
        except ZeroDivisionError:
            raise ExpressionError(f"division by zero in {self.text!r}") from None

    def _value(self, node: ast.expr, names: Mapping[str, int], random: Random) -> int:
        match node:
            case ast.Constant(value=int(number)):
                return number
            case ast.Name(id=name):
                return names[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._value(operand, names, random)
            case ast.BinOp(left=left, op=op, right=right):
                return _OPERATORS[type(op)](self._value(left, names, random), self._value(right, names, random))
            case ast.Call(args=[low, high, step]):
                first, end, by = (self._value(each, names, random) for each in (low, high, step))
                if by <= 0 or end - first < by:
                    raise ExpressionError(f"nothing to choose from in {self.text!r}")
                return first + by * random.randrange((end - first) // by)
        raise AssertionError(ast.dump(node))


def _names(node: ast.expr, text: str) -> list[str]:
    """The names that it uses; refuses every construct that has no meaning here."""
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return []
        case ast.Name(id=name):
            return [name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _names(operand, text)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _names(left, text) + _names(right, text)
        case ast.Call(func=ast.Name(id="rand"), args=[low, high, step], keywords=[]):
            return _names(low, text) + _names(high, text) + _names(step, text)
    raise ExpressionError(f"not an expression: {text!r} (numbers, sizes, names, + - * // %, rand(low, high, step))")
