"""What a series says: words of the preparation patches and of each role (rules/convert/)."""

from __future__ import annotations

from functools import cache

from converter import data, toml
from converter.errors import RulesError


class Conversions(toml.Entry, frozen=True):
    """What a scheme's preparation says beside copied definitions; `marker` tells a prepared tree."""

    marker: str
    same: str
    wrapped: str
    helpers: str
    lines: tuple[str, ...]
    kconfig: str
    choice: str


class Role(toml.Entry, frozen=True):
    """A role in a patch: `use` completes a subject ("where ..."), `what` and `why` are sentences."""

    use: str
    what: str
    why: str


class Step(toml.Entry, frozen=True):
    """A derived name that is converted only when asked for."""

    macro: str
    what: str
    why: str


class _Words(toml.Entry, frozen=True):
    role: dict[str, Role]
    step: dict[str, Step]


class Subject(toml.Entry, frozen=True):
    """How patches to files below `path` begin: `path` becomes `prefix`, then at most `depth` further directories, or
    the `last` of these alone."""

    path: str
    prefix: str
    depth: int
    last: bool = False


class _Subjects(toml.Entry, frozen=True):
    subject: tuple[Subject, ...]


@cache
def conversions(scheme: str) -> Conversions:
    """The words of a scheme's preparation. Raises RulesError."""
    path = data.path("rules/convert/preparation.toml")
    known = toml.load(path, dict[str, Conversions])
    if scheme not in known:
        raise RulesError(f"{path}: has no [{scheme}]")
    return known[scheme]


@cache
def words() -> _Words:
    return toml.load(data.path("rules/convert/messages.toml"), _Words)


def role(name: str | None) -> Role:
    """The words for a role; a role that has none of its own gets plain ones."""
    known = words().role.get(name or "")
    return known or Role(f"as {name}" if name else "by unit", f"The role of these uses is {name}." if name else "", "")


@cache
def subjects() -> tuple[Subject, ...]:
    """The longest path first."""
    loaded = toml.load(data.path("rules/convert/subjects.toml"), _Subjects).subject
    return tuple(sorted(loaded, key=lambda s: -len(s.path)))
