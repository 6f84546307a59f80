"""The page-size family, the names derived from it, and the schemes that say what they become (data under rules/)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from converter import data, toml
from converter.errors import InputError, RulesError

Kind = Literal["size", "shift", "mask", "rounding", "predicate", "offset", "count", "order", "name", "config"]
UNITS = ("pte", "pg")

FUNCTION_LIKE = ("rounding", "predicate", "offset")
"""Kinds of macros with arguments: without a parenthesis behind it such a name is something else (C17 6.10.3)."""


class Name(toml.Entry, frozen=True):
    """One name: what kind of conversion it is, how it stands in the source, whether it belongs to the family."""

    name: str
    kind: Kind
    form: Literal["constant", "call", "member", "symbol"]
    family: bool
    result: Literal["", "count", "bytes", "value"] = ""


class _VocabularyFile(toml.Entry, frozen=True):
    name: tuple[Name, ...]


class Policy(toml.Entry, frozen=True):
    """A unit that is a free choice, the choice, and why."""

    unit: Literal["pte", "pg"]
    why: str


class Conversion(toml.Entry, frozen=True):
    """A macro of the scheme that turns a count of one unit into the other."""

    name: str
    takes: Literal["pte", "pg"]
    gives: Literal["pte", "pg"]


class Scheme(toml.Entry, frozen=True):
    """A set of names and decisions: what each name becomes in each unit, and what quantities count by decree."""

    scheme: str
    why: str
    marker: str  # a tree that defines this name speaks the scheme: its converted names are known units
    threshold: dict[
        str, float
    ]  # by unit: an unnoticed PG that must be PTE breaks user space, the reverse wastes memory
    dimensions: dict[str, Literal["pte", "pg"]]
    names: dict[str, dict[str, str]]
    policy: dict[str, Policy]
    conversion: tuple[Conversion, ...] = ()

    def unit_of(self, dimension: str) -> str:
        """'pte' or 'pg' of a dimension (pte, pg, pfn, or a policy key)."""
        if dimension in UNITS:
            return dimension
        if dimension in self.dimensions:
            return self.dimensions[dimension]
        return self.policy[dimension].unit

    def known(self, dimension: str) -> bool:
        """Has it a unit here?"""
        return dimension in UNITS or dimension in self.dimensions or dimension in self.policy

    def unit_written(self, converted: str) -> str | None:
        """The unit that one of the scheme's own names says."""
        for units in self.names.values():
            for unit, name in units.items():
                if name == converted:
                    return unit
        return None

    def origins(self) -> dict[str, str]:
        """The names that the scheme brings into a tree -> what each comes from."""
        vocab = vocabulary().names
        return {new: old for old, units in self.names.items() for new in units.values() if new not in vocab}

    def owns(self, name: str) -> bool:
        """Is it a macro that the scheme splits, or one of its own? What such a name means, its definition says.

        A function that is renamed (vma_pages) has a body like any other, which may be wrong.
        """
        known = vocabulary().names.get(converted(self.scheme)[0].get(name, name))
        macro = known is not None and (known.family or name.isupper())
        return macro or any(name == c.name for c in self.conversion)

    def keeps(self, name: str) -> bool:
        """Does one of the units go on with the name?"""
        return name in self.names.get(name, {}).values()

    def replacement(self, name: str, unit: str) -> str | None:
        return self.names.get(name, {}).get(unit)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    names: dict[str, Name]

    @property
    def family(self) -> tuple[str, ...]:
        return tuple(n.name for n in self.names.values() if n.family)

    def pattern(self) -> re.Pattern[bytes]:
        """Matches each lexical occurrence of a name."""
        words = sorted(self.names, key=lambda n: (-len(n), n))
        return re.compile(rb"(?<![A-Za-z0-9_])(?:" + "|".join(words).encode() + rb")(?![A-Za-z0-9_])")


@cache
def vocabulary() -> Vocabulary:
    path = data.path("rules/vocabulary.toml")
    loaded = toml.load(path, _VocabularyFile)
    names: dict[str, Name] = {}
    for i, n in enumerate(loaded.name):
        if n.name in names:
            raise RulesError(f"{toml.at(path, 'name', i)}: {n.name} is listed twice; remove one")
        names[n.name] = n
    return Vocabulary(names)


@cache
def schemes() -> tuple[str, ...]:
    """The names of all schemes."""
    return tuple(sorted(p.stem for p in data.path("rules/schemes").glob("*.toml")))


@cache
def has_dimension(name: str) -> bool:
    """Is it pte, pg, or something that every scheme decides (pfn, a policy key)? Raises RulesError."""
    return all(scheme(s).known(name) for s in schemes())


@cache
def scheme(name: str) -> Scheme:
    """The scheme of that name. Raises InputError where there is none, RulesError where its file is wrong."""
    if name not in schemes():
        raise InputError(f"no scheme {name!r}; there are {', '.join(schemes())}")
    path = data.path(f"rules/schemes/{name}.toml")
    loaded = toml.load(path, Scheme)
    for n in vocabulary().names:
        if set(loaded.names.get(n, {})) != set(UNITS):
            raise RulesError(f"{path}: [names] must say what {n} becomes as pte and as pg")
    made: dict[str, str] = {}
    for old, units in loaded.names.items():
        for new in set(units.values()):
            if made.setdefault(new, old) != old:
                where = toml.at_key(path, "names", old)
                raise RulesError(f"{where}: {old}: {new} is what {made[new]} becomes; each needs a name of its own")
    return loaded


@cache
def converted(scheme_name: str) -> tuple[dict[str, str], re.Pattern[bytes]]:
    """Converted name -> what it was converted from, and a pattern of them."""
    vocab = vocabulary().names
    made = {new: old for new, old in scheme(scheme_name).origins().items() if vocab[old].kind != "config"}
    words = sorted(made, key=lambda w: (-len(w), w))
    return made, re.compile(rb"\b(?:" + "|".join(words).encode() + rb")\b")


def unconverted(text: bytes, scheme_name: str) -> bytes:
    """A text with the names from before the conversion."""
    made, pattern = converted(scheme_name)
    return pattern.sub(lambda m: made[m.group().decode()].encode(), text)
