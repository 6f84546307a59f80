"""Quantities and the edges between them: what the walk over the syntax tree writes down."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tree_sitter import Node

from converter.units.edges import Edge
from converter.units.facts import Facts


class Value(NamedTuple):
    node: int | None = None
    type: str = ""
    depth: int = 0
    constant: tuple[str, int] | None = None
    granule: int | None = None  # the use that has just rounded, raised or bounded it


NOTHING = Value()


class Names(NamedTuple):
    """What the walk must recognise: family and derived names (kind, result, pinned unit), arithmetic, hints."""

    family: dict[bytes, tuple[str, str, str | None]]
    through: dict[str, int]
    choice: dict[str, list[int]]
    round: frozenset[str]
    predicate: frozenset[str]
    divide: frozenset[str]
    multiply: frozenset[str]
    shift: frozenset[str]
    typed: dict[str, int]
    variables: dict[str, str]
    relations: dict[str, tuple[tuple[int, int], ...]]
    hint: Callable[[str], str | None]  # name of a variable -> hint, or None
    type_hint: Callable[[str, int], str | None]  # C type and pointer depth -> hint, or None
    silent: Callable[[str], bool]  # callables whose arguments have nothing in common


class Quantities:
    """The nodes and edges of one file. `static` holds the names that are private to the file."""

    def __init__(
        self, facts: Facts, names: Names, path: str, static: frozenset[str], line_of: Callable[[int], int]
    ) -> None:
        self.facts = facts
        self.names = names
        self.path = path
        self.static = static
        self.line_of = line_of
        self._keys: dict[str, int] = {}
        self.uses: dict[int, tuple[int, Node]] = {}  # byte offset in the file -> use node, syntax node
        self._operand_types: dict[int, set[str]] = {}  # use node -> C types of what it is combined with
        self._offsets: dict[int, int] = {}  # what is left inside a page -> the use that made it
        self._comparison = Edge.COMPARE  # what a comparison says here: in the condition of a loop, a bound
        self._text = b""
        self._base = 0
        self._line = 0  # on which the text begins
        self._function = ""
        self._vars: dict[str, Value] = {}
        self._alias: dict[bytes, Value] = {}

    def key(self, name: str) -> int:
        found = self._keys.get(name)
        if found is None:
            self.facts.keys.append(name)
            found = self._keys[name] = -len(self.facts.keys)
        return found

    def fresh(self, name: str) -> int:
        self.facts.locals.append(name)
        return len(self.facts.locals) - 1

    def edge(self, a: int | None, b: int | None, kind: Edge, node: Node) -> None:
        if a is not None and b is not None and a != b:
            self.facts.edges.extend((a, b, kind, self._line + node.start_point.row))

    def own(self, name: str) -> str:
        """The global name of a function or macro of this file: private ones carry the path."""
        return f"{self.path}:{name}" if name in self.static else name

    def types_at(self, node: Node) -> set[str]:
        """C types of the operands of the use at a syntax node, `struct page*` style."""
        seen = self.uses.get(self._base + node.start_byte)
        return self._operand_types.get(seen[0], set()) if seen is not None else set()

    def _operand(self, use: int, value: Value) -> None:
        if value.type and not value.type.startswith("@"):
            self._operand_types.setdefault(use, set()).add(value.type + "*" * max(value.depth, 0))

    def _variable(self, name: str, type_: str, depth: int, node: Node) -> Value:
        n = self.fresh(name)
        hint = self.names.hint(name)
        if hint is not None:
            self.edge(n, self.key(hint), Edge.NAME, node)
        hint = self.names.type_hint(type_, depth)
        if hint is not None:
            self.edge(n, self.key(hint), Edge.TYPE, node)
        return Value(n, type_, depth)

    def _str(self, node: Node) -> str:
        return self._text[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _use(self, node: Node, word: bytes) -> int:
        offset = self._base + node.start_byte
        seen = self.uses.get(offset)
        if seen is not None:
            return seen[0]
        _, _, pinned = self.names.family[word]
        n = self.fresh(word.decode())
        self.uses[offset] = (n, node)
        if pinned is not None:
            self.edge(n, self.key("U:" + pinned), Edge.RULE, node)
        return n

    def _begin(self, function: str) -> None:
        self._function = function
        self._vars = {}
        self._alias = {}

    def _global(self, name: str) -> str:
        if name in self.static or (self.path.endswith(".c") and not name.isupper()):
            return f"{self.path}:{name}"
        return name


def short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 48 else text[:45] + "..."
