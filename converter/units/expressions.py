"""Expressions: the quantity that each node of an expression is, and the edges between them.

A value is a tuple (node, type, depth of pointers, constant): node is the quantity or None, constant says that the
value is a member of the page-size family, as (form, use node).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tree_sitter import Node

from converter.units.arithmetic import Arithmetic
from converter.units.edges import Edge
from converter.units.quantities import NOTHING, Value, short
from converter.vocabulary import FUNCTION_LIKE

SCALAR = "N:scalar"
"""The hint for names that hold plain numbers."""

_FORM = {"size": "size", "shift": "shift", "mask": "mask"}


class Expressions(Arithmetic):
    """Walks expressions, in evaluation order; other nodes are looked through."""

    def walk(self, node: Node) -> Value:
        handler = self._handlers.get(node.type)
        if handler is not None:
            return handler(self, node)
        self._value_of_children(node)
        return NOTHING

    def _value_of_children(self, node: Node) -> None:
        handlers = self._handlers
        for c in node.named_children:
            kind = c.type
            handler = handlers.get(kind)
            if handler is not None:
                handler(self, c)
            elif c.named_child_count:
                self._value_of_children(c)
            elif kind in ("field_identifier", "type_identifier", "statement_identifier"):
                self._family_in(c)

    def _family_in(self, node: Node) -> None:
        """A family name where the grammar expects no expression: keep the use."""
        word = self._text[node.start_byte : node.end_byte]
        if word in self.names.family and self.names.family[word][0] not in FUNCTION_LIKE:
            self._use(node, word)

    def _together(self, stepped: list[tuple[int, Node]]) -> None:
        for (a, e), (b, _) in zip(stepped[1:], stepped, strict=False):
            self.edge(a, b, Edge.STEP, e)

    def _comma(self, node: Node) -> Value:
        stepped: list[tuple[int, Node]] = []
        last = NOTHING
        parts: list[Node] = []
        cur: Node | None = node
        while cur is not None and cur.type == "comma_expression":
            left, cur = cur.child_by_field_name("left"), cur.child_by_field_name("right")
            if left is not None:
                parts.append(left)
        if cur is not None:
            parts.append(cur)
        for p in parts:
            last = self.walk(p)
            if last.node is not None and steps(p):
                stepped.append((last.node, p))
        self._together(stepped)
        return last

    def _literal(self, node: Node) -> Value:
        return NOTHING

    def _identifier(self, node: Node) -> Value:
        word = self._text[node.start_byte : node.end_byte]
        family = self.names.family.get(word)
        if family is not None and family[0] not in FUNCTION_LIKE:
            n = self._use(node, word)
            form = _FORM.get(family[0])
            return Value(n, constant=(form, n)) if form else Value(n)
        name = word.decode("utf-8", "replace")
        v = self._vars.get(name)
        if v is None:
            if self.names.hint(name) == SCALAR:
                return NOTHING
            struct = self.names.variables.get(name)
            alias = self.fresh(name)
            self.edge(alias, self.key(f"V:{self._global(name)}"), Edge.MEMBER, node)
            hint = self.names.hint(name)
            if hint is not None:
                self.edge(alias, self.key(hint), Edge.NAME, node)
            v = self._vars[name] = Value(alias, "struct " + struct if struct else "@V:" + self._global(name), 1)
        return v

    def _field(self, node: Node) -> Value:
        argument, member = node.child_by_field_name("argument"), node.child_by_field_name("field")
        if argument is None or member is None:
            self._value_of_children(node)
            return NOTHING
        base = self.walk(argument)
        word = self._text[member.start_byte : member.end_byte]
        text = self._text[node.start_byte : node.end_byte]
        v = self._alias.get(text)
        if v is None:
            name = word.decode("utf-8", "replace")
            if base.type.startswith("struct "):
                key = f"F:{base.type[7:]}.{name}"
            elif base.type.startswith("@"):
                key = f"F:{base.type}>{name}"
            elif base.type.endswith("_t"):
                key = f"F:{base.type}.{name}"
            else:
                key = f"F:?.{name}"
            n = self.fresh(text.decode("utf-8", "replace"))
            self.edge(n, self.key(key), Edge.MEMBER, node)
            hint = self.names.hint(name)
            if hint is not None:
                self.edge(n, self.key(hint), Edge.NAME, node)
            v = self._alias[text] = Value(n, "@" + key, 1)
        if word in self.names.family and self.names.family[word][0] not in FUNCTION_LIKE:
            u = self._use(member, word)
            self.edge(u, v.node, Edge.ASSIGN, node)
        return v

    def _pointer(self, node: Node) -> Value:
        argument = node.child_by_field_name("argument")
        if argument is None:
            return NOTHING
        v = self.walk(argument)
        if self._text[node.start_byte] == 38:  # '&'
            return Value(v.node, v.type, v.depth + 1)
        if v.depth > 1 or not v.type:
            return Value(v.node, v.type, v.depth - 1)
        text = self._text[node.start_byte : node.end_byte]
        known = self._alias.get(text)
        if known is None:
            known = self._alias[text] = Value(self.fresh(text.decode("utf-8", "replace")), v.type, 0)
            if not v.type.startswith("struct "):
                self.edge(known.node, v.node, Edge.MEMBER, node)
        return known

    def _parenthesized(self, node: Node) -> Value:
        children = node.named_children
        if len(children) == 1:
            return self.walk(children[0])
        for c in children:
            self.walk(c)
        return NOTHING

    def _cast(self, node: Node) -> Value:
        d = node.child_by_field_name("type")
        if d is not None and d.named_child_count > 1:
            self._value_of_children(d)
        value = node.child_by_field_name("value")
        if value is None:
            return NOTHING
        v = self.walk(value)
        target = self._str(d) if d is not None else ""
        if target.endswith("*"):
            return Value(v.node, target.rstrip("* "), target.count("*"), v.constant)
        if target in ("phys_addr_t", "dma_addr_t", "loff_t") and v.constant is None and v.node is not None:
            hint = self.names.type_hint(target, 0)
            if hint is not None:
                self.edge(v.node, self.key(hint), Edge.TYPE, node)
        return Value(v.node, target or v.type, 0 if target else v.depth, v.constant)

    def _sizeof(self, node: Node) -> Value:
        self._value_of_children(node)
        return NOTHING

    def _unary(self, node: Node) -> Value:
        argument = node.child_by_field_name("argument")
        if argument is None:
            return NOTHING
        v = self.walk(argument)
        sign = self._text[node.start_byte]
        if v.constant is not None:
            form, use = v.constant
            if sign == 126:  # '~'
                return Value(v.node, constant=("low" if form == "mask" else "mask", use))
            if sign == 45:  # '-'
                return Value(v.node, constant=("mask", use) if form == "size" else None)
        if sign == 33:  # '!'
            return NOTHING
        return Value(v.node, v.type, v.depth)

    def _update(self, node: Node) -> Value:
        argument = node.child_by_field_name("argument")
        return self.walk(argument) if argument is not None else NOTHING

    def _subscript(self, node: Node) -> Value:
        argument, index = node.child_by_field_name("argument"), node.child_by_field_name("index")
        if argument is None or index is None:
            self._value_of_children(node)
            return NOTHING
        v, i = self.walk(argument), self.walk(index)
        if i.node is not None and v.type:
            hint = self.names.type_hint(v.type, v.depth)
            if hint is not None:
                self.edge(i.node, self.key(hint), Edge.INDEX, node)
        if v.node is None:
            return NOTHING
        text = self._text[argument.start_byte : argument.end_byte] + b"[]"
        known = self._alias.get(text)
        if known is None:
            n = self.fresh(text.decode("utf-8", "replace"))
            known = self._alias[text] = Value(n, v.type, max(v.depth - 1, 0))
            if not v.type.startswith("struct "):
                self.edge(n, v.node, Edge.MEMBER, node)
        return known

    def _conditional(self, node: Node) -> Value:
        condition = node.child_by_field_name("condition")
        tested = self.walk(condition) if condition is not None else NOTHING
        sides = [self.walk(c) for f in ("consequence", "alternative") if (c := node.child_by_field_name(f)) is not None]
        for side in sides:
            if side.constant is not None:
                self.edge(tested.granule, side.constant[1], Edge.IDIOM, node)  # x > PAGE_SIZE ? PAGE_SIZE : x
        return self._either(sides, node)

    def _assignment(self, node: Node) -> Value:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        sign = node.child_by_field_name("operator")
        if left is None or right is None or sign is None:
            self._value_of_children(node)
            return NOTHING
        target = self.walk(left)
        value = self.walk(right)
        operator = sign.type
        if operator == "=":
            self.edge(target.node, value.node, Edge.ASSIGN, node)
            return target
        result = self._operate(operator[:-1], target, value, node)
        if result.node is not None and result.node != target.node:
            if operator in ("<<=", ">>=", "*=", "/=") and value.constant is not None:
                # The variable changes its unit: what it held and what it holds now are two quantities.
                v = Value(self.fresh(self._str(left)), target.type, target.depth)
                self.edge(v.node, result.node, Edge.ASSIGN, node)
                if left.type == "identifier":
                    self._vars[self._str(left)] = v
                else:
                    self._alias[self._text[left.start_byte : left.end_byte]] = v
                return v
            self.edge(target.node, result.node, Edge.ASSIGN, node)
        return target

    def _binary(self, node: Node) -> Value:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        sign = node.child_by_field_name("operator")
        if left is None or right is None or sign is None:
            self._value_of_children(node)
            return NOTHING
        return self._operate(sign.type, self.walk(left), self.walk(right), node)

    def _call(self, node: Node) -> Value:
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if function is None or arguments is None:
            self._value_of_children(node)
            return NOTHING
        args = [a for a in arguments.named_children if a.type != "comment"]
        names = self.names
        if function.type != "identifier":
            f = self.walk(function)
            values = [self.walk(a) for a in args]
            if f.type.startswith("@F:"):
                for i, v in enumerate(values):
                    self.edge(v.node, self.key(f"P:{f.type[1:]}/{i}"), Edge.ARGUMENT, node)
                n = self.fresh(short(self._str(node)))
                self.edge(n, self.key(f"R:{f.type[1:]}"), Edge.RETURN, node)
                return Value(n, f"@R:{f.type[1:]}", 1)
            return NOTHING
        word = self._text[function.start_byte : function.end_byte]
        family = names.family.get(word)
        if family is not None:
            return self._family_call(function, word, [self.walk(a) for a in args], node)
        name = word.decode("utf-8", "replace")
        if name in names.typed and len(args) > names.typed[name]:
            for a in args:
                self.walk(a)
            t = self._str(args[names.typed[name]])
            return Value(None, t.rstrip("* "), 1)
        values = [self.walk(a) for a in args]
        if name in names.through and len(values) > names.through[name]:
            return values[names.through[name]]
        if name in names.choice:
            return self._either([values[i] for i in names.choice[name] if i < len(values)], node)
        if len(values) >= 2:
            if name in names.divide:
                return self._operate("/", values[0], values[1], node)
            if name in names.multiply:
                return self._operate("*", values[0], values[1], node)
            if name in names.shift:
                v = self._operate("<<", values[0], values[1], node)
                if len(values) > 2:
                    self.edge(v.node, values[2].node, Edge.ASSIGN, node)
                return v
            if name in names.round or name in names.predicate:
                granule = values[1].constant
                if granule is not None:
                    if name in names.predicate:
                        self.edge(values[0].node, granule[1], Edge.ROUNDED, node)
                        return NOTHING
                    return self._rounded(values[0], granule[1], node)
                if values[1].node is not None:
                    self.edge(values[0].node, values[1].node, Edge.EXTENT, node)
                return values[0]
        if names.silent(name):
            return self._related(name, values, self.fresh(name), node)
        own = self.own(name)
        for i, v in enumerate(values):
            if v.node is not None:
                self.edge(v.node, self.key(f"P:{own}/{i}"), Edge.ARGUMENT, args[i])
        n = self.fresh(short(self._str(node)))
        self.edge(n, self.key(f"R:{own}"), Edge.RETURN, node)
        return self._related(name, values, n, node)._replace(type=f"@R:{own}", depth=1)

    def _family_call(self, function: Node, word: bytes, values: list[Value], node: Node) -> Value:
        use = self._use(function, word)
        kind, result, _ = self.names.family[word]
        first = values[0] if values else NOTHING
        if kind == "rounding":
            return self._rounded(first, use, node)
        if kind == "predicate":
            self.edge(first.node, use, Edge.ROUNDED, node)
            return NOTHING
        if kind == "offset":
            return self._split(first, use, node)
        if result == "bytes":
            return self._to_bytes(first, use, node)
        if result == "count":
            return self._to_count(first, use, node)
        name = word.decode()
        for i, v in enumerate(values):
            self.edge(v.node, self.key(f"P:{name}/{i}"), Edge.ARGUMENT, node)
        self.edge(use, self.key(f"R:{name}"), Edge.RETURN, node)
        return Value(use)

    # Functions, not methods bound to one walk: a circle would keep it and its trees alive.
    _handlers: ClassVar[Mapping[str, Callable[[Any, Node], Value]]] = {
        "identifier": _identifier,
        "field_expression": _field,
        "call_expression": _call,
        "binary_expression": _binary,
        "unary_expression": _unary,
        "pointer_expression": _pointer,
        "update_expression": _update,
        "assignment_expression": _assignment,
        "cast_expression": _cast,
        "subscript_expression": _subscript,
        "conditional_expression": _conditional,
        "parenthesized_expression": _parenthesized,
        "comma_expression": _comma,
        "sizeof_expression": _sizeof,
        "number_literal": _literal,
        "string_literal": _literal,
        "char_literal": _literal,
        "comment": _literal,
    }


def steps(node: Node) -> bool:
    if node.type == "update_expression":
        return True
    if node.type == "assignment_expression":
        sign = node.child_by_field_name("operator")
        return sign is not None and sign.type in ("+=", "-=")
    return False
