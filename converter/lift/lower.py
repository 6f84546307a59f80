"""From the syntax tree of a C expression to Python, built with libcst: one function, inputs in, value out.

What is not arithmetic (the read of a field, the result of a call) is an input. Every conversion that C makes
without saying so is written down, so that the Python reads as what the machine does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import libcst as cst
from tree_sitter import Node

from converter.lift import ctypes
from converter.lift.ctypes import BOOL, INT, LONG, ULONG, CType
from converter.lift.helpers import Parsed, expression, helpers
from converter.lift.scope import Scope

LARGEST = 400
"""Operations of one function: what is larger is not read by anyone."""

_ARITHMETIC: dict[str, type[cst.BaseBinaryOp]] = {
    "+": cst.Add, "-": cst.Subtract, "*": cst.Multiply, "&": cst.BitAnd, "|": cst.BitOr, "^": cst.BitXor,
}  # fmt: skip
_COMPARE: dict[str, type[cst.BaseCompOp]] = {
    "<": cst.LessThan, ">": cst.GreaterThan, "<=": cst.LessThanEqual, ">=": cst.GreaterThanEqual,
    "==": cst.Equal, "!=": cst.NotEqual,
}  # fmt: skip
_SHIFTS = {"<<": "shl", ">>": "shr"}
_TYPEOF = re.compile(r"(?:__)?typeof(?:__)?\s*\((.*)\)$")
KERNEL = "k"
"""The parameter that holds the page sizes."""


class NotLifted(Exception):
    """Why an expression cannot be lifted, worded so that equal reasons can be counted."""


@dataclass(frozen=True, slots=True)
class Input:
    """A quantity that the expression takes as it is.

    text   its C
    guess  why the type is not as declared
    owner  of a field: the struct that it is in, where that is known
    """

    name: str
    text: str
    type: CType
    guess: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A Python expression for a C value.

    truth    it is a numpy bool
    literal  it is a bare number
    page     it is made of a page-size name alone: shift, size or mask
    terms    inputs that it is a sum of
    count    it is a count of pages, made of bytes by the page-size name at this offset (-1: it is not)
    """

    code: cst.BaseExpression
    type: CType
    truth: bool = False
    literal: int | None = None
    page: str = ""
    terms: frozenset[str] = frozenset()
    count: int = -1

    @property
    def simple(self) -> bool:
        return isinstance(self.code, (cst.Name, cst.Integer, cst.Attribute))


@dataclass(frozen=True, slots=True)
class Lifted:
    """The function, as libcst has it, its inputs in the order of its parameters, and the type of what it returns.

    `measures` says of an input, by its C, that it is bytes or a count: what a page-size name in the expression takes
    it for, and the offset of that name. `meets` are pairs of page-size names by whose unit one count is both made and
    used, and `scaled` inputs that are multiplied or shifted by something else: a size of entries, not a count of pages.
    """

    function: cst.FunctionDef
    inputs: tuple[Input, ...]
    type: CType
    measures: dict[str, tuple[str, int]]
    meets: frozenset[tuple[int, int]]
    scaled: frozenset[str]

    def source(self) -> str:
        return cst.Module([self.function]).code


Family = Callable[[Node], str | None]
"""The page-size name that an identifier of the source is to be read as; '' where it is open, None where it is none."""


@dataclass
class Reading:
    """How names in the source are read.

    family   see Family
    kernel   page-size names that are attributes of the kernel: name -> type
    family_helpers   name -> helper of the family that it is a copy of, and what each family constant in it becomes
    origin   the text by which an input is known: equal on both sides of a conversion
    """

    family: Family
    kernel: dict[str, CType]
    copies: dict[str, tuple[str, dict[str, str]]]
    origin: Callable[[Node], str]
    last: int = -1  # offset of the page-size name that was read last


@dataclass
class _Bound:
    """What parameters of a helper stand for while its text is lifted."""

    values: dict[str, Value] = field(default_factory=dict)
    types: dict[str, CType] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    text: bytes = b""


class Lower:
    """Lifts one expression. `open_local`: locals that must stay inputs."""

    def __init__(self, scope: Scope, reading: Reading, stays: Callable[[Node], bool] = lambda _: False) -> None:
        self.scope = scope
        self.reading = reading
        self.stays = stays
        self.inputs: dict[str, Input] = {}
        self.names: dict[str, str] = {}  # Python name -> the C text it stands for
        self.statements: list[cst.SimpleStatementLine] = []
        self.locals: dict[str, Value] = {}
        self.measures: dict[str, tuple[str, int]] = {}
        self.meets: set[tuple[int, int]] = set()
        self.scaled: set[str] = set()
        self._resolving: set[str] = set()
        self._size = 0
        self._bound: _Bound | None = None

    def function(self, name: str, value: Value) -> Lifted:
        """The function whose value has been lifted."""
        code = value.code
        if value.truth or value.literal is not None:
            code = _call(value.type.name, code)
        params = [cst.Param(cst.Name(i.name)) for i in self.inputs.values()]
        params.append(cst.Param(cst.Name(KERNEL)))
        body = [*self.statements, cst.SimpleStatementLine([cst.Return(code)])]
        made = cst.FunctionDef(cst.Name(name), cst.Parameters(params), cst.IndentedBlock(body))
        return Lifted(
            made, tuple(self.inputs.values()), value.type, self.measures, frozenset(self.meets), frozenset(self.scaled)
        )

    # expressions

    def value(self, node: Node) -> Value:
        """Raises NotLifted."""
        self._size += 1
        if self._size > LARGEST:
            raise NotLifted("the expression is too large")
        handler = _HANDLERS.get(node.type)
        return handler(self, node) if handler is not None else self.opaque(node)

    def converted(self, v: Value, t: CType) -> Value:
        """v as C converts it to type t."""
        if t == BOOL:
            return replace(v, type=BOOL) if v.truth else Value(self._truth(v), BOOL, truth=True)
        if v.literal is not None and t.holds(v.literal):
            return replace(v, type=t)
        code = self._full(v)
        return replace(
            v, code=code if v.type.name == t.name else _call(t.name, code), type=t, truth=False, literal=None
        )

    def _full(self, v: Value) -> cst.BaseExpression:
        """Code that has v's dtype for sure: a bare number takes that of its neighbour."""
        return _call(v.type.name, v.code) if v.literal is not None or v.truth else v.code

    def _truth(self, v: Value) -> cst.BaseExpression:
        return v.code if v.truth else _call("true", self._full(v))

    def _literal(self, node: Node) -> Value:
        text = self._str(node)
        if text[0] in "+-":  # the grammar takes a sign for a part of the number
            v = self._number(text[1:].strip())
            return v if text[0] == "+" else self._negative(v)
        return self._number(text)

    def _negative(self, v: Value) -> Value:
        v = self.converted(v, ctypes.promoted(v.type))
        return Value(cst.UnaryOperation(cst.Minus(), _nested(self._full(v))), v.type)

    def _number(self, text: str) -> Value:
        found = ctypes.literal(text)
        if found is None:
            raise NotLifted("floating point")
        number, t = found
        digits = re.sub(r"[uUlL]+$", "", text)
        spelled = digits if re.fullmatch(r"0[xX][0-9a-fA-F]+|[1-9][0-9]*|0", digits) else str(number)
        return Value(cst.Integer(spelled), t, literal=number)

    def _identifier(self, node: Node) -> Value:
        name = self._str(node)
        bound = self._bound
        if bound is not None:
            if name in bound.values:
                return bound.values[name]
            return self._constant(bound.constants.get(name, name), node)
        family = self.reading.family(node)
        if family == "":
            return self.opaque(node)
        if family is not None:
            return self._constant(family, node)
        if name in self.locals:
            return self.locals[name]
        source = self.scope.value_of(name)
        if source is not None and name not in self._resolving and not self.stays(source):
            resolved = self._local(name, source, node)
            if resolved is not None:
                return resolved
        if name not in self.scope.variables and name in helpers() and helpers()[name].helper.params is None:
            return self._helper(helpers()[name], [], {})
        return self.opaque(node)

    def _constant(self, name: str, node: Node) -> Value:
        """A page-size constant, or another constant that is known."""
        t = self.reading.kernel.get(name)
        if t is not None:
            page = name.rpartition("_")[2].lower()
            return Value(cst.Attribute(cst.Name(KERNEL), cst.Name(name)), t, page=page)
        known = helpers().get(name)
        if known is not None and known.helper.params is None:
            return self._helper(known, [], {})
        return self.opaque(node)

    def _local(self, name: str, source: Node, node: Node) -> Value | None:
        """The local as a name for its one value, in the local's own type."""
        t = self.scope.ctype(node)
        if t is None:
            return None
        self._resolving.add(name)
        before = (dict(self.inputs), dict(self.names), len(self.statements), self._size, dict(self.locals))
        try:
            v = self.converted(self.value(source), t)
        except NotLifted:
            self.inputs, self.names, count, self._size, self.locals = before
            del self.statements[count:]
            return None
        finally:
            self._resolving.discard(name)
        known = self.locals[name] = v if v.simple and v.literal is None else self._named(name, v)
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
            code = cst.UnaryOperation(cst.BitInvert(), _nested(v.code)) if v.truth else self._compare("==", v, _zero(v))
            return Value(code, INT, truth=True)
        v = self.converted(v, ctypes.promoted(v.type))
        if sign == "+":
            return v
        operator = {"-": cst.Minus, "~": cst.BitInvert}.get(sign)
        if operator is None:
            return self.opaque(node)
        page = "mask" if v.page in ("size", "mask") else ""
        return Value(cst.UnaryOperation(operator(), _nested(self._full(v))), v.type, page=page)

    def _binary(self, node: Node) -> Value:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        sign = node.child_by_field_name("operator")
        if left is None or right is None or sign is None:
            return self.opaque(node)
        return self.operate(sign.type, self.value(left), self.value(right))

    def operate(self, sign: str, a: Value, b: Value) -> Value:
        """a sign b. Raises NotLifted."""
        terms, page = self._measured(sign, a, b)
        return replace(self._operated(sign, a, b), terms=terms, page=page, count=self._counted(sign, a, b))

    def _counted(self, sign: str, a: Value, b: Value) -> int:
        """The name by which the result is a count, if it is one; notes where two counts meet."""
        if (sign == ">>" and b.page == "shift") or (sign == "/" and b.page == "size" and not a.page):
            return self.reading.last
        if a.count >= 0 and ((sign == "<<" and b.page == "shift") or (sign == "*" and b.page == "size")):
            self.meets.add((a.count, self.reading.last))
        elif b.count >= 0 and sign == "*" and a.page == "size":
            self.meets.add((b.count, self.reading.last))
        elif a.count >= 0 and b.count >= 0 and (sign in ("+", "-") or sign in _COMPARE):
            self.meets.add((a.count, b.count))
        return max(a.count, b.count) if sign in ("+", "-", "|", "&") else -1

    def _measured(self, sign: str, a: Value, b: Value) -> tuple[frozenset[str], str]:
        """Notes what the operation takes inputs for; terms and page of the result."""
        if a.page and b.page:
            return frozenset(), a.page if a.page == b.page and sign in ("+", "-", "|", "&") else ""
        if not a.page and not b.page:
            if sign in ("*", "/", "%", *_SHIFTS):
                self.scaled |= a.terms | b.terms
            return (a.terms | b.terms if sign in ("+", "-") else frozenset()), ""
        page, other, right = (b.page, a, True) if b.page else (a.page, b, False)
        if other.literal is not None and not other.terms:
            kept = {"-": "mask" if page == "size" and other.literal == 1 else page, "+": page}.get(sign, "")
            return frozenset(), "size" if sign == "<<" and page == "shift" and right else kept
        measure = {
            ("<<", "shift", True): "count", (">>", "shift", True): "byte", ("*", "size", True): "count",
            ("*", "size", False): "count", ("/", "size", True): "byte", ("%", "size", True): "byte",
            ("&", "mask", True): "byte", ("&", "mask", False): "byte", ("|", "mask", True): "byte",
        }.get((sign, page, right), "byte" if page == "size" and (sign in "+-" or sign in _COMPARE) else "")  # fmt: skip
        if measure:
            for term in other.terms:
                self.measures.setdefault(term, (measure, self.reading.last))
        additive = sign in ("+", "-") or (sign in ("&", "|") and page == "mask")
        return (other.terms if additive else frozenset()), ""

    def _operated(self, sign: str, a: Value, b: Value) -> Value:
        if sign in ("&&", "||"):
            operator = cst.BitAnd() if sign == "&&" else cst.BitOr()
            return Value(_binary(self._truth(a), operator, self._truth(b)), INT, truth=True)
        if sign in _SHIFTS:
            t = ctypes.promoted(a.type)
            a, b = self.converted(a, t), self.converted(b, ctypes.promoted(b.type))
            return Value(_call(_SHIFTS[sign], self._full(a), b.code), t)
        if sign in ("+", "-") and (a.type.pointer or b.type.pointer):
            return self._pointers(sign, a, b)
        t = ctypes.common(a.type, b.type)
        a, b = self.converted(a, t), self.converted(b, t)
        if sign in _COMPARE:
            return Value(self._compare(sign, a, b), INT, truth=True)
        if sign in ("/", "%"):
            return Value(_call("div" if sign == "/" else "mod", self._full(a), self._full(b)), t)
        if sign not in _ARITHMETIC:
            raise NotLifted(f"the operator {sign}")
        x, y = self._sides(a, b)
        return Value(_binary(x, _ARITHMETIC[sign](), y), t)

    def _sides(self, a: Value, b: Value) -> tuple[cst.BaseExpression, cst.BaseExpression]:
        """The two operands: a bare number may stand beside an operand that has the dtype."""
        if b.literal is not None and a.literal is None:
            return self._full(a), b.code
        if a.literal is not None and b.literal is None:
            return a.code, self._full(b)
        return self._full(a), self._full(b)

    def _compare(self, sign: str, a: Value, b: Value) -> cst.BaseExpression:
        x, y = self._sides(a, b)
        return cst.Comparison(_nested(x), [cst.ComparisonTarget(_COMPARE[sign](), _nested(y))])

    def _pointers(self, sign: str, a: Value, b: Value) -> Value:
        if a.type.pointer and b.type.pointer:
            if sign != "-":
                raise NotLifted("the sum of two pointers")
            apart = Value(_call("i64", _binary(a.code, cst.Subtract(), b.code)), LONG)
            return (
                self.operate("/", apart, self.converted(self._stride(a.type), LONG)) if a.type.pointee != 1 else apart
            )
        if not a.type.pointer:
            a, b = b, a
        plain = replace(a, type=ULONG)
        if a.type.pointee != 1:
            b = self.operate("*", self.converted(b, ULONG), self.converted(self._stride(a.type), ULONG))
        return replace(self._operated(sign, plain, self.converted(b, ULONG)), type=a.type)

    def _stride(self, t: CType) -> Value:
        """sizeof() of what a pointer points to."""
        if t.pointee:
            return Value(cst.Integer(str(t.pointee)), INT, literal=t.pointee)
        return self._input("sizeof(*)", ULONG, "")

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
        a, b = self.converted(a, t), self.converted(b, t)
        return Value(
            _call("pick", self._truth(condition), self._full(a), self._full(b)),
            t,
            terms=a.terms | b.terms,
            count=max(a.count, b.count),
        )

    def _cast(self, node: Node) -> Value:
        type_, value = node.child_by_field_name("type"), node.child_by_field_name("value")
        if type_ is None or value is None:
            return self.opaque(node)
        text = self._str(type_).strip()
        variable = text in (self._bound.values if self._bound is not None else self.scope.variables)
        if variable and value.type in ("unary_expression", "pointer_expression") and value.children[0].type in "+-&*":
            argument = value.child_by_field_name("argument")  # `(x) + y` is read as a cast of +y
            if argument is not None:
                return self.operate(value.children[0].type, self._identifier(type_), self.value(argument))
        return self._as_type(text, value, node)

    def _as_type(self, text: str, value: Node, node: Node) -> Value:
        t = self._type(text)
        if t is None:
            return self.opaque(node)
        v = self.value(value)
        return self.converted(v, t)

    def _type(self, text: str) -> CType | None:
        """The type that a text names: a parameter of a helper, typeof(), or a type name."""
        text = text.strip()
        if self._bound is not None and text in self._bound.types:
            return self._bound.types[text]
        m = _TYPEOF.match(text)
        if m is not None:
            parsed = expression(f"({m[1]})")
            if parsed is None:
                return None
            return self._typeof(*parsed)
        return ctypes.parse(text)

    def _typeof(self, node: Node, text: bytes) -> CType | None:
        if self._bound is not None:
            kept, self._bound = self._bound, replace(self._bound, text=text)
            try:
                return self.value(node).type
            finally:
                self._bound = kept
        name = text[node.start_byte : node.end_byte].decode().strip("() ")
        v = self.scope.variables.get(name)
        return ctypes.parse(v.type) if v is not None else None

    def _sizeof(self, node: Node) -> Value:
        type_ = node.child_by_field_name("type")
        size = ctypes.size_of(self._str(type_)) if type_ is not None else None
        if type_ is not None and self._str(type_).endswith("*"):
            size = 8
        if size is not None:
            return Value(cst.Integer(str(size)), ULONG, literal=size)
        return self._input(self._origin(node), ULONG, "")

    def _call(self, node: Node) -> Value:
        function, listed = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if function is None or listed is None:
            return self.opaque(node)
        arguments = _arguments(listed)
        name = self._str(function)
        if function.type == "parenthesized_expression" and len(arguments) == 1 and len(arguments[0]) == 1:
            return self._as_type(name[1:-1], arguments[0][0], node)  # (pgoff_t)(x) is read as a call
        if function.type != "identifier":
            return self.opaque(node)
        if name == "__log2" and self._bound is not None:
            v = self.value(arguments[0][0])
            return Value(_call("log2", self._full(self.converted(v, ULONG))), INT)
        constants: dict[str, str] = {}
        site = -1
        if self._bound is None:
            family = self.reading.family(function)
            if family == "":
                return self.opaque(node)
            if family is not None:
                if family not in self.reading.copies:
                    return self.opaque(node)
                name, constants = self.reading.copies[family]
                site = self.reading.last
            elif name in self.reading.copies:
                name, constants = self.reading.copies[name]
        else:
            constants = self._bound.constants
        parsed = helpers().get(name)
        if parsed is None or parsed.helper.params is None or len(parsed.helper.params) != len(arguments):
            return self.opaque(node)
        return self._helper(parsed, arguments, constants, site)

    def _helper(self, parsed: Parsed, arguments: list[list[Node]], constants: dict[str, str], site: int = -1) -> Value:
        bound = _Bound(constants=constants, text=parsed.text)
        for parameter, nodes in zip(parsed.helper.params or (), arguments, strict=True):
            if parameter == "type":
                t = self._type(self._between(nodes))
                if t is None:
                    raise NotLifted("a type that is not known")
                bound.types[parameter] = t
            elif parameter == "suffix":
                continue
            elif len(nodes) != 1:
                raise NotLifted("an argument that is no expression")
            else:
                v = self.value(nodes[0])
                if not v.simple and parsed.uses(parameter) > 1:
                    v = self._named(parameter, v)
                bound.values[parameter] = v
        if site >= 0:
            self.reading.last = site
        kept, self._bound = self._bound, bound
        try:
            return self.value(parsed.body)
        finally:
            self._bound = kept

    # what stays as it is

    def opaque(self, node: Node) -> Value:
        """An input for the value of a subexpression."""
        if self._bound is not None:
            raise NotLifted(f"{self._str(node)} in a helper's text")
        if node.type in ("initializer_list", "compound_literal_expression", "ERROR", "compound_statement"):
            raise NotLifted("not an expression")
        t = self.scope.ctype(node)
        guess = ""
        if t is None:
            t, guess = ULONG, "no declared type is known"
        return self._input(self._origin(node), t, guess, self.scope.owner(node))

    def _input(self, text: str, t: CType, guess: str, owner: str = "") -> Value:
        known = self.inputs.get(text)
        if known is None:
            known = self.inputs[text] = Input(self._fresh(text), text, t, guess, owner)
        return Value(cst.Name(known.name), known.type, terms=frozenset([text]))

    def _fresh(self, text: str) -> str:
        """A Python name for a piece of C."""
        name = re.sub(r"\W+", "_", text).strip("_")[:40].rstrip("_") or "x"
        if name[0].isdigit() or name in _TAKEN:
            name = f"c_{name}"
        made, n = name, 1
        while made in self.names:
            n += 1
            made = f"{name}_{n}"
        self.names[made] = text
        return made

    def _named(self, name: str, v: Value) -> Value:
        """A Python variable for a value that is used more than once."""
        made = self._fresh(name)
        target = [cst.AssignTarget(cst.Name(made))]
        self.statements.append(cst.SimpleStatementLine([cst.Assign(target, self._full(v))]))
        return Value(cst.Name(made), v.type, page=v.page, terms=v.terms, count=v.count)

    def _origin(self, node: Node) -> str:
        return self.reading.origin(node)

    def _str(self, node: Node) -> str:
        text = self._bound.text if self._bound is not None else self.scope.text
        return text[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _between(self, nodes: list[Node]) -> str:
        text = self._bound.text if self._bound is not None else self.scope.text
        return text[nodes[0].start_byte : nodes[-1].end_byte].decode("utf-8", "replace")


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
    "call_expression": Lower._call,
}
_TAKEN = {
    "k", "np", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else",
    "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or",
    "pass", "raise", "return", "try", "while", "with", "yield", "True", "False", "None", "true", "shl", "shr", "div",
    "mod", "pick", "log2", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "before", "after",
}  # fmt: skip


def _arguments(listed: Node) -> list[list[Node]]:
    """The arguments of a call, each as the nodes between two commas: a type makes more than one."""
    groups: list[list[Node]] = [[]]
    for c in listed.children[1:-1]:
        if c.type == ",":
            groups.append([])
        elif c.type != "comment":
            groups[-1].append(c)
    return [g for g in groups if g]


def _zero(v: Value) -> Value:
    return Value(cst.Integer("0"), v.type, literal=0)


def _call(name: str, *arguments: cst.BaseExpression) -> cst.Call:
    return cst.Call(cst.Name(name), [cst.Arg(_bare(a)) for a in arguments])


def _binary(a: cst.BaseExpression, operator: cst.BaseBinaryOp, b: cst.BaseExpression) -> cst.BinaryOperation:
    return cst.BinaryOperation(_nested(a), operator, _nested(b))


def _nested(code: cst.BaseExpression) -> cst.BaseExpression:
    """In parentheses where an operator stands beside it."""
    if isinstance(code, (cst.BinaryOperation, cst.Comparison, cst.UnaryOperation)) and not code.lpar:
        return code.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return code


def _bare(code: cst.BaseExpression) -> cst.BaseExpression:
    return code.with_changes(lpar=[], rpar=[]) if code.lpar else code
