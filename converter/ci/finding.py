"""What is said of a commit: one record a finding. Reports read these and know nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from converter.classify.record import Evidence


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a commit. `line` and `col` count from 1, in the file as the commit leaves it."""

    commit: str  # id of the commit, or the name of a mail
    path: str
    line: int
    col: int
    rule: str
    level: str  # error or warning
    name: str  # the word at that place; "" where it is none
    message: str
    fix: str  # what to do
    replacement: str | None = None  # the word to write there instead, where that is all
    evidence: tuple[Evidence, ...] = ()
    against: tuple[Evidence, ...] = ()

    def order(self) -> tuple[str, int, int, str]:
        return (self.path, self.line, self.col, self.rule)


@dataclass(frozen=True, slots=True)
class Judged:
    """A commit or mail, and what was found."""

    name: str
    subject: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A whole run, commits in the order in which they apply. `rules`: rule -> what it finds and its level."""

    tool: dict[str, Any]
    repository: str
    range: str
    scheme: str
    commits: tuple[Judged, ...]
    rules: Mapping[str, tuple[str, str]]
    warnings: tuple[str, ...] = field(default=())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them."""
        return tuple(f for c in self.commits for f in c.findings)
