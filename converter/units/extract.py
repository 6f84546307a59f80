"""Constraints from source: walks the syntax tree of one piece and records which quantities have the same unit.

The walk is one pass over the tree, in evaluation order, and knows nothing of units: it names quantities and the
operations between them. Here are functions, declarations and statements; the rest is in expressions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tree_sitter import Node

from converter.units.edges import Edge
from converter.units.expressions import Expressions, steps
from converter.units.quantities import NOTHING, Value


class Extractor(Expressions):
    """Extracts the pieces of one file into `facts`."""

    def run(self, root: Node, text: bytes, base: int, function: str = "") -> None:
        """Walk one parsed piece; `base` is the byte offset of `text` in the file."""
        self._text, self._base, self._line = text, base, self.line_of(base)
        self._begin(function)
        for child in root.named_children:
            self._top(child)

    def macro(self, root: Node, text: bytes, base: int, line: int, name: str, params: list[str] | None) -> None:
        """Walk the body of a macro, wrapped in a function; its value is that of a lone expression.

        `base`: where in the file the wrapped text would begin, `line`: on which the body does.
        """
        self._text, self._base, self._line = text, base, line
        self._begin(name)
        own = self.own(name)
        for i, p in enumerate(params or ()):
            v = self._variable(p, "struct " + self.names.variables[p] if p in self.names.variables else "", 1, root)
            self._vars[p] = v
            self.edge(v.node, self.key(f"P:{own}/{i}"), Edge.PARAMETER, root)
        result = self.key(f"R:{own}" if params is not None else f"V:{own}")
        body = root.named_children[0].child_by_field_name("body") if root.named_children else None
        if body is None:
            self._value_of_children(root)
            return
        statements = body.named_children
        for s in statements:
            v = self.walk(s.named_children[0] if s.type == "expression_statement" and s.named_children else s)
            if s.type == "expression_statement" and s is statements[-1]:
                self.edge(v.node, result, Edge.RETURN, s)

    def _top(self, node: Node) -> None:
        if node.type == "function_definition":
            declarator = _function_declarator(node.child_by_field_name("declarator"))
            if declarator is not None:
                self._parameters(declarator)
            body = node.child_by_field_name("body")
            if body is not None:
                self._block(body)
        else:
            self.walk(node)

    def _parameters(self, declarator: Node) -> None:
        listed = declarator.child_by_field_name("parameters")
        if listed is None:
            return
        own = self.own(self._function)
        index = 0
        for p in listed.named_children:
            if p.type != "parameter_declaration":
                continue
            type_ = self._type_name(p.child_by_field_name("type"))
            name, depth = _declared(p.child_by_field_name("declarator"), self._text)
            if name:
                v = self._vars[name] = self._variable(name, type_, depth, p)
                self.edge(v.node, self.key(f"P:{own}/{index}"), Edge.PARAMETER, p)
            index += 1

    def _type_name(self, node: Node | None) -> str:
        if node is None:
            return ""
        if node.type in ("struct_specifier", "union_specifier"):
            name = node.child_by_field_name("name")
            body = node.child_by_field_name("body")
            if body is not None:
                for f in body.named_children:
                    self._value_of_children(f)
            return "struct " + self._str(name) if name is not None else ""
        if node.type == "macro_type_specifier":
            return ""
        return self._str(node)

    def _block(self, node: Node) -> Value:
        stepped: list[tuple[int, Node]] = []
        for s in node.named_children:
            if s.type == "expression_statement" and s.named_child_count:
                e = s.named_children[0]
                v = self.walk(e)
                if v.node is not None and steps(e):
                    stepped.append((v.node, e))
            else:
                self.walk(s)
        self._together(stepped)
        return NOTHING

    def _for(self, node: Node) -> Value:
        self._parts(node, ("initializer", "condition", "update", "body"))
        return NOTHING

    def _while(self, node: Node) -> Value:
        self._parts(node, ("condition", "body") if node.type == "while_statement" else ("body", "condition"))
        return NOTHING

    def _parts(self, node: Node, fields: tuple[str, ...]) -> None:
        """The parts of a loop, in the order that they run: what its condition compares, one counts up to the other."""
        for field in fields:
            c = node.child_by_field_name(field)
            if c is not None:
                if field == "condition":
                    self._comparison = Edge.BOUND
                self.walk(c)
                self._comparison = Edge.COMPARE

    def _declaration(self, node: Node) -> Value:
        type_ = self._type_name(node.child_by_field_name("type"))
        for d in node.children_by_field_name("declarator"):
            value = None
            if d.type == "init_declarator":
                value = d.child_by_field_name("value")
            name, depth = _declared(d, self._text)
            self._array_sizes(d)
            if not name:
                continue
            if self._function:
                v = self._variable(name, type_, depth, d)
            else:
                v = Value(self.key(f"V:{self._global(name)}"), type_, depth)
            self._vars[name] = v
            if value is not None:
                got = self.walk(value)
                self.edge(v.node, got.node, Edge.ASSIGN, value)
        return NOTHING

    def _array_sizes(self, node: Node) -> None:
        while node is not None:
            if node.type == "array_declarator":
                size = node.child_by_field_name("size")
                if size is not None:
                    self.walk(size)
            nxt = node.child_by_field_name("declarator")
            if nxt is None:
                return
            node = nxt

    def _return(self, node: Node) -> Value:
        for c in node.named_children:
            v = self.walk(c)
            if v.node is not None and self._function:
                self.edge(v.node, self.key(f"R:{self.own(self._function)}"), Edge.RETURN, c)
        return NOTHING

    def _pair(self, node: Node) -> Value:
        value = node.child_by_field_name("value")
        if value is not None:
            v = self.walk(value)
            d = node.child_by_field_name("designator")
            if v.node is not None and d is not None:
                owner = self._initialised(node)
                if owner:
                    self.edge(v.node, self.key(f"F:{owner}{self._str(d)}"), Edge.MEMBER, node)
        return NOTHING

    def _initialised(self, node: Node) -> str:
        """The struct that an initializer list around `node` initialises, if its declaration is near."""
        outer = node.parent.parent if node.parent is not None else None
        if outer is not None and outer.type == "init_declarator" and outer.parent is not None:
            t = self._type_name(outer.parent.child_by_field_name("type"))
            return t[7:] if t.startswith("struct ") else ""
        if outer is not None and outer.type == "compound_literal_expression":
            d = outer.child_by_field_name("type")
            text = self._str(d) if d is not None else ""
            return text.split()[1] if text.startswith("struct ") and len(text.split()) > 1 else ""
        return ""

    def _compound_literal(self, node: Node) -> Value:
        self._value_of_children(node)
        return NOTHING

    def _type_descriptor(self, node: Node) -> Value:
        if node.named_child_count:
            self._value_of_children(node)
        return NOTHING

    _handlers: ClassVar[Mapping[str, Callable[[Any, Node], Value]]] = {
        **Expressions._handlers,
        "declaration": _declaration,
        "return_statement": _return,
        "compound_statement": _block,
        "for_statement": _for,
        "while_statement": _while,
        "do_statement": _while,
        "initializer_pair": _pair,
        "type_descriptor": _type_descriptor,
        "compound_literal_expression": _compound_literal,
    }


def _function_declarator(node: Node | None) -> Node | None:
    while node is not None and node.type != "function_declarator":
        node = node.child_by_field_name("declarator")
    return node


def _declared(node: Node | None, text: bytes) -> tuple[str, int]:
    """Name and depth of pointers (arrays count) of a declarator."""
    depth = 0
    while node is not None:
        t = node.type
        if t in ("identifier", "type_identifier"):
            return text[node.start_byte : node.end_byte].decode("utf-8", "replace"), depth
        if t in ("pointer_declarator", "array_declarator", "abstract_pointer_declarator"):
            depth += 1
        inner = node.child_by_field_name("declarator")
        if inner is None and t == "parenthesized_declarator" and node.named_child_count:
            inner = node.named_children[0]
        node = inner
    return "", depth
