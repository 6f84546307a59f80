"""What surrounds a use in the syntax tree: the operation it takes part in, its operands, and where the result goes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tree_sitter import Node

_SPACE = re.compile(r"\s+")
_ONE = re.compile(rb"\(*1[uUlL]*\)*")
_BINARY = {
    "<<": "shift-left", ">>": "shift-right", "*": "multiply", "/": "divide", "%": "modulo", "&": "mask", "|": "or",
    "+": "add", "-": "subtract", "<": "compare", ">": "compare", "<=": "compare", ">=": "compare", "==": "compare",
    "!=": "compare", "<<=": "shift-left", ">>=": "shift-right", "*=": "multiply", "/=": "divide", "%=": "modulo",
    "&=": "mask", "|=": "or", "+=": "step", "-=": "step",
}  # fmt: skip
_CALLS = {
    "ALIGN": "round", "ALIGN_DOWN": "round", "round_up": "round", "round_down": "round", "roundup": "round",
    "rounddown": "round", "IS_ALIGNED": "predicate", "PTR_ALIGN": "round", "DIV_ROUND_UP": "divide",
    "DIV_ROUND_UP_ULL": "divide", "DIV_ROUND_DOWN_ULL": "divide", "do_div": "divide", "min": "limit", "max": "limit",
    "min_t": "limit", "max_t": "limit", "clamp": "limit", "clamp_t": "limit", "clamp_val": "limit", "umin": "limit",
    "min3": "limit", "max3": "limit", "min_not_zero": "limit", "ilog2": "log", "check_shl_overflow": "shift-left",
    "check_add_overflow": "add", "check_mul_overflow": "multiply",
}  # fmt: skip
_FORMS = {"rounding": "round", "predicate": "predicate", "offset": "offset", "count": "convert", "order": "order"}
_TRANSPARENT = {"likely", "unlikely", "READ_ONCE", "WRITE_ONCE", "WARN_ON", "WARN_ON_ONCE", "BUG_ON", "VM_BUG_ON",
                "BUILD_BUG_ON", "READ_ONCE_NOCHECK", "_AC", "__ALIGN_MASK", "cpu_to_le32", "cpu_to_le64"}  # fmt: skip
_STOP = {"compound_statement", "function_definition", "translation_unit", "ERROR", "expression_statement"}

OPERATIONS = frozenset(
    {"align", "argument", "array", "assembler", "convert", "divided", "index", "order", "scale", "scaled-down", "value"}
    | {*_BINARY.values(), *_CALLS.values(), *_FORMS.values()}
)
"""What a use can take part in; align and assembler are read off the text around it, where there is no syntax tree."""

ASSEMBLER = "assembler::"
"""The sink of a use in assembler or a linker script."""

DEEPEST = 64
"""Expressions around a use that are looked at."""

FATHOMED = 1000
"""Levels of the syntax tree that a use may lie deep."""

MOST = 64
"""Arguments of a call that are looked at: a macro may take thousands."""


@dataclass(frozen=True, slots=True)
class Context:
    """`operation` on the use, `operands` (the other sides), `sink`: what takes the result, as kind:name:index."""

    operation: str
    operands: tuple[str, ...]
    expression: str
    sink: str
    stepped: str = ""  # in `x += PAGE_SIZE`: x


def fold(raw: bytes, limit: int = 160) -> str:
    """Source text on one line."""
    cut = len(raw) > 16 * limit  # of a generated table no use may cost the whole
    text = _SPACE.sub(" ", raw[: 16 * limit].decode("utf-8", "replace")).strip()
    return text if len(text) <= limit and not cut else text[: limit - 3] + "..."


def of(node: Node, root: Node, text: bytes, kind: str) -> Context:
    """Context of the identifier `node` (a vocabulary name of the given kind) in a piece's text."""
    path = _path(root, node)
    at = 0
    operation, stepped = "value", ""
    operands: tuple[str, ...] = ()
    while at + 1 < len(path):
        cur, parent = path[at], path[at + 1]
        t = parent.type
        if t in ("parenthesized_expression", "cast_expression", "concatenated_string"):
            at += 1
            continue
        if t == "call_expression" and parent.child_by_field_name("function") == cur:
            arguments = parent.child_by_field_name("arguments")
            operation = _FORMS.get(kind, "convert")
            operands = _others(arguments, None, text) if arguments else ()
            at += 1
            break
        if t == "field_expression" and kind == "name":
            operands = (fold(_raw(parent, text)),)
            at += 1
            continue
        if t in ("unary_expression", "conditional_expression"):
            at += 1
            continue
        if t == "binary_expression":
            left, right = parent.child_by_field_name("left"), parent.child_by_field_name("right")
            sign = parent.child_by_field_name("operator")
            if left is None or right is None or sign is None:
                break
            other = right if left == cur else left
            word = sign.type
            if word in ("-", "+") and kind in ("size", "mask") and _ONE.fullmatch(_raw(other, text)):
                at += 1  # PAGE_SIZE - 1
                continue
            if word in ("-", "+") and kind in ("shift", "order"):
                if other.type == "number_literal" or _raw(other, text).isdigit():
                    at += 1  # PAGE_SHIFT - 9
                    continue
                operation, operands = "order", (fold(_raw(other, text)),)
            elif word in ("<<", ">>", "/", "%") and left == cur:
                scaled = {"<<": "scale", ">>": "scaled-down", "/": "divided", "%": "divided"}[word]
                operation, operands = scaled, (fold(_raw(other, text)),)
            else:
                operation, operands = _BINARY.get(word, "value"), (fold(_raw(other, text)),)
            at += 1
            break
        if t == "assignment_expression":
            sign = parent.child_by_field_name("operator")
            left = parent.child_by_field_name("left")
            if sign is not None and left is not None and left != cur and sign.type != "=":
                operation = _BINARY.get(sign.type, "value")
                operands = (fold(_raw(left, text)),)
                stepped = operands[0] if operation == "step" else ""
            break
        if t == "argument_list":
            callee = _callee(path, at + 2, text)
            if callee in _TRANSPARENT:
                at += 2
                continue
            operation = _CALLS.get(callee, "argument")
            operands = _others(parent, cur, text)
            if callee in _CALLS:
                at += 2
            break
        break
    last = at
    while last + 1 < min(len(path), at + 1 + DEEPEST) and path[last + 1].type.endswith("_expression"):
        last += 1
    sink = _sink(path, at, text)
    if operation == "value" and sink.startswith(("array:", "index:")):
        operation = sink.split(":", 1)[0]
    return Context(operation, operands, fold(_raw(path[last], text)), sink, stepped)


def _path(root: Node, node: Node) -> list[Node]:
    """The node and what is around it, innermost first. The parser finds each parent from the root: so does this, once.

    Of an expression that is nested too deeply only the node.
    """
    cursor = root.walk()
    for _ in range(FATHOMED):
        if cursor.goto_first_child_for_byte(node.start_byte) is None:
            break
    else:
        return [node]
    path: list[Node] = []
    while len(path) < 3 * DEEPEST:
        here = cursor.node
        if here is not None and (path or here == node):
            path.append(here)
        if not cursor.goto_parent():
            break
    return path or [node]


def _callee(path: list[Node], at: int, text: bytes, limit: int = 160) -> str:
    """What is called by the node there, if it is a call."""
    if at >= len(path) or path[at].type != "call_expression":
        return ""
    return fold(_raw(path[at].child_by_field_name("function"), text), limit)


def _others(arguments: Node, own: Node | None, text: bytes) -> tuple[str, ...]:
    """The arguments of a call beside `own`; of a very long list none."""
    if arguments.named_child_count > MOST:
        return ()
    return tuple(fold(_raw(a, text)) for a in arguments.named_children if a != own)


def _sink(path: list[Node], at: int, text: bytes) -> str:
    """Where the value of the expression there goes, looking through arithmetic."""
    for _ in range(DEEPEST):
        if at + 1 >= len(path):
            break
        cur, parent = path[at], path[at + 1]
        t = parent.type
        if t == "argument_list":
            callee = _callee(path, at + 2, text, 60)
            if not callee:
                return "argument:?:0"
            if callee in _TRANSPARENT or callee in _CALLS:
                at += 2
                continue
            if parent.named_child_count > MOST:
                return f"argument:{callee}:?"
            index = next((i for i, a in enumerate(parent.named_children) if a == cur), 0)
            return f"argument:{callee}:{index}"
        if t == "assignment_expression":
            left = parent.child_by_field_name("left")
            if left is None or left == cur:
                return "assigned::"
            return f"assign:{fold(_raw(left, text), 60)}:"
        if t == "init_declarator":
            return f"init:{fold(_raw(parent.child_by_field_name('declarator'), text), 60).lstrip('* ')}:"
        if t == "initializer_pair":
            return f"member:{fold(_raw(parent.child_by_field_name('designator'), text), 60).lstrip('.')}:"
        if t == "return_statement":
            return "return::"
        if t == "array_declarator":
            return f"array:{fold(_raw(parent.child_by_field_name('declarator'), text), 60)}:"
        if t == "subscript_expression" and parent.child_by_field_name("index") == cur:
            return f"index:{fold(_raw(parent.child_by_field_name('argument'), text), 60)}:"
        if t in ("if_statement", "while_statement", "for_statement", "do_statement"):
            return f"condition:{t.split('_', 1)[0]}:"
        if t == "case_statement":
            return "case::"
        if t in _STOP:
            return f"{t}::"
        at += 1
    return "::"


def _raw(node: Node | None, text: bytes) -> bytes:
    return text[node.start_byte : node.end_byte] if node is not None else b""
