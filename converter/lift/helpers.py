"""The kernel's arithmetic helpers as C text (rules/lift/helpers.toml), parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import tree_sitter_c
from tree_sitter import Language, Node, Parser

from converter import data, toml
from converter.errors import RulesError

_TYPE_ARGUMENT = re.compile(rb"(?<=_t\()(?:unsigned|signed|long|short|int|char)(?:\s(?:long|short|int|char))+(?=\s*,)")
_BEFORE, _AFTER = b"void _(void){(", b");}"


class Helper(toml.Entry, frozen=True):
    """A macro or inline function that only computes; `params` is None of a constant."""

    name: str
    c: str
    example: str
    expect: int
    params: tuple[str, ...] | None = None


class _File(toml.Entry, frozen=True):
    helper: tuple[Helper, ...]


@dataclass(frozen=True)
class Parsed:
    """A helper, the syntax tree of its text, and the text that the tree's offsets count in."""

    helper: Helper
    body: Node
    text: bytes

    def uses(self, parameter: str) -> int:
        """How often its text names a parameter."""
        return self.text.decode().replace("(", " ").replace(")", " ").replace(",", " ").split().count(parameter)


def one_word(text: bytes) -> bytes:
    """The text with a type of several words that is an argument (`min_t(unsigned long, a, b)`) as one word of the same
    length: the grammar knows no types among arguments."""
    return _TYPE_ARGUMENT.sub(lambda m: re.sub(rb"\s", b"_", m[0]), text)


@cache
def parser() -> Parser:
    return Parser(Language(tree_sitter_c.language()))


def expression(c: str) -> tuple[Node, bytes] | None:
    """The syntax tree of one C expression, with the text around it; None where it is none."""
    text = _BEFORE + c.encode() + _AFTER
    tree = parser().parse(text)
    node = tree.root_node.descendant_for_byte_range(len(_BEFORE), len(_BEFORE) + len(c.encode()))
    if node is None or tree.root_node.has_error or not (node.type.endswith(("expression", "literal", "identifier"))):
        return None
    return node, text


@cache
def helpers() -> dict[str, Parsed]:
    """Helpers by name. Raises RulesError with file and line."""
    path = data.path("rules/lift/helpers.toml")
    found: dict[str, Parsed] = {}
    for i, h in enumerate(toml.load(path, _File).helper):
        parsed = expression(f"({h.c})")
        if parsed is None:
            raise RulesError(f"{toml.at(path, 'helper', i)}: {h.name}: {h.c!r} is not a C expression")
        if h.name in found:
            raise RulesError(f"{toml.at(path, 'helper', i)}: {h.name} is listed twice; remove one")
        found[h.name] = Parsed(h, *parsed)
    return found
