"""Calls of the kernel's arithmetic helpers: their own text is lifted, with the arguments in place of parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from tree_sitter import Node

from converter.lift import code
from converter.lift.arithmetic import converted, full
from converter.lift.body import Body
from converter.lift.ctypes import INT, UINT, ULLONG, CType
from converter.lift.helpers import Parsed, helpers
from converter.lift.reading import Reading
from converter.lift.value import NotLifted, Value


@dataclass
class Bound:
    """What parameters of a helper stand for while its text is lifted."""

    values: dict[str, Value] = field(default_factory=dict)
    types: dict[str, CType] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    text: bytes = b""


class Lowering(Protocol):
    """What a call takes of the expression that it stands in (converter.lift.lower)."""

    reading: Reading
    body: Body
    bound: Bound | None

    def value(self, node: Node) -> Value: ...
    def opaque(self, node: Node) -> Value: ...
    def as_type(self, text: str, value: Node, node: Node) -> Value: ...
    def type_named(self, text: str) -> CType | None: ...
    def text(self, first: Node, last: Node | None = None) -> str: ...


def call(lower: Lowering, node: Node) -> Value:
    """A call: of a helper its arithmetic, of anything else an input. Raises NotLifted."""
    function, listed = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    if function is None or listed is None:
        return lower.opaque(node)
    arguments = _arguments(listed)
    name = lower.text(function)
    if function.type == "parenthesized_expression" and len(arguments) == 1 and len(arguments[0]) == 1:
        return lower.as_type(name[1:-1], arguments[0][0], node)  # (pgoff_t)(x) is read as a call
    if function.type != "identifier":
        return lower.opaque(node)
    if name == "__log2" and lower.bound is not None:
        v = lower.value(arguments[0][0])
        return Value(code.call("log2", full(converted(v, UINT if v.type.bits <= UINT.bits else ULLONG))), INT)
    constants: dict[str, str] = {}
    site = -1
    if lower.bound is None:
        family = lower.reading.family(function)
        if family == "":
            return lower.opaque(node)
        if family is not None:
            if family not in lower.reading.copies:
                return lower.opaque(node)
            name, constants = lower.reading.copies[family]
            site = lower.reading.last
        elif name in lower.reading.copies:
            name, constants = lower.reading.copies[name]
    else:
        constants = lower.bound.constants
    parsed = helpers().get(name)
    if parsed is None or parsed.helper.params is None or len(parsed.helper.params) != len(arguments):
        return lower.opaque(node)
    return helper(lower, parsed, arguments, constants, site)


def helper(
    lower: Lowering, parsed: Parsed, arguments: list[list[Node]], constants: dict[str, str], site: int = -1
) -> Value:
    """A helper's text with its arguments in place. Raises NotLifted.

    constants  what names in it become
    site       offset of the page-size name that the call is; -1 where it is none
    """
    bound = Bound(constants=constants, text=parsed.text)
    for parameter, nodes in zip(parsed.helper.params or (), arguments, strict=True):
        if parameter == "type":
            t = lower.type_named(lower.text(nodes[0], nodes[-1]))
            if t is None:
                raise NotLifted("a type that is not known")
            bound.types[parameter] = t
        elif parameter == "suffix":
            continue
        elif len(nodes) != 1:
            raise NotLifted("an argument that is no expression")
        else:
            v = lower.value(nodes[0])
            if not v.simple and parsed.uses(parameter) > 1:
                v = lower.body.named(parameter, v)
            bound.values[parameter] = v
    if site >= 0:
        lower.reading.last = site
    kept, lower.bound = lower.bound, bound
    try:
        return lower.value(parsed.body)
    finally:
        lower.bound = kept


def _arguments(listed: Node) -> list[list[Node]]:
    """The arguments of a call, each as the nodes between two commas: a type makes more than one."""
    groups: list[list[Node]] = [[]]
    for c in listed.children[1:-1]:
        if c.type == ",":
            groups.append([])
        elif c.type != "comment":
            groups[-1].append(c)
    return [g for g in groups if g]
