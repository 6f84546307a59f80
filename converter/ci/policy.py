"""Which code is converted, and how much a finding weighs: rules/ci.toml, or a file of its form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec

from converter import data, toml
from converter.errors import RulesError
from converter.units.facts import Facts

RULES = ("new-use", "unit-error", "silent-change", "redefinition")


class Rule(toml.Entry, frozen=True):
    """A rule: what it finds, and how much that weighs."""

    level: Literal["error", "warning", "off"]
    what: str


class Converted(toml.Entry, frozen=True):
    """Where the family must not come back. `except` in the file."""

    paths: tuple[str, ...] = ()
    besides: tuple[str, ...] = msgspec.field(default=(), name="except")
    by: tuple[Literal["directory", "file", "function"], ...] = ()

    def pattern(self, path: str) -> str | None:
        """The pattern that calls a file converted."""
        if any(_matches(p, path) for p in self.besides):
            return None
        return next((p for p in self.paths if _matches(p, path)), None)

    def reason(self, path: str) -> str | None:
        """Why the patterns call a file converted, as a phrase."""
        pattern = self.pattern(path)
        return None if pattern is None else f"the policy calls {pattern} converted"


class Example(toml.Entry, frozen=True):
    """What patterns match, as a test reads it."""

    is_converted: tuple[str, ...]
    is_not: tuple[str, ...]
    paths: tuple[str, ...] = ()
    besides: tuple[str, ...] = msgspec.field(default=(), name="except")


class Chains(toml.Entry, frozen=True):
    """How long a chain of evidence may be that silent-change believes."""

    steps: int


class Policy(toml.Entry, frozen=True):
    """The whole file."""

    rules: dict[str, Rule]
    evidence: Chains
    converted: Converted
    example: tuple[Example, ...] = ()

    def level(self, rule: str) -> str:
        """error, warning or off."""
        return self.rules[rule].level


def load(path: Path | None = None) -> Policy:
    """The shipped policy, or that of a file. Raises RulesError."""
    path = path or data.path("rules/ci.toml")
    policy = toml.load(path, Policy)
    for name in sorted(policy.rules.keys() - set(RULES)):
        raise RulesError(
            f"{toml.at_key(path, f'rules.{name}', '')}: {name}: no such rule; there are {', '.join(RULES)}"
        )
    for name in sorted(set(RULES) - policy.rules.keys()):
        raise RulesError(f'{path}: [rules.{name}] is missing; level = "off" turns a rule off')
    return policy


def _matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern) if pattern.endswith("/") else fnmatchcase(path, pattern)


class Reasons:
    """Why the functions of one file count as converted, as the parent commit has it."""

    def __init__(
        self, policy: Policy, path: str, old: Facts | None, opened: Counter[str], beside: Callable[[], tuple[int, int]],
        spoken: bool,
    ) -> None:  # fmt: skip
        """The parent has of the file: `old`, None for a new one, and `opened`, its open uses by function.

        beside  open uses, and names of the scheme, in the other files of its directory
        """
        self._open = opened
        self._whole = self._file(policy.converted, path, old, beside) if spoken else policy.converted.reason(path)
        self._written = Counter(u.function for u in old.written) if old is not None and spoken else Counter[str]()
        self._functions = "function" in policy.converted.by

    def of(self, function: str) -> str | None:
        """A phrase; None where the function is not converted."""
        if self._whole is not None:
            return self._whole
        if self._functions and function and self._written[function] and not self._open[function]:
            return f"{function}() was converted before this commit"
        return None

    def _file(
        self, c: Converted, path: str, old: Facts | None, beside: Callable[[], tuple[int, int]]
    ) -> str | None:  # fmt: skip
        if (reason := c.reason(path)) is not None:
            return reason
        if old is not None:
            clean = bool(old.written) and not self._open
            return "the file was converted before this commit" if clean and "file" in c.by else None
        open_, written = beside()
        return "its directory is converted" if written and not open_ and "directory" in c.by else None
