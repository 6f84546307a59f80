"""Declared types, read off the masked text without parsing: struct fields and what functions return."""

from __future__ import annotations

import re
from functools import cache

from converter.csource.words import Words
from converter.units.facts import Facts
from converter.units.signatures import signatures

# Each begins with a literal, which the search skips to: `^` and `\b` are tried at every byte.
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
    fields = _fields().find(code)
    at = 0
    for m in _STRUCT.finditer(code):
        end = code.find(b"\n}", m.end())
        stop = end if end >= 0 else len(code)
        members = facts.structs.setdefault(m.group(1).decode(), {})
        for f in _MEMBER.finditer(code, m.end(), stop):
            depth = len(f.group(2)) + (f.group(4) is not None)
            members.setdefault(f.group(3).decode(), f.group(1).decode().replace("union", "struct") + "*" * depth)
        while at < len(fields) and fields[at].start < m.end():
            at += 1
        while at < len(fields) and fields[at].start < stop:
            if _ENDS.match(code, fields[at].end):
                members.setdefault(fields[at].word.decode(), NUMBER)
            at += 1
    for m in _RETURNS.finditer(code):
        facts.returns.setdefault(m.group(2).decode(), m.group(1).decode() + "*")
    scope = f"V:{path}:" if path.endswith(".c") else "V:"
    for m in _VARIABLE.finditer(code):
        depth = len(m.group(2)) + (m.group(4) is not None)
        facts.returns.setdefault(scope + m.group(3).decode(), m.group(1).decode() + "*" * depth)
