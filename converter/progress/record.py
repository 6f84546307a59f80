"""What is known of a history: the one thing that its report reads (schema pgconv.progress/1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

SCHEMA = "pgconv.progress/1"

MEASURES = ("pte", "pg", "review", "logic", "converted pte", "converted pg", "kept", "definition", "inert")
"""Counts of uses of the family: decided as pte and as pg, open, written in the scheme's names, decided for the unit
whose name the scheme keeps, and the rest."""

LEFT = ("pte", "pg", "review", "logic")
"""Uses in kernel code that are still written PAGE_*."""

Counts = tuple[int, ...]
"""One number for each of MEASURES."""


@dataclass(frozen=True, slots=True)
class Step:
    """A commit of the history that was looked at. `time` is its committer's, in seconds since 1970."""

    commit: str
    tree: str
    time: int
    label: str  # the period, the tag, or the abbreviated id


@dataclass(frozen=True, slots=True)
class Origin:
    """The commit that brought a line, and its author's time in seconds since 1970."""

    commit: str
    subject: str
    time: int


class Use(msgspec.Struct, frozen=True, array_like=True):
    """A use of the family in kernel code. `expression` is the code around it, white space folded."""

    path: str
    line: int
    col: int
    macro: str
    function: str
    status: str
    unit: str | None
    role: str | None
    expression: str


class NewUse(Use, frozen=True, array_like=True):
    """A use that a step has and the step before had not."""

    source: str  # its line
    step: int  # number of the step that has it
    origin: Origin | None  # None where no commit of the range added that line


@dataclass(frozen=True, slots=True)
class History:
    """The uses of every file at every step, the subsystem of every file, and the newest uses."""

    tool: dict[str, Any]
    repository: str
    range: str
    scheme: str
    steps: tuple[Step, ...]
    files: tuple[dict[str, Counts], ...]  # of each step, by path; a file without uses is not there
    subsystems: dict[str, str]  # by path, as MAINTAINERS has it at the last step
    newest: tuple[NewUse, ...]  # the newest first
    warnings: tuple[str, ...] = ()
