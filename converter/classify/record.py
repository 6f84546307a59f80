"""The site record: the one thing that the engine hands on and reports, patches and CI read (schema pgconv.scan/1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "pgconv.scan/1"

STATUSES = ("decided", "review", "logic", "definition", "inert")
"""decided: a rename is right; review: a best guess or none; logic: a rename is not enough; definition: defines the
family; inert: comment, string, documentation or user-space code."""

OPEN = ("review", "logic")
"""The statuses that are still work for a person."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One step of a chain: a place in the tree (line counts from 1; 0 where the step is a rule) and why it matters."""

    path: str
    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Site:
    """One lexical occurrence of a vocabulary name. `line` and `col` count from 1, in bytes."""

    path: str
    line: int
    col: int
    macro: str
    function: str | None  # the enclosing function or macro
    status: str
    unit: str | None  # "pte", "pg" or None; for an open site the best guess
    replacement: str | None  # the scheme's name for macro in that unit
    role: str | None
    policy: bool  # the unit is a free choice of the policy file
    confidence: float  # measured share of right answers of this kind of evidence
    rule: str | None
    evidence: tuple[Evidence, ...] = ()
    against: tuple[Evidence, ...] = ()  # the chain for the other unit; both are there when status is logic
    policy_key: str | None = None
    kind: str = ""  # kind of conversion: size, shift, mask, rounding, predicate, offset, count, name
    operation: str = ""  # shift-left, shift-right, multiply, divide, mask, round, compare, value, ...
    expression: str = ""  # the expression around the use, white space folded
    operands: tuple[str, ...] = ()
    missing: str | None = None  # what would settle an open site
    derived: bool = False  # a name whose meaning hangs on the family (PFN_UP, vm_pgoff, ...), not of the family itself

    def order(self) -> tuple[str, int, int]:
        return (self.path, self.line, self.col)


@dataclass(frozen=True, slots=True)
class Report:
    """A whole scan. Sites are in stable order: path, line, column."""

    tool: dict[str, Any]  # name, version, rules
    tree: dict[str, Any]  # path or repository, revision, files, scanned
    scheme: str
    sites: tuple[Site, ...]
    warnings: tuple[str, ...] = ()
    schema: str = SCHEMA
    summary: dict[str, Any] = field(default_factory=dict)
    conflicts: tuple[Evidence, ...] = ()  # places without a family name where a count meets the wrong count or bytes


def places(site: Site) -> Iterator[tuple[str, int]]:
    """Path and line of the site and of every step of its chains, in their order; some come more than once."""
    yield site.path, site.line
    for step in (*site.evidence, *site.against):
        yield step.path, step.line


def summarise(sites: tuple[Site, ...]) -> dict[str, Any]:
    """Counts of the sites by status, unit and role. Family names and derived names are counted apart."""
    own = [s for s in sites if not s.derived]
    return {
        "sites": len(sites),
        "family": len(own),
        "derived": len(sites) - len(own),
        "status": dict(sorted(Counter(s.status for s in own).items())),
        "unit": dict(sorted(Counter(s.unit for s in own if s.status == "decided" and s.unit).items())),
        "role": dict(sorted(Counter(s.role for s in own if s.role).items())),
        "policy": sum(s.policy for s in own),
    }
