"""The grammar understands what stands around a use: next to none lies in an ERROR node."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_c
from tree_sitter import Language, Parser, Tree

from converter import data
from converter.classify.roles import inert_directory
from converter.csource.normalise import normalise
from converter.csource.pieces import Source
from converter.csource.text import Directive
from tests.scan.lexer import FAMILY, words

MACRO = re.compile(rb"[ \t]*\w+(\([^()]*\))?")
PARSER = Parser(Language(tree_sitter_c.language()))


def in_error(tree: Tree, start: int, end: int) -> bool:
    node = tree.root_node.descendant_for_byte_range(start, end)
    while node is not None:
        if node.is_error or node.is_missing:
            return True
        node = node.parent
    return False


def misread(code: bytes) -> Iterator[tuple[int, str]]:
    """Line and name of each use of a C file that lies in an ERROR node of its piece, or in no piece at all.

    The body of a macro and the condition of an #if are parsed by themselves, as statements.
    """
    source = Source(code)
    starts = [0]
    while (at := code.find(b"\n", starts[-1])) >= 0:
        starts.append(at + 1)
    parsed: dict[int, list[tuple[bytes, Tree]]] = {}
    for word in words(code):
        start = starts[word.line - 1] + word.col - 1
        end = start + len(word.name)
        if word.text != "code":
            continue
        if (directive := source.directive_at(start)) is not None:
            if misread_directive(source, directive, start, end):
                yield word.line, word.name
            continue
        piece = source.piece_at(start)
        if piece.start not in parsed:
            parsed[piece.start] = [(text, PARSER.parse(normalise(text))) for text in source.variants(piece)]
        first, last = start - piece.start, end - piece.start
        trees = [tree for text, tree in parsed[piece.start] if text[first:last] == word.name.encode()]
        if not trees or in_error(trees[0], first, last):
            yield word.line, word.name


def misread_directive(source: Source, directive: Directive, start: int, end: int) -> bool:
    """Does a use lie in an ERROR node of a macro's body, or of a condition? Other directives hold no C."""
    body = directive.body
    if directive.keyword == b"define":
        head = MACRO.match(source.masked, directive.body, directive.end)
        body = head.end() if head is not None else directive.end
    elif directive.keyword not in (b"if", b"elif"):
        return False
    if start < body:
        return False
    before = b"void f(void) {"
    text = source.masked[body : directive.end].replace(b"\\", b" ")
    shift = len(before) - body
    return in_error(PARSER.parse(before + text + b"\n;}"), start + shift, end + shift)


def found(root: Path) -> list[str]:
    wrong = []
    for directory, _, names in os.walk(root):
        place = os.path.relpath(directory, root)
        for name in names:
            path = Path(directory, name)
            if name.endswith((".c", ".h")) and not path.is_symlink() and not inert_directory(place):
                code = path.read_bytes()
                if any(word in code for word in FAMILY):
                    wrong += [f"{place}/{name}:{line}: {word}" for line, word in misread(code)]
    return sorted(wrong)


def test_in_the_demo_tree_none_does() -> None:
    assert found(data.path("fixtures/tree")) == []


def test_in_the_real_tree_at_most_ten_do(kernel: Path) -> None:
    assert len(found(kernel)) <= 10


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(b"struct s {\n\tint a;\n} table[] = {\n\t{ PAGE_SIZE },\n};\n", id="type and table in one"),
        pytest.param(b"T(e,\n\tF(\n\t\te->a = g << PAGE_SHIFT;\n\t),\n\tP(x)\n);\n", id="statement in parentheses"),
        pytest.param(
            b"#ifdef A\nint f(void)\n{\n#else\nint g(void)\n{\n#endif\n\treturn PAGE_SIZE;\n}\n", id="two heads"
        ),
    ],
)
def test_a_piece_is_cut_where_its_declaration_ends(code: bytes) -> None:
    source = Source(code)
    piece = source.piece_at(code.index(b"PAGE_"))
    assert (piece.start, piece.end) == (0, len(code))
