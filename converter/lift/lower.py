"""From the syntax tree of a C expression to Python, built with libcst: one function, inputs in, value out.

What is not arithmetic (the read of a field, the result of a call) is an input. Every conversion that C makes
without saying so is written down, so that the Python reads as what the machine does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import libcst as cst
from tree_sitter import Node

from converter.lift import calls, ctypes
from converter.lift.arithmetic import compare, converted, full, negative, operated, truth, zero
from converter.lift.body import KERNEL, Body
from converter.lift.calls import Bound
from converter.lift.code import binary, call, nested
from converter.lift.ctypes import INT, CType
from converter.lift.helpers import expression, helpers
from converter.lift.measures import Measures
from converter.lift.reading import Reading
from converter.lift.scope import Scope
from converter.lift.value import Lifted, NotLifted, Value

LARGEST = 400
"""Operations of one function: what is larger is not read by anyone."""

_GUESSES = {
    "call_expression": "a call of what is not declared in sight",
    "field_expression": "a field of a struct that is not declared in sight",
    "identifier": "a name that is not declared in sight",
}
"""Why the type of an input is not known, by its syntax."""
_TYPEOF = re.compile(r"(?:__)?typeof(?:__)?\s*\((.*)\)$")


class Lower:
    """Lifts one expression. `stays`: of a local's value, whether the local must stay an input."""

    def __init__(self, scope: Scope, reading: Reading, stays: Callable[[Node], bool] = lambda _: False) -> None:
        self.scope = scope
        self.reading = reading
        self.model = reading.model
        self.stays = stays
        self.body = Body()
        self.bound: Bound | None = None  # while a helper's text is lifted
        self._noted = Measures()
        self._resolving: set[str] = set()
        self._size = 0

    def function(self, name: str, value: Value) -> Lifted:
        """The function whose value has been lifted."""
        return self.body.function(name, value, self._noted)

    # expressions

    def value(self, node: Node) -> Value:
        """Raises NotLifted."""
        self._size += 1
        if self._size > LARGEST:
            raise NotLifted("the expression is too large")
        handler = _HANDLERS.get(node.type)
        return handler(self, node) if handler is not None else self.opaque(node)

    def _literal(self, node: Node) -> Value:
        text = self.text(node)
        if text[0] in "+-":  # the grammar takes a sign for a part of the number
            v = self._number(text[1:].strip())
            return v if text[0] == "+" else negative(v)
        return self._number(text)

    def _number(self, text: str) -> Value:
        found = self.model.literal(text)
        if found is None:
            raise NotLifted("floating point")
        number, t = found
        digits = re.sub(r"[uUlL]+$", "", text)
        spelled = digits if re.fullmatch(r"0[xX][0-9a-fA-F]+|[1-9][0-9]*|0", digits) else str(number)
        return Value(cst.Integer(spelled), t, literal=number)

    def _identifier(self, node: Node) -> Value:
        name = self.text(node)
        bound = self.bound
        if bound is not None:
            if name in bound.values:
                return bound.values[name]
            return self._constant(bound.constants.get(name, name), node)
        family = self.reading.family(node)
        if family == "":
            return self.opaque(node)
        if family is not None:
            return self._constant(family, node)
        if name in self.body.locals:
            return self.body.locals[name]
        source = self.scope.value_of(name)
        if source is not None and name not in self._resolving and not self.stays(source):
            resolved = self._local(name, source, node)
            if resolved is not None:
                return resolved
        if name not in self.scope.variables and name in helpers() and helpers()[name].helper.params is None:
            return calls.helper(self, helpers()[name], [], {})
        return self.opaque(node)

    def _constant(self, name: str, node: Node) -> Value:
        """A page-size constant, or another constant that is known."""
        t = self.reading.kernel.get(name)
        if t is not None:
            page = name.rpartition("_")[2].lower()
            return Value(cst.Attribute(cst.Name(KERNEL), cst.Name(name)), t, page=page)
        known = helpers().get(name)
        if known is not None and known.helper.params is None:
            return calls.helper(self, known, [], {})
        return self.opaque(node)

    def _local(self, name: str, source: Node, node: Node) -> Value | None:
        """The local as a name for its one value, in the local's own type."""
        t = self._declared(node)
        if t is None:
            return None
        self._resolving.add(name)
        before, size = self.body.copy(), self._size
        try:
            v = converted(self.value(source), t)
        except NotLifted:
            self.body, self._size = before, size
            return None
        finally:
            self._resolving.discard(name)
        known = self.body.locals[name] = v if v.simple and v.literal is None else self.body.named(name, v)
        return known

    def _parenthesized(self, node: Node) -> Value:
        if node.named_child_count != 1:
            return self.opaque(node)
        return self.value(node.named_children[0])

    def _unary(self, node: Node) -> Value:
        argument, sign = node.child_by_field_name("argument"), node.children[0].type
        if argument is None:
            return self.opaque(node)
        v = self.value(argument)
        if sign == "!":
            code = cst.UnaryOperation(cst.BitInvert(), nested(v.code)) if v.truth else compare("==", v, zero(v))
            return Value(code, INT, truth=True)
        v = converted(v, ctypes.promoted(v.type))
        if sign == "+":
            return v
        operator = {"-": cst.Minus, "~": cst.BitInvert}.get(sign)
        if operator is None:
            return self.opaque(node)
        page = "mask" if v.page in ("size", "mask") else ""
        return Value(cst.UnaryOperation(operator(), nested(full(v))), v.type, page=page)

    def _binary(self, node: Node) -> Value:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        sign = node.child_by_field_name("operator")
        if left is None or right is None or sign is None:
            return self.opaque(node)
        return self.operate(sign.type, self.value(left), self.value(right))

    def operate(self, sign: str, a: Value, b: Value) -> Value:
        """a sign b. Raises NotLifted."""
        terms, page = self._noted.measured(sign, a, b, self.reading.last)
        made = self._operated(sign, a, b)
        return replace(made, terms=terms, page=page, count=self._noted.counted(sign, a, b, self.reading.last))

    def _operated(self, sign: str, a: Value, b: Value) -> Value:
        pointers = sign in ("+", "-") and (a.type.pointer or b.type.pointer)
        return self._pointers(sign, a, b) if pointers else operated(sign, a, b)

    def _pointers(self, sign: str, a: Value, b: Value) -> Value:
        if a.type.pointer and b.type.pointer:
            if sign != "-":
                raise NotLifted("the sum of two pointers")
            long = self.model.long
            apart = Value(call(long.name, binary(a.code, cst.Subtract(), b.code)), long)
            return self.operate("/", apart, converted(self._stride(a.type), long)) if a.type.pointee != 1 else apart
        if not a.type.pointer:
            a, b = b, a
        ulong = self.model.ulong
        plain = replace(a, type=ulong)
        if a.type.pointee != 1:
            b = self.operate("*", converted(b, ulong), converted(self._stride(a.type), ulong))
        return replace(self._operated(sign, plain, converted(b, ulong)), type=a.type)

    def _stride(self, t: CType) -> Value:
        """sizeof() of what a pointer points to."""
        if t.pointee:
            return Value(cst.Integer(str(t.pointee)), INT, literal=t.pointee)
        return self.body.input("sizeof(*)", self.model.size_t, "")

    def _conditional(self, node: Node) -> Value:
        parts = [node.child_by_field_name(f) for f in ("condition", "consequence", "alternative")]
        if parts[0] is None or parts[2] is None:
            return self.opaque(node)
        condition = self.value(parts[0])
        a = self.value(parts[1]) if parts[1] is not None else condition
        b = self.value(parts[2])
        if a.type.pointer or b.type.pointer:
            t = a.type if a.type.pointer else b.type
        else:
            t = ctypes.common(a.type, b.type)
        a, b = converted(a, t), converted(b, t)
        return Value(
            call("pick", truth(condition), full(a), full(b)),
            t,
            terms=a.terms | b.terms,
            count=max(a.count, b.count),
        )

    def _cast(self, node: Node) -> Value:
        type_, value = node.child_by_field_name("type"), node.child_by_field_name("value")
        if type_ is None or value is None:
            return self.opaque(node)
        text = self.text(type_).strip()
        variable = text in (self.bound.values if self.bound is not None else self.scope.variables)
        if variable and value.type in ("unary_expression", "pointer_expression") and value.children[0].type in "+-&*":
            argument = value.child_by_field_name("argument")  # `(x) + y` is read as a cast of +y
            if argument is not None:
                return self.operate(value.children[0].type, self._identifier(type_), self.value(argument))
        return self.as_type(text, value, node)

    def as_type(self, text: str, value: Node, node: Node) -> Value:
        t = self.type_named(text)
        if t is None:
            return self.opaque(node)
        v = self.value(value)
        return converted(v, t)

    def type_named(self, text: str) -> CType | None:
        """The type that a text names: a parameter of a helper, typeof(), or a type name."""
        text = text.strip()
        if self.bound is not None and text in self.bound.types:
            return self.bound.types[text]
        m = _TYPEOF.match(text)
        if m is not None:
            parsed = expression(f"({m[1]})")
            if parsed is None:
                return None
            return self._typeof(*parsed)
        return self.model.parse(text)

    def _typeof(self, node: Node, text: bytes) -> CType | None:
        if self.bound is not None:
            kept, self.bound = self.bound, replace(self.bound, text=text)
            try:
                return self.value(node).type
            finally:
                self.bound = kept
        name = text[node.start_byte : node.end_byte].decode().strip("() ")
        v = self.scope.variables.get(name)
        return self.model.parse(v.type) if v is not None else None

    def _sizeof(self, node: Node) -> Value:
        type_ = node.child_by_field_name("type")
        size = self.model.size_of(self.text(type_)) if type_ is not None else None
        if type_ is not None and self.text(type_).endswith("*"):
            size = self.model.word
        if size is not None:
            return Value(cst.Integer(str(size)), self.model.size_t, literal=size)
        return self.body.input(self.reading.origin(node), self.model.size_t, "")

    # what stays as it is

    def opaque(self, node: Node) -> Value:
        """An input for the value of a subexpression."""
        if self.bound is not None:
            raise NotLifted(f"{self.text(node)} in a helper's text")
        if node.type in ("initializer_list", "compound_literal_expression", "ERROR", "compound_statement"):
            raise NotLifted("not an expression")
        t = self._declared(node)
        guess = ""
        if t is None:
            t, guess = self.model.ulong, _GUESSES.get(node.type, "an expression without a declared type")
        return self.body.input(self.reading.origin(node), t, guess, self.scope.owner(node))

    def _declared(self, node: Node) -> CType | None:
        """The integer or pointer type of an expression as declared; None where it has none that is known."""
        text = self.scope.declared(node)
        return self.model.parse(text) if text is not None else None

    def text(self, first: Node, last: Node | None = None) -> str:
        """The C of a node, or of all from one to another."""
        text = self.bound.text if self.bound is not None else self.scope.text
        return text[first.start_byte : (last or first).end_byte].decode("utf-8", "replace")


_HANDLERS: dict[str, Callable[[Lower, Node], Value]] = {
    "number_literal": Lower._literal,
    "identifier": Lower._identifier,
    "true": Lower._identifier,
    "false": Lower._identifier,
    "null": Lower._identifier,
    "parenthesized_expression": Lower._parenthesized,
    "unary_expression": Lower._unary,
    "binary_expression": Lower._binary,
    "conditional_expression": Lower._conditional,
    "cast_expression": Lower._cast,
    "sizeof_expression": Lower._sizeof,
    "call_expression": calls.call,
}
