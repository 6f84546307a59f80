"""Which uses of the family a compiler names, and where each is written, in a tree in which the family is not defined.

gcc names an undeclared name once in a function, or once in a file; a header put before everything else makes each use
a name of its own, so that it names all, those in macros' bodies where they stand there, and those in #if, which would
silently be 0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from converter.vocabulary import Scheme, vocabulary

_LEFT = "PGCONV_LEFT_"
_NAMED = re.compile(rf"(?:error|warning): .*\b{_LEFT}(\w+?)_\d+\b")
_PROBLEM = re.compile(r"^(\S+?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)")
_UNDEFINED = re.compile(r'^(\S+?):(\d+):(\d+): (?:error|warning): "(\w+)" is not defined, evaluates to 0')
_MARKED = re.compile(r"\{P:([^;]*);[^}]*?;L:(\d+);C:(\d+);[^}]*\}(\w+)")
_OUTSIDE = re.compile(r"in expansion of macro 'PGCONV_PASTE'$")
_EXPANSION = re.compile(r"^(.+?):(\d+):(\d+): note: in expansion of macro '(\w+)'$")
_NOTE = re.compile(r": note: ")

_CALL = 40
"""Lines of the longest macro call that is looked through."""


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """A use that the compiler named; `line` and `col` from 1."""

    path: str
    line: int
    col: int
    name: str


def vanishing(chosen: Scheme) -> list[str]:
    """The names of the family that are not defined where the two sizes differ."""
    return [n for n in vocabulary().family if n not in chosen.names[n].values()]


def larger(chosen: Scheme, shift: int) -> str:
    """What goes before a file of assembler: the larger shift."""
    symbol = chosen.names["CONFIG_PAGE_SHIFT"]["pg"]
    return f"#undef {symbol}\n#define {symbol} {shift}\n"


def header(chosen: Scheme, shift: int) -> str:
    """What goes before a file of C: the larger shift, and each use of the family a name that is not declared."""
    lines = [
        "#define PGCONV_PASTE_(a, b) a##b",
        "#define PGCONV_PASTE(a, b) PGCONV_PASTE_(a, b)",
    ]
    for name in vanishing(chosen):
        made = f"PGCONV_PASTE({_LEFT}{name}_, __COUNTER__)"
        call = vocabulary().names[name].form == "call"
        lines.append(f"#define {name}(...) {made}(__VA_ARGS__)" if call else f"#define {name} {made}")
    return larger(chosen, shift) + "".join(line + "\n" for line in lines)


def reader(root: Path) -> Callable[[str], Sequence[str]]:
    """Gives the lines of a file below `root`, as bytes count columns; none of a file that is not there."""

    @cache
    def lines(path: str) -> Sequence[str]:
        try:
            return (root / path).read_text(encoding="latin-1").split("\n")
        except OSError:
            return []

    return lines


def named(lines: Iterable[str], root: str, source: Callable[[str], Sequence[str]]) -> Iterator[Use]:
    """The uses that gcc's messages name. `root` is cut from the paths; `source` gives the lines of a file.

    The name itself stands in the header before everything else; the note after that of PGCONV_PASTE says where its use
    is written, be it in a macro's body or among its arguments. Of what a macro pastes (`, ## input`) it says where the
    paste is: there the use is in the call that a later note names.
    """
    name = ""
    places: list[tuple[str, int, int]] = []
    outside = False
    for line in (*lines, ""):
        if m := _NAMED.search(line):
            yield from _written(name, places, source)
            name, places, outside = m[1], [], False
        elif _OUTSIDE.search(line):
            outside = True
        elif outside and (m := _EXPANSION.match(line)) and (places or m[4] == name):
            places.append((_below(m[1], root), int(m[2]), int(m[3])))
        elif not _NOTE.search(line):
            yield from _written(name, places, source)
            name, places, outside = "", [], False


def _written(
    name: str, places: Sequence[tuple[str, int, int]], source: Callable[[str], Sequence[str]]
) -> Iterator[Use]:
    """The first of the places where the name stands, or the call there that holds it; else the first place."""
    word = re.compile(rf"\b{name}\b")
    for n, (path, line, col) in enumerate(places):
        lines = source(path)
        if lines[line - 1 : line] and word.match(lines[line - 1], col - 1):
            yield Use(path, line, col, name)
            return
        for at in range(line, min(line + _CALL, len(lines) + 1) if n else line):
            if m := word.search(lines[at - 1]):
                yield Use(path, at, m.start() + 1, name)
                return
            if ";" in lines[at - 1]:
                break
    if places:
        yield Use(*places[0], name)


def marked(lines: Iterable[str], root: str, names: Collection[str]) -> Iterator[Use]:
    """The uses in preprocessed text, in which gcc's -fdebug-cpp puts before every token where it is written. An
    assembler would take them for symbols of other files, and say nothing."""
    for line in lines:
        for m in _MARKED.finditer(line):
            if m[4] in names:
                yield Use(_below(m[1], root), int(m[2]), int(m[3]), m[4])


def undefined(lines: Iterable[str], root: str, names: Collection[str]) -> Iterator[Use]:
    """The uses in #if that gcc warns of where they are not defined."""
    for line in lines:
        if (m := _UNDEFINED.match(line)) and m[4] in names:
            yield Use(_below(m[1], root), int(m[2]), int(m[3]), m[4])


def other(said: str) -> str:
    """The first error that is not about a use that is left."""
    for line in said.splitlines():
        if (m := _PROBLEM.match(line)) and _LEFT not in line and not _UNDEFINED.match(line):
            return f"{os.path.basename(m[1])}:{m[2]}: {m[3]}"
    return ""


def _below(path: str, root: str) -> str:
    """A path as the tree has it: files include others by way of `..`."""
    return os.path.normpath(path.removeprefix(root))
