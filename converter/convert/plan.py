"""Which uses a conversion changes, and into which patches they go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from converter.classify.record import Site
from converter.convert.edits import Edit, edit_of
from converter.convert.maintainers import REST, Maintainers
from converter.convert.templates import words
from converter.errors import InputError
from converter.vocabulary import UNITS, vocabulary

LARGEST = 500
"""Changed lines (added and deleted) of a patch, unless one file alone has more."""

BY = ("role", "unit", "subsystem")
DEFAULT = ("role", "subsystem")


@dataclass(frozen=True, slots=True)
class Part:
    """One patch to be: its uses, by file in order."""

    role: str | None
    subsystem: str
    step: str | None
    sites: tuple[Site, ...]

    @property
    def paths(self) -> list[str]:
        return list(dict.fromkeys(s.path for s in self.sites))


def chosen(
    sites: Iterable[Site], review: bool, steps: Sequence[str], prefixes: Sequence[str], own: frozenset[str]
) -> Iterator[Site]:
    """The uses that change: decided ones of the family, with `review` best guesses too, and those of the steps.

    `own` are the scheme's names: what stands in their definitions (`#define PTE_SIZE PAGE_SIZE`) stays.
    """
    macros = step_macros(steps)
    for s in sites:
        if prefixes and not any(s.path == p or s.path.startswith(p + "/") for p in prefixes):
            continue
        if (s.derived and s.macro not in macros) or s.function in own:
            continue
        guessed = review and s.status == "review" and s.unit is not None
        if edit_of(s) is not None and (guessed or (s.status == "decided" and not doubtful(s))):
            yield s


def doubtful(site: Site) -> bool:
    """Is it a call whose result counts one unit and meets the other? The family has one right name there, but of two
    functions (linear_page_index() and linear_pte_index()) either can be meant."""
    called = site.derived and vocabulary().names[site.macro].form == "call"
    return called and (site.rule or "").endswith((":clear", ":contested"))


def step_macros(steps: Sequence[str]) -> dict[str, str]:
    """Macro -> step. Raises InputError for a step that there is not."""
    known = words().step
    found: dict[str, str] = {}
    for step in steps:
        if step not in known:
            raise InputError(f"--step {step}: not one of {', '.join(known)}")
        macro = known[step].macro
        for name in vocabulary().names:
            if name == macro or (macro.endswith("_") and name.startswith(macro)):
                found[name] = step
    return found


def partition(
    sites: Iterable[Site], by: Sequence[str], maintainers: Maintainers, steps: Sequence[str], roles: Sequence[str],
    with_: Mapping[tuple[str, int, int], Site] = MappingProxyType({}),
) -> list[Part]:  # fmt: skip
    """The patches, in order of `roles` and of subsystems; derived names come last, step by step. A use goes into the
    patch of the one that it stands `with_`."""
    macros = step_macros(steps)
    groups: dict[tuple[str | None, str | None, str, str], list[Site]] = defaultdict(list)
    for s in sites:
        subsystem = _subsystem(maintainers, s.path) if "subsystem" in by else ""
        step = macros.get(s.macro) if s.derived else None
        role = with_.get(s.order(), s).role if "role" in by and step is None else None
        unit = s.unit or "" if "unit" in by and step is None else ""
        groups[step, role, unit, subsystem].append(s)
    order = {r: i for i, r in enumerate(roles)}

    def rank(key: tuple[str | None, str | None, str, str]) -> tuple[int, int, str, int, str]:
        step, role, unit, subsystem = key
        place = UNITS.index(unit) if unit else 0
        return (steps.index(step) + 1 if step else 0, order.get(role or "", len(order)), role or "", place, subsystem)

    made: list[Part] = []
    for key in sorted(groups, key=rank):
        step, role, _, subsystem = key
        made += [Part(role, subsystem, step, tuple(piece)) for piece in _pieces(groups[key])]
    return made


def _subsystem(maintainers: Maintainers, path: str) -> str:
    section = maintainers.merger(path)
    return section.name if section else REST


def _pieces(sites: list[Site]) -> Iterator[list[Site]]:
    """Whole files, as many as fit into LARGEST changed lines."""
    files: dict[str, list[Site]] = defaultdict(list)
    for s in sorted(sites, key=Site.order):
        files[s.path].append(s)
    piece: list[Site] = []
    size = 0
    for own in files.values():
        churn = 2 * len({s.line for s in own})
        if piece and size + churn > LARGEST:
            yield piece
            piece, size = [], 0
        piece += own
        size += churn
    yield piece


def edits(sites: Iterable[Site]) -> list[Edit]:
    return [e for s in sites if (e := edit_of(s)) is not None]


def by_path(sites: Iterable[Site]) -> dict[str, list[Site]]:
    """Uses by file, files in order."""
    found: dict[str, list[Site]] = defaultdict(list)
    for s in sites:
        found[s.path].append(s)
    return dict(sorted(found.items()))
