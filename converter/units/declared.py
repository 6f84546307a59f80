"""Declared types, read off the masked text without parsing: struct fields and what functions return."""

from __future__ import annotations

import re

from converter.units.facts import Facts

# Each begins with a literal, which the search skips to: `^` and `\b` are tried at every byte.
_STRUCT = re.compile(rb"\n(?:typedef )?(?:struct|union)\s+(\w+)\s*\{")
_MEMBER = re.compile(rb"\b((?:struct|union)\s+\w+|\w+_t)\s+(\**)\s*(\w+)\s*(\[)?[^;,(){}]*([;,])")
_RETURNS = re.compile(
    rb"\n(?:static\s+|extern\s+|inline\s+|__always_inline\s+|__must_check\s+|const\s+)*(struct\s+\w+)\s*\*\s*(\w+)\s*\("
)


def declared(code: bytes, facts: Facts) -> None:
    """Adds to `facts`: struct -> field -> type ("struct page**", "pte_t*"), and function -> type of its result."""
    code = b"\n" + code
    for m in _STRUCT.finditer(code):
        end = code.find(b"\n}", m.end())
        members = facts.structs.setdefault(m.group(1).decode(), {})
        for f in _MEMBER.finditer(code, m.end(), end if end >= 0 else len(code)):
            depth = len(f.group(2)) + (f.group(4) is not None)
            members.setdefault(f.group(3).decode(), f.group(1).decode().replace("union", "struct") + "*" * depth)
    for m in _RETURNS.finditer(code):
        facts.returns.setdefault(m.group(2).decode(), m.group(1).decode() + "*")
