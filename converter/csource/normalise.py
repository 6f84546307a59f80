"""Kernel macros that derail the C grammar, replaced for parsing by text of the same length (rules/normalise.toml)."""

from __future__ import annotations

import re
from functools import cache

import msgspec

from converter import data, toml
from converter.csource.text import blank
from converter.errors import RulesError
from converter.vocabulary import vocabulary


class Normalisation(toml.Entry, frozen=True):
    """`pattern` on code without comments becomes `with`.

    The groups that `with` names stay where they are, its other text takes the place of what stood before, between and
    behind them, filled up with blanks. Where it does not fit, or would cover a family name, the match stays as it is.

    needs  text without which nothing can match: a piece that lacks it is not searched
    pairs  group 2 is `type, name, type, name...`: every other comma goes
    """

    id: str
    why: str
    pattern: str
    example: str
    with_: str = msgspec.field(default="", name="with")
    needs: str = ""
    pairs: bool = False


class _File(toml.Entry, frozen=True):
    normalise: tuple[Normalisation, ...]


class _Replacement:
    def __init__(self, entry: Normalisation) -> None:
        self.entry = entry
        self.pattern = re.compile(entry.pattern.encode())
        self.needs = entry.needs.encode()
        self.family = vocabulary().pattern()
        texts = re.split(r"\\(\d)", entry.with_)
        self.texts = [text.encode() for text in texts[::2]]
        self.groups = [int(number) for number in texts[1::2]]
        if any(number > self.pattern.groups for number in self.groups):
            raise re.error("with names a group that pattern does not have")

    def __call__(self, match: re.Match[bytes]) -> bytes:
        whole = match.group()
        made = bytearray(blank(whole))
        at, start = 0, match.start()
        for text, number in zip(self.texts, [*self.groups, 0], strict=True):
            begin, end = match.span(number) if number else (match.end(), match.end())
            begin, end = begin - start, end - start
            if begin - at < len(text) or b"\n" in whole[at : at + len(text)]:
                return whole
            made[at : at + len(text)] = text
            made[begin:end] = whole[begin:end]
            at = end
        if self.entry.pairs:
            self._pair(made, match.start(2) - start, match.end(2) - start)
        covered = any(made[f.start() : f.end()] != f.group() for f in self.family.finditer(whole))
        return whole if covered else bytes(made)

    def _pair(self, made: bytearray, start: int, end: int) -> None:
        commas = [at for at in range(start, end) if made[at] == 44]
        for at in commas[::2]:
            made[at] = 32


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
    """All entries, in the order in which they are applied."""
    return tuple(r.entry for r in _replacements())


def normalise(code: bytes) -> bytes:
    """`code` as the grammar wants it: same length, same lines, the same family names."""
    for r in _replacements():
        if r.needs in code:
            code = r.pattern.sub(r, code)
    return code
