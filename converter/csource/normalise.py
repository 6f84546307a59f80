"""Kernel macros that derail the C grammar, replaced for parsing by text of the same length (rules/normalise.toml)."""

from __future__ import annotations

import re
from functools import cache

import msgspec

from converter import data, toml
from converter.errors import RulesError
from converter.vocabulary import vocabulary


class Normalisation(toml.Entry, frozen=True):
    """`pattern` on code without comments becomes `with`; `pairs`: group 2 is `type, name, type, name...`."""

    id: str
    why: str
    pattern: str
    example: str
    with_: str = msgspec.field(default="", name="with")
    pairs: bool = False




class _File(toml.Entry, frozen=True):
    normalise: tuple[Normalisation, ...]


class _Replacement:
    def __init__(self, entry: Normalisation) -> None:
        self.entry = entry
        self.pattern = re.compile(entry.pattern.encode())
        self.family = vocabulary().pattern()

    def __call__(self, match: re.Match[bytes]) -> bytes:
        whole = match.group()
        if self.family.search(whole):
            return whole
        if self.entry.pairs:
            made = self._paired(match)
        else:
            made = match.expand(self.entry.with_.encode()) if self.entry.with_ else b""
        missing = len(whole) - len(made)
        if missing < 0 or b"\n" in made:
            made, missing = b"", len(whole)
        lines = whole.count(b"\n") - made.count(b"\n")
        if lines:  # keep line breaks: they are part of every position
            return bytes(c if c == 10 else 32 for c in whole) if not made else _keep_lines(whole, made)
        return made + b" " * missing

    def _paired(self, match: re.Match[bytes]) -> bytes:
        words = match.group(2).split(b",")
        if len(words) % 2:
            return b""
        pairs = b",".join(b" ".join(w.strip() for w in words[i : i + 2]) for i in range(0, len(words), 2))
        return match.expand(self.entry.with_.encode().replace(rb"\2", b"@@")).replace(b"@@", pairs)


def _keep_lines(whole: bytes, made: bytes) -> bytes:
    """`made` followed by blanks, with the line breaks of `whole` at their offsets where that is possible."""
    flat = made.replace(b"\n", b" ")
    out = bytearray(b" " * len(whole))
    at = 0
    for i, c in enumerate(whole):
        if c == 10:
            out[i] = 10
    for c in flat:  # words flow around the line breaks
        while at < len(out) and out[at] == 10:
            at += 1
        if at >= len(out):
            return bytes(c if c == 10 else 32 for c in whole)
        out[at] = c
        at += 1
    return bytes(out)


@cache
def _replacements() -> tuple[_Replacement, ...]:
    path = data.path("rules/normalise.toml")
    made = []
    for i, e in enumerate(toml.load(path, _File).normalise):
        try:
            made.append(_Replacement(e))
        except re.error as error:
            raise RulesError(f"{toml.at(path, 'normalise', i)}: {e.id}: {error}") from error
    return tuple(made)


def entries() -> tuple[Normalisation, ...]:
    return tuple(r.entry for r in _replacements())


def normalise(code: bytes) -> bytes:
    """`code` as the grammar wants it: same length, same lines, the same family names."""
    for r in _replacements():
        code = r.pattern.sub(r, code)
    return code
