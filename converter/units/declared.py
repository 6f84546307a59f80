"""Declared types, read off the masked text without parsing: struct fields and what functions return."""

from __future__ import annotations

import re
from functools import cache

from converter.csource.words import Beginnings, Words
from converter.units.facts import Facts
from converter.units.signatures import signatures

# Each is tried only at a line break before one of the words it can begin with.
_BEGINNINGS = Beginnings([b"struct", b"union", b"typedef ", b"static", b"extern", b"inline", b"const", b"__"])
_STRUCT = re.compile(rb"\n(?:typedef )?(?:struct|union)\s+(\w+)\s*\{")
_MEMBER = re.compile(rb"\b((?:struct|union)\s+\w+|\w+_t)\s+(\**)\s*(\w+)\s*(\[)?[^;,(){}]*([;,])")
_RETURNS = re.compile(
    rb"\n(?:static\s+|extern\s+|inline\s+|__always_inline\s+|__must_check\s+|const\s+)*(struct\s+\w+)\s*\*\s*(\w+)\s*\("
)


_VARIABLE = re.compile(
    rb"\n(?:static\s+|extern\s+|const\s+|__\w+\s+)*(struct\s+\w+)\s+(\**)\s*(\w+)(\[\w*\])?\s*(?:__\w+(?:\([^)]*\))?\s*)*[;=]"
)
_ENDS = re.compile(rb"\s*[;,:\[]")

NUMBER = "number"
"""Stands for the type of a member that is neither a struct nor a typedef."""


@cache
def _fields() -> Words:
    """Names of the fields that signatures speak of: which structs have one is told of each, whatever its type."""
    return Words({key.rpartition(".")[2].encode() for key in signatures().seeds if key.startswith("F:")})


def declared(path: str, code: bytes, facts: Facts) -> None:
    """Adds to `facts`: struct -> field -> type ("struct page**", "pte_t*"), function -> type of its result, and of
    variables of the file, by key.

    Members of structs without a name count as those of the struct around them.
    """
    code = b"\n" + code
    starts = _BEGINNINGS.find(code)
    for start in starts:
        m = _STRUCT.match(code, start)
        if m is None:
            continue
        end = code.find(b"\n}", m.end())
        body = code[m.end() : end if end >= 0 else len(code)]
        members = facts.structs.setdefault(m.group(1).decode(), {})
        for f in _MEMBER.finditer(body):
            depth = len(f.group(2)) + (f.group(4) is not None)
            members.setdefault(f.group(3).decode(), f.group(1).decode().replace("union", "struct") + "*" * depth)
        for mark in _fields().find(body):
            if _ENDS.match(body, mark.end):
                members.setdefault(mark.word.decode(), NUMBER)
    for start in starts:
        if m := _RETURNS.match(code, start):
            facts.returns.setdefault(m.group(2).decode(), m.group(1).decode() + "*")
    scope = f"V:{path}:" if path.endswith(".c") else "V:"
    for start in starts:
        if m := _VARIABLE.match(code, start):
            depth = len(m.group(2)) + (m.group(4) is not None)
            facts.returns.setdefault(scope + m.group(3).decode(), m.group(1).decode() + "*" * depth)
