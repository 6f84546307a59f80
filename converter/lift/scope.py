"""Names in sight of an expression: declared types, and the one value that a local is ever given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tree_sitter import Node

_WRITES = {"assignment_expression", "update_expression"}


@dataclass(frozen=True)
class Declarations:
    """Types that hold over a file: struct -> field -> type, function -> type of its result, name -> the type it
    always has. `fields` maps the name of a field to its type where all structs that have one agree."""

    structs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    returns: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)

    def with_structs(self, structs: Mapping[str, Mapping[str, str]]) -> Declarations:
        """These, and structs that one file declares."""
        return replace(self, structs={**self.structs, **structs}) if structs else self


@dataclass(slots=True)
class Variable:
    """A parameter or local: its type as text, and what it is given, as far as that is one value."""

    type: str
    value: Node | None = None
    writes: int = 0
    array: bool = False


class Scope:
    """One function, macro or declaration: `root` is its syntax tree, `text` what the tree's offsets count in."""

    def __init__(self, root: Node, text: bytes, known: Declarations) -> None:
        self.text = text
        self.known = known
        self.result = ""  # the function's type
        self.variables: dict[str, Variable] = {}
        self._walk(root)

    def raw(self, node: Node) -> str:
        return " ".join(self.text[node.start_byte : node.end_byte].decode("utf-8", "replace").split())

    def value_of(self, name: str) -> Node | None:
        """What a local is given, where it is given a value once and nothing else can write to it."""
        v = self.variables.get(name)
        return v.value if v is not None and v.writes == 1 and not v.array else None

    def declared(self, node: Node) -> str | None:
        """The declared type of an expression, as text; None where declarations do not tell."""
        t = node.type
        if t == "identifier":
            name = self.raw(node)
            v = self.variables.get(name)
            if v is not None:
                return v.type or None
            struct = self.known.variables.get(name)
            return f"struct {struct} *" if struct else None
        if t == "parenthesized_expression" and node.named_child_count == 1:
            return self.declared(node.named_children[0])
        if t == "field_expression":
            return self._field(node)
        if t == "subscript_expression" or (t == "pointer_expression" and self.text[node.start_byte] == 42):
            argument = node.child_by_field_name("argument")
            inner = self.declared(argument) if argument is not None else None
            return inner.rstrip()[:-1].rstrip() if inner is not None and inner.endswith("*") else None
        if t == "pointer_expression":
            argument = node.child_by_field_name("argument")
            inner = self.declared(argument) if argument is not None else None
            return f"{inner} *" if inner is not None else "void *"
        if t == "call_expression":
            function = node.child_by_field_name("function")
            return self.known.returns.get(self.raw(function)) if function is not None else None
        if t == "cast_expression":
            type_ = node.child_by_field_name("type")
            return self.raw(type_) if type_ is not None else None
        return None

    def owner(self, node: Node) -> str:
        """The struct that a field is in; '' of other expressions, and where declarations do not tell."""
        argument = node.child_by_field_name("argument") if node.type == "field_expression" else None
        declared = self.declared(argument) if argument is not None else None
        return declared.split()[1].rstrip("*") if declared is not None and declared.startswith("struct ") else ""

    def _field(self, node: Node) -> str | None:
        member = node.child_by_field_name("field")
        if member is None:
            return None
        name = self.raw(member)
        return self.known.structs.get(self.owner(node), {}).get(name) or self.known.fields.get(name)

    def _walk(self, root: Node) -> None:
        stack = [root]
        while stack:
            node = stack.pop()
            t = node.type
            if t == "function_definition":
                self._function(node)
            elif t == "declaration":
                self._declaration(node)
            elif t in _WRITES:
                self._write(node)
            elif t == "pointer_expression" and self.text[node.start_byte] == 38:
                self._lost(node.child_by_field_name("argument"))
            stack.extend(reversed(node.named_children))

    def _function(self, node: Node) -> None:
        declarator = node.child_by_field_name("declarator")
        stars = 0
        while declarator is not None and declarator.type != "function_declarator":
            stars += declarator.type == "pointer_declarator"
            declarator = declarator.child_by_field_name("declarator")
        type_ = node.child_by_field_name("type")
        if type_ is not None:
            self.result = self.raw(type_) + " " + "*" * stars
        listed = declarator.child_by_field_name("parameters") if declarator is not None else None
        for p in listed.named_children if listed is not None else ():
            if p.type == "parameter_declaration":
                self._declare(p, p.child_by_field_name("declarator"), writes=2)

    def _declaration(self, node: Node) -> None:
        for d in node.children_by_field_name("declarator"):
            value = d.child_by_field_name("value") if d.type == "init_declarator" else None
            self._declare(node, d, value, writes=int(value is not None))

    def _declare(self, node: Node, declarator: Node | None, value: Node | None = None, writes: int = 0) -> None:
        name, stars, array = _declared(declarator, self.text)
        type_ = node.child_by_field_name("type")
        if not name or type_ is None:
            return
        text = self.raw(type_)
        if type_.type in ("struct_specifier", "union_specifier") and (tag := type_.child_by_field_name("name")):
            text = "struct " + self.raw(tag)
        text += " " + "*" * stars if stars else ""
        known = self.variables.get(name)
        if known is not None:  # of two variables of one name, which is meant?
            known.writes += 2
            if known.type != text:
                known.type = ""
            return
        self.variables[name] = Variable(text, value, writes, array)

    def _write(self, node: Node) -> None:
        target = node.child_by_field_name("left") or node.child_by_field_name("argument")
        if target is None or target.type != "identifier":
            return
        v = self.variables.get(self.raw(target))
        if v is None:
            return
        sign = node.child_by_field_name("operator")
        v.writes += 1 if node.type == "assignment_expression" and sign is not None and sign.type == "=" else 2
        if v.value is None:
            v.value = node.child_by_field_name("right")

    def _lost(self, target: Node | None) -> None:
        """Its address is taken: anyone may write to it."""
        if target is not None and target.type == "identifier":
            v = self.variables.get(self.raw(target))
            if v is not None:
                v.writes += 2


def _declared(node: Node | None, text: bytes) -> tuple[str, int, bool]:
    """Name, depth of pointers (an array counts as one) and whether it is an array, of a declarator."""
    stars, array = 0, False
    while node is not None:
        t = node.type
        if t in ("identifier", "type_identifier", "field_identifier"):
            return text[node.start_byte : node.end_byte].decode("utf-8", "replace"), stars, array
        if t == "function_declarator":
            return "", 0, False
        stars += t in ("pointer_declarator", "array_declarator")
        array = array or t == "array_declarator"
        inner = node.child_by_field_name("declarator")
        if inner is None and t == "parenthesized_declarator" and node.named_child_count:
            inner = node.named_children[0]
        node = inner
    return "", 0, False
