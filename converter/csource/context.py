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

DEEPEST = 64
"""Expressions around a use that are looked at: the parser finds each parent from the root."""


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


def of(node: Node, text: bytes, kind: str) -> Context:
    """Context of the identifier `node` (a vocabulary name of the given kind) in a piece's text."""
    cur = node
    operation, stepped = "value", ""
    operands: tuple[str, ...] = ()
    parent = cur.parent
    while parent is not None:
        t = parent.type
        if t in ("parenthesized_expression", "cast_expression", "concatenated_string"):
            cur, parent = parent, parent.parent
            continue
        if t == "call_expression" and parent.child_by_field_name("function") == cur:
            arguments = parent.child_by_field_name("arguments")
            operation = _FORMS.get(kind, "convert")
            operands = tuple(fold(_raw(a, text)) for a in arguments.named_children) if arguments else ()
            cur, parent = parent, parent.parent
            break
        if t == "field_expression" and kind == "name":
            operands = (fold(_raw(parent, text)),)
            cur, parent = parent, parent.parent
            continue
        if t == "unary_expression":
            cur, parent = parent, parent.parent
            continue
        if t == "binary_expression":
            left, right = parent.child_by_field_name("left"), parent.child_by_field_name("right")
            sign = parent.child_by_field_name("operator")
            if left is None or right is None or sign is None:
                break
            other = right if left == cur else left
            word = sign.type
            if word in ("-", "+") and kind in ("size", "mask") and _ONE.fullmatch(_raw(other, text)):
                cur, parent = parent, parent.parent  # PAGE_SIZE - 1
                continue
            if word in ("-", "+") and kind in ("shift", "order"):
                if other.type == "number_literal" or _raw(other, text).isdigit():
                    cur, parent = parent, parent.parent  # PAGE_SHIFT - 9
                    continue
                operation, operands = "order", (fold(_raw(other, text)),)
            elif word in ("<<", ">>", "/", "%") and left == cur:
                scaled = {"<<": "scale", ">>": "scaled-down", "/": "divided", "%": "divided"}[word]
                operation, operands = scaled, (fold(_raw(other, text)),)
            else:
                operation, operands = _BINARY.get(word, "value"), (fold(_raw(other, text)),)
            cur, parent = parent, parent.parent
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
            call = parent.parent
            callee = (
                fold(_raw(call.child_by_field_name("function"), text))
                if call and call.type == "call_expression"
                else ""
            )
            if callee in _TRANSPARENT and call is not None:
                cur, parent = call, call.parent
                continue
            if callee in _CALLS and call is not None:
                operation = _CALLS[callee]
                operands = tuple(fold(_raw(a, text)) for a in parent.named_children if a != cur)
                cur, parent = call, call.parent
            else:
                operation = "argument"
                operands = tuple(fold(_raw(a, text)) for a in parent.named_children if a != cur)
            break
        if t == "conditional_expression":
            cur, parent = parent, parent.parent
            continue
        break
    widest = cur
    for _ in range(DEEPEST):
        if widest.parent is None or not widest.parent.type.endswith("_expression"):
            break
        widest = widest.parent
    sink = _sink(cur, text)
    if operation == "value" and sink.startswith(("array:", "index:")):
        operation = sink.split(":", 1)[0]
    return Context(operation, operands, fold(_raw(widest, text)), sink, stepped)


def _sink(cur: Node, text: bytes) -> str:
    """Where the value of expression `cur` goes, looking through arithmetic."""
    parent = cur.parent
    for _ in range(DEEPEST):
        if parent is None:
            break
        t = parent.type
        if t == "argument_list":
            call = parent.parent
            if call is None or call.type != "call_expression":
                return "argument:?:0"
            callee = fold(_raw(call.child_by_field_name("function"), text), 60)
            if callee in _TRANSPARENT or callee in _CALLS:
                cur, parent = call, call.parent
                continue
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
        cur, parent = parent, parent.parent
    return "::"


def _raw(node: Node | None, text: bytes) -> bytes:
    return text[node.start_byte : node.end_byte] if node is not None else b""
