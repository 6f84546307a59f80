"""Seeds: what is known of the kernel's own API (rules/signatures/, rules/hints.toml), as units of global keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from converter import data, toml
from converter.errors import RulesError
from converter.vocabulary import has_dimension

SILENT = ("-", "byte", "scalar", "shift", "byte/none")
"""Units that say only that no count of pages flows here: a quantity with one of them lets nothing through."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A known unit: dimension (pte, pg, pfn, a policy key; '' lets nothing through), extra cost, and why."""

    dimension: str
    cost: int
    why: str
    source: str  # the header it comes from, or the hint
    measure: str = ""  # count or byte, where the signature says which
    role: str = ""  # of a count that is converted here, where the seed says more than its unit


class _Seeded(toml.Entry, frozen=True):
    header: str
    why: str
    example: str = ""
    expect: tuple[str | None, ...] = ()


class Function(_Seeded, frozen=True):
    name: str = ""
    params: tuple[str, ...] | None = None
    returns: str = "-"
    cost: int = 0  # how little it says: a flush takes any address, also one that happens to be aligned to more


class Field(_Seeded, frozen=True):
    struct: str = ""
    name: str = ""
    unit: str = "-"
    cost: int = 0  # how little it says: a position is one in any file, also in one that no page cache holds


class Global(_Seeded, frozen=True):
    name: str = ""
    unit: str = "-"


class Macro(_Seeded, frozen=True):
    name: str = ""
    params: tuple[str, ...] | None = None
    returns: str = "-"
    unit: str = "-"


class Op(_Seeded, frozen=True):
    struct: str = ""
    field: str = ""
    params: tuple[str, ...] = ()
    returns: str = "-"


_Signature = Function | Field | Global | Macro | Op


class SignatureFile(toml.Entry, frozen=True):
    role: str = ""  # of the counts that all of its entries speak of
    function: tuple[Function, ...] = ()
    field: tuple[Field, ...] = ()
    globals: tuple[Global, ...] = msgspec.field(default=(), name="global")
    macro: tuple[Macro, ...] = ()
    op: tuple[Op, ...] = ()


class NameHint(toml.Entry, frozen=True):
    id: str
    pattern: str
    unit: str
    cost: int
    why: str
    example: str
    expect: tuple[str | None, ...]


class TypeHint(toml.Entry, frozen=True):
    id: str
    type: str
    depth: int
    unit: str
    cost: int
    why: str
    example: str
    expect: tuple[str | None, ...]
    role: str = ""  # of a count that is converted to it, or made of it


class HintFile(toml.Entry, frozen=True):
    name: tuple[NameHint, ...] = ()
    type: tuple[TypeHint, ...] = ()


@dataclass(frozen=True, slots=True)
class Signatures:
    """Seeds by global key (see converter.units.facts) and the relations between the arguments of one call."""

    seeds: dict[str, Seed]
    relations: dict[str, tuple[tuple[int, int], ...]]  # callable -> pairs of equal unit; -1 is the result
    ops: dict[tuple[str, str], str]  # (struct, field) -> key prefix of the function pointer
    names: tuple[tuple[re.Pattern[str], str], ...]
    types: dict[tuple[str, int], str]


@cache
def interesting() -> frozenset[bytes]:
    """Identifiers that make a function worth walking although no family name stands in it: seeded counts."""
    names = set()
    for key, seed in signatures().seeds.items():
        if seed.measure == "count" and key[:2] in ("P:", "R:", "F:"):
            names.add(key[2:].partition("/")[0].rpartition(".")[2].encode())
    return frozenset(n for n in names if len(n) > 5 and (b"_" in n or n == b"pgoff"))


def dimension(unit: str) -> str:
    """The dimension that a unit of a signature seeds: '' for a unit that lets nothing through.

    Physical addresses are a dimension apart: hardware maps them by the PTE whatever a pfn counts.
    """
    if unit in SILENT:
        return ""
    if unit == "order":
        return "pg"
    if unit == "byte/pfn":
        return "phys"
    return unit.removeprefix("byte/")


@cache
def signatures(extra: Path | None = None) -> Signatures:
    """All seeds; `extra` is one more file of the same form (scan --what-if)."""
    seeds: dict[str, Seed] = {}
    relations: dict[str, tuple[tuple[int, int], ...]] = {}
    ops: dict[tuple[str, str], str] = {}
    files = sorted(data.path("rules/signatures").glob("*.toml"))
    for path in [*files, *([extra] if extra else [])]:
        loaded = toml.load(path, SignatureFile)
        _check(path, loaded)
        _callables(loaded, seeds, relations)
        for f in loaded.field:
            _put(seeds, f"F:{f.struct}.{f.name}", f.unit, f, f"{f.struct}.{f.name}", f.cost, loaded.role)
        for g in loaded.globals:
            _put(seeds, f"V:{g.name}", g.unit, g, g.name)
        for o in loaded.op:
            prefix = f"{o.struct}.{o.field}"
            ops[o.struct, o.field] = f"F:{prefix}"
            for i, unit in enumerate(o.params):
                _put(seeds, f"P:F:{prefix}/{i}", unit, o, f"parameter {i + 1} of {o.struct}.{o.field}()")
            _put(seeds, f"R:F:{prefix}", o.returns, o, f"the result of {o.struct}.{o.field}()")
    path = data.path("rules/hints.toml")
    hints = toml.load(path, HintFile)
    names = []
    for i, h in enumerate(hints.name):
        _check_unit(h.unit, path, "name", i, h.id)
        seeds["N:" + h.id] = Seed(dimension(h.unit), h.cost, h.why, "rules/hints.toml")
        try:
            names.append((re.compile(h.pattern), "N:" + h.id))
        except re.error as error:
            raise RulesError(f"{toml.at(path, 'name', i)}: {h.id}: {error}") from error
    types = {}
    for i, t in enumerate(hints.type):
        _check_unit(t.unit, path, "type", i, t.id)
        seeds["T:" + t.id] = Seed(dimension(t.unit), t.cost, t.why, "rules/hints.toml", role=t.role)
        types[t.type, t.depth] = "T:" + t.id
    for unit in ("pte", "pg"):
        seeds["U:" + unit] = Seed(unit, 0, f"the name says {unit.upper()}", "the scheme's names")
    return Signatures(seeds, relations, ops, tuple(names), types)


def _check(path: Path, loaded: SignatureFile) -> None:
    """Raises RulesError for an entry without a name, or with a unit that there is not."""
    tables: dict[str, tuple[_Signature, ...]] = {
        "function": loaded.function, "field": loaded.field, "global": loaded.globals,
        "macro": loaded.macro, "op": loaded.op,
    }  # fmt: skip
    for table, entries in tables.items():
        for number, e in enumerate(entries):
            names = [getattr(e, key) for key in ("struct", "field", "name") if hasattr(e, key)]
            if not all(names):
                raise RulesError(f"{toml.at(path, table, number)}: this {table} has no name")
            for unit in _units(e):
                _check_unit(unit, path, table, number, ".".join(names), len(getattr(e, "params", None) or ()))


def _check_unit(unit: str, path: Path, table: str, number: int, name: str, parameters: int = 0) -> None:
    if unit.startswith("=") and table in ("function", "macro"):
        if unit[1:].isdigit() and int(unit[1:]) < parameters:
            return
        what = "must be = and a parameter's number, from 0"
    elif unit in SILENT or unit == "order" or has_dimension(unit.removeprefix("byte/")):
        return
    else:
        what = "there is no such unit; docs/rules.md lists them"
    raise RulesError(f"{toml.at(path, table, number)}: {name}: {unit!r}: {what}")


def _units(entry: _Signature) -> tuple[str, ...]:
    if isinstance(entry, Field | Global):
        return (entry.unit,)
    own = (entry.unit,) if isinstance(entry, Macro) else ()
    return (*(entry.params or ()), entry.returns, *own)


def _callables(
    loaded: SignatureFile, seeds: dict[str, Seed], relations: dict[str, tuple[tuple[int, int], ...]]
) -> None:
    entries: tuple[Function | Macro, ...] = (*loaded.function, *loaded.macro)
    for f in entries:
        if isinstance(f, Macro) and f.params is None:
            _put(seeds, f"V:{f.name}", f.unit, f, f.name)
            continue
        pairs = []
        for i, unit in [*enumerate(f.params or ()), (-1, f.returns)]:
            if unit.startswith("="):
                pairs.append((i, int(unit[1:])))
                unit = "-"
            key = f"P:{f.name}/{i}" if i >= 0 else f"R:{f.name}"
            what = f"parameter {i + 1} of {f.name}()" if i >= 0 else f"the result of {f.name}()"
            _put(seeds, key, unit, f, what, f.cost if isinstance(f, Function) else 0, loaded.role)
        if pairs:
            relations[f.name] = tuple(pairs)


def _put(seeds: dict[str, Seed], key: str, unit: str, entry: _Seeded, what: str, cost: int = 0, role: str = "") -> None:
    measure = _measure(unit)
    why = f"{what} is {unit}: {entry.why}"
    seeds[key] = Seed(dimension(unit), cost, why, entry.header, measure, role if measure else "")


def _measure(unit: str) -> str:
    if unit in SILENT or unit == "order":
        return ""
    return "byte" if unit.startswith("byte/") else "count"
