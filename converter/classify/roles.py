"""Role rules (rules/roles/*.toml): what a use is doing, read off its shape and its place.

A rule names a role and, where the role has one, the unit it speaks for; the solver weighs it against the units that
flow to the use. Conditions are on the context of the use (operation, operands, types, where the result goes), on the
function around it, on the path, and, where that is not enough, a tree-sitter query on the piece with a capture @use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from tree_sitter import Language, Node, Query, QueryCursor, QueryError

from converter import data, toml
from converter.classify.needs import needed
from converter.csource.context import OPERATIONS, Context
from converter.errors import RulesError
from converter.vocabulary import has_dimension, vocabulary

LOGIC = "logic"


class When(toml.Entry, frozen=True):
    """Conditions; all that are given must hold. Regular expressions match from the start of the text."""

    name: tuple[str, ...] = ()
    operation: tuple[str, ...] = ()
    operand: str = ""  # any operand's text
    type: str = ""  # any operand's C type
    sink: str = ""  # `argument:callee:index`, `assign:lhs:`, `init:name:`, `array:name:`, `return::`, ...
    expression: str = ""  # the widest expression around the use (search, not match)
    function: str = ""
    path: str = ""
    body: str | tuple[str, ...] = ()  # the text of the piece must hold each (search, not match)
    lacks: str = ""  # the text of the piece must not hold this
    query: str = ""


class Rule(toml.Entry, frozen=True):
    """`unit` is pte, pg, pfn, a policy key, or logic; `cost` is how far this evidence is from proof (0: none)."""

    id: str
    role: str
    unit: str
    cost: int
    why: str
    when: When
    example: str
    expect: tuple[str | None, ...]
    at: str = ""  # path that the example stands at, where the rule asks for one
    pte: str = ""  # with unit = logic: what asks for PTE, and what for PG
    pg: str = ""


class _File(toml.Entry, frozen=True):
    rule: tuple[Rule, ...]


@dataclass(slots=True)
class Text:
    """The code around uses, and what rules have asked of it so far: one function may hold a thousand uses."""

    code: bytes
    root: Node | None = None
    holds: dict[SoughtInCode, bool] = field(default_factory=dict)
    hits: dict[int, set[int]] = field(default_factory=dict)  # rule number -> offsets that its query captures


@dataclass(slots=True)
class Place:
    """Where a use stands: what its rules may ask about."""

    path: str
    name: str
    function: str
    context: Context
    types: tuple[str, ...]
    text: Text
    offset: int = 0  # of the use in it


class Sought:
    """A pattern that is searched in one line."""

    def __init__(self, pattern: str) -> None:
        self._search = re.compile(pattern).search
        self._needs = needed(pattern)

    def within(self, text: str) -> bool:
        for literal in self._needs:
            if literal in text:
                break
        else:
            if self._needs:
                return False
        return self._search(text) is not None


class SoughtInCode:
    """A pattern that is searched in a piece of code."""

    def __init__(self, pattern: str) -> None:
        self._search = re.compile(pattern.encode()).search
        self._needs = tuple(literal.encode() for literal in needed(pattern))

    def within(self, text: Text) -> bool:
        found = text.holds.get(self)
        if found is None:
            found = text.holds[self] = self._within(text.code)
        return found

    def _within(self, code: bytes) -> bool:
        for literal in self._needs:
            if literal in code:
                break
        else:
            if self._needs:
                return False
        return self._search(code) is not None


class Where(NamedTuple):
    """The place of a rule, spelled `path:line` only where an error asks for it."""

    path: Path
    number: int

    def __str__(self) -> str:
        return toml.at(self.path, "rule", self.number)


class _Compiled:
    def __init__(self, rule: Rule, language: Language, where: Where) -> None:
        self.rule = rule
        w = rule.when
        try:
            self.operand = _pattern(w.operand)
            self.type = _pattern(w.type)
            self.by_text = tuple(_pattern(text) for text in (w.sink, w.function, w.path))
            self.expression = Sought(w.expression) if w.expression else None
            self.body = tuple(map(SoughtInCode, (w.body,) if isinstance(w.body, str) else w.body))
            self.lacks = SoughtInCode(w.lacks) if w.lacks else None
            self.query = Query(language, w.query) if w.query else None
        except (re.error, QueryError) as error:
            raise RulesError(f"{where}: {rule.id}: {error}") from error

    def speaks_of(self, name: str, operation: str) -> bool:
        w = self.rule.when
        return (not w.name or name in w.name) and (not w.operation or operation in w.operation)

    def matches(self, p: Place, number: int) -> bool:
        """Do the conditions hold that hang on more than one text?"""
        c = p.context
        if self.operand is not None and not any(self.operand.match(o) for o in c.operands):
            return False
        if self.type is not None and not any(self.type.match(t) for t in p.types):
            return False
        if self.expression is not None and not self.expression.within(c.expression):
            return False
        for b in self.body:
            if not b.within(p.text):
                return False
        if self.lacks is not None and self.lacks.within(p.text):
            return False
        return self.query is None or self._query(p, number)

    def _query(self, p: Place, number: int) -> bool:
        text = p.text
        if text.root is None or self.query is None:
            return False
        hits = text.hits.get(number)
        if hits is None:
            captured = QueryCursor(self.query).captures(text.root)
            hits = text.hits[number] = {n.start_byte for n in captured.get("use", [])}
        return p.offset in hits


def _pattern(text: str) -> re.Pattern[str] | None:
    return re.compile(text) if text else None


_Matcher = Callable[[str], object]


class _Sieve:
    """Which rules a text lets through, as bits: a sink, a function or a path is asked about once, not for each use."""

    def __init__(self, patterns: Iterable[re.Pattern[str] | None]) -> None:
        self._open = 0  # rules that do not ask
        self._asked: list[tuple[int, _Matcher]] = []
        for i, pattern in enumerate(patterns):
            if pattern is None:
                self._open |= 1 << i
            else:
                self._asked.append((1 << i, pattern.match))
        self._known: dict[str, int] = {}

    def passing(self, text: str) -> int:
        found = self._known.get(text)
        if found is None:
            found = self._open
            for bit, match in self._asked:
                if match(text):
                    found |= bit
            self._known[text] = found
        return found


class Rules:
    """All role rules, indexed by the names and operations they speak of.

    They are compiled when the first use is matched: who only reads what they say, pays nothing.
    """

    def __init__(self, rules: list[tuple[Rule, Where]]) -> None:
        self.rules = {r.id: r for r, _ in rules}
        self._where = [where for _, where in rules]
        self._speaking: dict[tuple[str, str], int] = {}  # rules as bits
        self._lists: dict[int, list[tuple[int, _Compiled]]] = {}  # and by their bits

    @cached_property
    def compiled(self) -> list[_Compiled]:
        """Those that name what they speak of come first. Raises RulesError with file and line."""
        import tree_sitter_c

        language = Language(tree_sitter_c.language())
        listed = zip(self.rules.values(), self._where, strict=True)
        made = [_Compiled(r, language, where) for r, where in listed]
        return [c for c in made if c.rule.when.name] + [c for c in made if not c.rule.when.name]

    @cached_property
    def _sieves(self) -> tuple[_Sieve, ...]:
        """By sink, function and path."""
        return tuple(map(_Sieve, zip(*(c.by_text for c in self.compiled), strict=True)))

    def match(self, place: Place) -> tuple[str, ...]:
        """Ids of the rules that hold for a use."""
        asked = (place.name, place.context.operation)
        some = self._speaking.get(asked)
        if some is None:
            some = self._speaking[asked] = sum(1 << i for i, c in enumerate(self.compiled) if c.speaks_of(*asked))
        for sieve, text in zip(self._sieves, (place.context.sink, place.function, place.path), strict=True):
            some &= sieve.passing(text)
        candidates = self._lists.get(some)
        if candidates is None:
            candidates = self._lists[some] = [(i, c) for i, c in enumerate(self.compiled) if some >> i & 1]
        return tuple([c.rule.id for i, c in candidates if c.matches(place, i)])


@cache
def rules() -> Rules:
    """The shipped rules. Raises RulesError with file, line and entry."""
    loaded: list[tuple[Rule, Where]] = []
    seen: dict[str, Where] = {}
    for path in sorted(data.path("rules/roles").glob("*.toml")):
        for i, r in enumerate(toml.load(path, _File).rule):
            where = Where(path, i)
            if r.id in seen:
                raise RulesError(f"{where}: rule {r.id} is already in {seen[r.id]}; give it another id")
            seen[r.id] = where
            loaded.append((r, where))
            _check(r, where)
    return Rules(loaded)


def _check(rule: Rule, where: Where) -> None:
    """Raises RulesError for a word that no use can have: the rule would never apply."""
    if rule.unit != LOGIC and not has_dimension(rule.unit):
        raise RulesError(f"{where}: {rule.id}: unit {rule.unit!r}: not pte, pg, pfn, a policy key or {LOGIC}")
    for name in rule.when.name:
        if name not in vocabulary().names:
            raise RulesError(f"{where}: {rule.id}: when.name {name!r}: not in rules/vocabulary.toml")
    for operation in rule.when.operation:
        if operation not in OPERATIONS:
            raise RulesError(
                f"{where}: {rule.id}: when.operation {operation!r}: not one of {', '.join(sorted(OPERATIONS))}"
            )


class _Inert(toml.Entry, frozen=True):
    path: str
    why: str
    example: str
    shared: bool = False  # with the kernel, which includes the files


class _InertFile(toml.Entry, frozen=True):
    inert: tuple[_Inert, ...]


@cache
def _inert_places() -> tuple[tuple[re.Pattern[str], _Inert], ...]:
    loaded = toml.load(data.path("rules/inert.toml"), _InertFile)
    return tuple((re.compile(re.escape(i.path).replace(r"\*", "[^/]*")), i) for i in loaded.inert)


@cache
def _inert_place(directory: str) -> _Inert | None:
    parent = directory.rpartition("/")[0]
    above = _inert_place(parent) if parent else None
    return above or next((i for place, i in _inert_places() if place.fullmatch(directory)), None)


@cache
def inert_directory(directory: str) -> str:
    """Why nothing in a directory of the tree is kernel code; '' where it is."""
    found = _inert_place(directory)
    return found.why if found is not None else ""


def shared_directory(directory: str) -> bool:
    """Is it a directory without kernel code whose files the kernel includes all the same?"""
    found = _inert_place(directory)
    return found is not None and found.shared
