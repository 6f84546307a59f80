"""C's operators on lifted values: every conversion that C makes without saying so is written down."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from converter.lift import ctypes
from converter.lift.code import binary, call, nested
from converter.lift.ctypes import BOOL, INT, CType
from converter.lift.value import NotLifted, Value

_ARITHMETIC: dict[str, type[cst.BaseBinaryOp]] = {
    "+": cst.Add, "-": cst.Subtract, "*": cst.Multiply, "&": cst.BitAnd, "|": cst.BitOr, "^": cst.BitXor,
}  # fmt: skip
COMPARE: dict[str, type[cst.BaseCompOp]] = {
    "<": cst.LessThan, ">": cst.GreaterThan, "<=": cst.LessThanEqual, ">=": cst.GreaterThanEqual,
    "==": cst.Equal, "!=": cst.NotEqual,
}  # fmt: skip
SHIFTS = {"<<": "shl", ">>": "shr"}


def converted(v: Value, t: CType) -> Value:
    """v as C converts it to type t."""
    if t == BOOL:
        return replace(v, type=BOOL) if v.truth else Value(truth(v), BOOL, truth=True)
    if v.literal is not None and t.holds(v.literal):
        return replace(v, type=t)
    code = full(v)
    return replace(v, code=code if v.type.name == t.name else call(t.name, code), type=t, truth=False, literal=None)


def full(v: Value) -> cst.BaseExpression:
    """Code that has v's dtype for sure: a bare number takes that of its neighbour."""
    return call(v.type.name, v.code) if v.literal is not None or v.truth else v.code


def truth(v: Value) -> cst.BaseExpression:
    """Is v not zero?"""
    return v.code if v.truth else call("true", full(v))


def negative(v: Value) -> Value:
    """-v"""
    v = converted(v, ctypes.promoted(v.type))
    return Value(cst.UnaryOperation(cst.Minus(), nested(full(v))), v.type)


def operated(sign: str, a: Value, b: Value) -> Value:
    """a sign b, of integers. Raises NotLifted."""
    if sign in ("&&", "||"):
        operator = cst.BitAnd() if sign == "&&" else cst.BitOr()
        return Value(binary(truth(a), operator, truth(b)), INT, truth=True)
    if sign in SHIFTS:
        t = ctypes.promoted(a.type)
        a, b = converted(a, t), converted(b, ctypes.promoted(b.type))
        return Value(call(SHIFTS[sign], full(a), b.code), t)
    t = ctypes.common(a.type, b.type)
    a, b = converted(a, t), converted(b, t)
    if sign in COMPARE:
        return Value(compare(sign, a, b), INT, truth=True)
    if sign in ("/", "%"):
        return Value(call("div" if sign == "/" else "mod", full(a), full(b)), t)
    if sign not in _ARITHMETIC:
        raise NotLifted(f"the operator {sign}")
    x, y = sides(a, b)
    return Value(binary(x, _ARITHMETIC[sign](), y), t)


def sides(a: Value, b: Value) -> tuple[cst.BaseExpression, cst.BaseExpression]:
    """The two operands: a bare number may stand beside an operand that has the dtype."""
    if b.literal is not None and a.literal is None:
        return full(a), b.code
    if a.literal is not None and b.literal is None:
        return a.code, full(b)
    return full(a), full(b)


def compare(sign: str, a: Value, b: Value) -> cst.BaseExpression:
    """a sign b, of one type."""
    x, y = sides(a, b)
    return cst.Comparison(nested(x), [cst.ComparisonTarget(COMPARE[sign](), nested(y))])


def zero(v: Value) -> Value:
    """0 of the type of v."""
    return Value(cst.Integer("0"), v.type, literal=0)
