"""How far the expression around a use goes, and what takes its value."""

from __future__ import annotations

from tree_sitter import Node

from converter.lift.ctypes import CType
from converter.lift.datamodel import DataModel, lp64
from converter.lift.helpers import helpers
from converter.lift.side import Side

_BINARY_STOPS = ("&&", "||")
WIDEST = 24
"""Levels of syntax that are climbed from a use: what is above is no longer one thought."""


def largest(leaf: Node, side: Side) -> Node:
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
            if type_ is None or lp64().parse(side.scope.raw(type_)) is None:
                return cur
        elif t not in ("parenthesized_expression", "unary_expression", "conditional_expression"):
            return cur
        cur, parent = parent, parent.parent
    return cur


def smaller(leaf: Node, top: Node) -> Node | None:
    """The operation next to the leaf, where the whole cannot be lifted."""
    cur = leaf
    while cur.parent is not None and cur.parent != top and cur != top:
        if cur.parent.type == "argument_list":
            return cur if cur != leaf else None
        if cur.parent.type in ("binary_expression", "call_expression"):
            return cur.parent
        cur = cur.parent
    return None


def _known_call(call: Node, side: Side) -> bool:
    """Is it a call of a macro that only computes?"""
    function = call.child_by_field_name("function")
    if function is None:
        return False
    name = side.scope.raw(function)
    if function.type == "parenthesized_expression":
        return lp64().parse(name[1:-1]) is not None  # a cast that is read as a call
    return name in helpers() and (name not in side.scope.variables)


def target(top: Node, side: Side, model: DataModel) -> CType | None:
    """The type that the value is converted to by what takes it."""
    parent = top.parent
    if parent is None:
        return None
    if parent.type == "init_declarator":
        declarator = parent.child_by_field_name("declarator")
        if declarator is not None and parent.parent is not None and declarator.type == "identifier":
            type_ = parent.parent.child_by_field_name("type")
            return model.parse(side.scope.raw(type_)) if type_ is not None else None
    if parent.type == "assignment_expression":
        left = parent.child_by_field_name("left")
        declared = side.scope.declared(left) if left is not None and left != top else None
        return model.parse(declared) if declared is not None else None
    if parent.type == "return_statement":
        return model.parse(side.scope.result) if side.scope.result.strip() not in ("", "void") else None
    return None


def sink(top: Node, side: Side) -> str:
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
