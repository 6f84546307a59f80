"""Rule redefinition: a name of the scheme gets a second meaning.

A macro, and what else gives a name a meaning: a declaration of a plain type (a constant, a variable, a function), an
enumerator, an assembler's symbol.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from converter.ci.finding import Finding
from converter.ci.view import Changed, View
from converter.convert.taken import own_names
from converter.csource.text import mask

_DEFINE = re.compile(rb"^([ \t]*#[ \t]*(define|undef)[ \t]+)(\w+)")
_SHARED = re.compile(r"include/|arch/[^/]+/include/")
_WORD = rb"static|extern|inline|__always_inline|const|volatile|unsigned|signed|void|bool|char|short|int|long|\w+_t"
_TYPE = rb"(?:(?:" + _WORD + rb"|[us](?:8|16|32|64))\b[ \t*]*)+"
_DECLARED = re.compile(rb"^[ \t]*" + _TYPE + rb"\b(\w+)[ \t]*[=;,\[(]")
_SYMBOL = re.compile(rb"^[ \t]*(?:\.(?:set|equ|equiv|eqv)[ \t]+(\w+)[ \t]*,|(\w+)[ \t]*=[^=])")
_ENUM = re.compile(rb"\benum\b[^;{}()]*\{([^{}]*)\}")
_ENUMERATOR = re.compile(rb"(?:^|,)\s*(\w+)")


def find(view: View) -> Iterator[Finding]:
    """Lines that define or undefine a name of the scheme, other than where the scheme itself is defined."""
    names = own_names(view.chosen)
    for file in view.files:
        for line in sorted(file.added):
            m = _DEFINE.match(file.text[line])
            name = m[3].decode() if m is not None else ""
            if m is None or name not in names:
                continue
            why = _wrong(view, file, name, m[2] == b"undef")
            if why is not None:
                yield _finding(view, file, line, len(m[1]) + 1, name, f"{m[2].decode()}s {name}, {why}")
        yield from _others(view, file, names)


def _finding(view: View, file: Changed, line: int, col: int, name: str, message: str) -> Finding:
    fix = "call it something else, or define it beside the name that it comes from"
    return view.finding("redefinition", file.path, line, col, name, message, fix)


def _wrong(view: View, file: Changed, name: str, undefined: bool) -> str | None:
    if file.old is not None and name in file.old.defines:
        return None  # its own definition is edited
    if not undefined and name not in file.new.defines:
        return None  # in a comment
    other = next((p for p, own in sorted(view.ledger.defines.items()) if name in own and _meets(p, file.path)), None)
    if other is not None:
        return f"which {other} defines already"
    if not undefined and _SHARED.match(file.path) and _defines_family(file):
        return None  # the scheme is being introduced, or completed, beside the family
    return f"a name of scheme {view.chosen.scheme}" + ("" if view.spoken else ", which the tree does not speak yet")


def _defines_family(file: Changed) -> bool:
    return any(u.defines and u.function == u.name for u in file.new.uses)


def _meets(path: str, other: str) -> bool:
    """Does `other` see what `path` defines? A generic header and an architecture's are alternatives."""
    if path == other or not _SHARED.match(path):
        return False
    seen = {_scope(other)} if _SHARED.match(other) else {_scope(other), "include"}
    return _scope(path) in seen


def _scope(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "arch" else parts[0]


# What is no macro


def _others(view: View, file: Changed, names: frozenset[str]) -> Iterator[Finding]:
    """Declarations, enumerators and symbols on added lines; the file is only read where one of the names is there."""
    word = re.compile(rb"\b(?:" + "|".join(sorted(names)).encode() + rb")\b")
    here = [n for n in sorted(file.added) if word.search(file.text[n]) and not _DEFINE.match(file.text[n])]
    if not here:
        return
    text = mask(view.content(file.path), file.path.endswith(".S"))
    there = {(line, name): (col, what) for line, col, name, what in _meanings(file.path, text)}
    before = {name for h in file.change.hunks for old in h.old for name in _plain(file.path, old)}
    for line, name in sorted(there):
        if line in here and name in names and name not in before:
            col, what = there[line, name]
            yield _finding(view, file, line, col, name, f"{what} {name}, a name of scheme {view.chosen.scheme}")


def _meanings(path: str, text: bytes) -> Iterator[tuple[int, int, str, str]]:
    """Line and column from 1, name, and a phrase, of what gives names a meaning in a masked text."""
    for number, line in enumerate(text.split(b"\n"), 1):
        m = _DECLARED.match(line)
        if m is not None:
            yield number, m.start(1) + 1, m[1].decode(), "declares"
        m = _SYMBOL.match(line) if path.endswith((".S", ".lds")) else None
        if m is not None:
            yield number, m.start(m.lastindex or 0) + 1, m[m.lastindex or 0].decode(), "sets the symbol"
    for body in _ENUM.finditer(text):
        for m in _ENUMERATOR.finditer(body[1]):
            at = body.start(1) + m.start(1)
            yield text.count(b"\n", 0, at) + 1, at - text.rfind(b"\n", 0, at), m[1].decode(), "has an enumerator"


def _plain(path: str, line: bytes) -> Iterator[str]:
    """Names that a line of the old file gave a meaning already: an edit of it is no second one."""
    yield from (name for _, _, name, _ in _meanings(path, mask(line)))
    if m := re.match(rb"[ \t]*(\w+)[ \t]*(?:=[^=]|,|$)", line):
        yield m[1].decode()
