"""Arithmetic: how units pass through operators, with and without a name of the family."""

from __future__ import annotations

from tree_sitter import Node

from converter.units.edges import Edge
from converter.units.quantities import NOTHING, Quantities, Value, short

_COMPARE = {"<", ">", "<=", ">=", "==", "!="}


class Arithmetic(Quantities):
    """What an operation makes of the values of its operands."""

    def _operate(self, sign: str, a: Value, b: Value, node: Node) -> Value:
        if sign in ("&&", "||"):
            return NOTHING
        if a.constant is None and b.constant is None:
            return self._plain(sign, a, b, node)
        if b.constant is not None:
            form, use = b.constant
            if sign == ">>" and form == "shift":
                return self._to_count(a, use, node)
            if sign == "<<" and form == "shift":
                return self._to_bytes(a, use, node)
            if form == "size":
                if sign == "*":
                    return self._to_bytes(a, use, node)
                if sign == "/":
                    return self._to_count(a, use, node)
                if sign == "%":
                    return self._split(a, use, node)
            if sign == "&" and form == "low":
                return self._split(a, use, node)
            if sign == "&" and form == "mask":
                return self._rounded(a, use, node)
            if sign == "-" and form == "shift" and a.constant is None:
                self.edge(use, a.node, Edge.EXTENT, node)  # HPAGE_SHIFT - PAGE_SHIFT: an order
                return Value(use)
        if a.constant is not None:
            form, use = a.constant
            if b.constant is None:
                if sign == "*" and form == "size":
                    return self._to_bytes(b, use, node)
                if sign == "<<" and form == "size":  # PAGE_SIZE << order
                    self.edge(use, b.node, Edge.COUNT, node)
                    n = self.fresh(short(self._str(node)))
                    self.edge(n, use, Edge.GRANULE, node)
                    return Value(n)
                if sign in ("+", "-"):
                    if b.node is None:  # PAGE_SIZE - 1, PAGE_SHIFT - 9
                        if form == "size" and sign == "-" and self._str(node).endswith("1"):
                            return Value(use, constant=("low", use))
                        return Value(use, constant=a.constant)
                    inner = self._offsets.get(b.node)
                    if sign == "-" and inner is not None:  # PAGE_SIZE - offset_in_page(x): one page
                        self.edge(use, inner, Edge.COUNT, node)
                    kind = (
                        Edge.COUNT if form == "shift" else Edge.CHOICE if sign == "-" else Edge.EXTENT
                    )  # PAGE_SHIFT + order
                    self.edge(use, b.node, kind, node)
                    if form == "shift":
                        return Value(use, constant=a.constant)
                    return Value(b.node if form == "size" else use, granule=use if sign == "+" else None)
                if sign == "/":
                    return NOTHING
                if sign == "&" and form == "low":
                    return self._split(b, use, node)
                if sign == "&" and form == "mask":
                    return self._rounded(b, use, node)
            elif sign in ("-", "+", "/", "|", ">>", "<<"):
                return Value(a.node)
        other, use = (a, b.constant[1]) if b.constant is not None else (b, a.constant[1] if a.constant else 0)
        self._operand(use, other)
        if other.node is None:
            if sign in ("<<",) and b.constant is not None and b.constant[0] == "shift":
                return Value(use, constant=("size", use))  # 1 << PAGE_SHIFT
            return Value(use)
        self.edge(other.node, use, Edge.EXTENT, node)
        if sign in _COMPARE:
            return Value(granule=use)
        return Value(other.node, other.type, other.depth, granule=use if sign == "+" else None)

    def _plain(self, sign: str, a: Value, b: Value, node: Node) -> Value:
        """Arithmetic that no family name takes part in."""
        if sign in _COMPARE:
            self.edge(a.node, b.node, self._comparison, node)
            return NOTHING
        if sign in ("+", "-", "|", "&"):
            if a.node is None:
                return b
            self.edge(a.node, b.node, Edge.ADD if sign != "&" else Edge.EXTENT, node)
            return a
        if sign == "<<":
            if a.node is None:
                return b  # 1 << order: a count in the unit that the order is the logarithm of
            return NOTHING
        return NOTHING

    def _either(self, sides: list[Value], node: Node) -> Value:
        """One of several values of equal unit."""
        known = [v for v in sides if v.node is not None]
        if not known:
            return NOTHING
        if len(known) == 1 and known[0].constant is None:
            return known[0]
        n = self.fresh(short(self._str(node)))
        for v in known:
            self.edge(n, v.node, Edge.EXTENT if v.constant else Edge.CHOICE, node)
        first = next((v for v in known if v.constant is None), NOTHING)
        return Value(n, first.type, first.depth)

    def _to_count(self, value: Value, use: int, node: Node) -> Value:
        self.edge(value.granule, use, Edge.IDIOM, node)  # (x + PAGE_SIZE - 1) >> PAGE_SHIFT
        self._operand(use, value)
        self.edge(value.node, use, Edge.BYTES, node)
        return Value(use)

    def _to_bytes(self, value: Value, use: int, node: Node) -> Value:
        self._operand(use, value)
        if value.node is None:
            if node.type == "binary_expression":
                left = node.child_by_field_name("left")
                if (
                    left is not None
                    and self._text[left.start_byte : left.end_byte].rstrip(b"UuLl)").lstrip(b"(") == b"1"
                ):
                    return Value(use, constant=("size", use))
            return Value(use)
        self.edge(value.node, use, Edge.COUNT, node)
        n = self.fresh(short(self._str(node)))
        self.edge(n, use, Edge.CONVERTED, node)
        return Value(n)

    def _rounded(self, value: Value, use: int, node: Node) -> Value:
        self.edge(value.granule, use, Edge.IDIOM, node)  # (x + PAGE_SIZE - 1) & PAGE_MASK
        self._operand(use, value)
        self.edge(value.node, use, Edge.ROUNDED, node)
        n = self.fresh(short(self._str(node)))
        self.edge(n, use, Edge.GRANULE, node)
        return Value(n, value.type, value.depth, granule=use)

    def _split(self, value: Value, use: int, node: Node) -> Value:
        self._operand(use, value)
        self.edge(value.node, use, Edge.SPLIT, node)
        n = self.fresh(short(self._str(node)))
        self.edge(n, use, Edge.OFFSET, node)
        self._offsets[n] = use
        return Value(n)

    def _related(self, name: str, values: list[Value], result: int, node: Node) -> Value:
        """Arguments of one call that a signature says are of equal unit."""
        for i, j in self.names.relations.get(name, ()):
            if i < len(values) and j < len(values):
                self.edge(values[i].node if i >= 0 else result, values[j].node, Edge.CHOICE, node)
        return Value(result)
