"""Comments of assembler files, by architecture (rules/assembler.toml)."""

from __future__ import annotations

from functools import cache

from converter import data, toml
from converter.errors import RulesError


class Comment(toml.Entry, frozen=True):
    """`starts` is the character that begins a comment in the .S files below each arch/ directory of `arch`."""

    arch: tuple[str, ...]
    starts: str
    why: str
    example: str


class _File(toml.Entry, frozen=True):
    comment: tuple[Comment, ...]


@cache
def _starts() -> dict[str, bytes]:
    path = data.path("rules/assembler.toml")
    found: dict[str, bytes] = {}
    for i, entry in enumerate(toml.load(path, _File).comment):
        if len(entry.starts) != 1 or not entry.starts.isascii():
            raise RulesError(f"{toml.at(path, 'comment', i)}: starts = {entry.starts!r}: one ASCII character is meant")
        found |= dict.fromkeys(entry.arch, entry.starts.encode())
    return found


def comment_start(path: str) -> bytes:
    """What begins a comment in an assembler file of the tree; b"" where nothing does (linker scripts, shared code)."""
    parts = path.split("/", 2)
    if parts[0] != "arch" or len(parts) < 3 or not path.endswith(".S") or path.endswith(".lds.S"):
        return b""
    return _starts().get(parts[1], b"")
