"""Which commits of a history are looked at: the last of each period, every n-th, or those with a tag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from converter.errors import InputError
from converter.progress.record import Step
from converter.tree.history import Repository
from converter.tree.problems import shown


def _week(when: datetime) -> str:
    year, week, _ = when.isocalendar()
    return f"{year}-W{week:02}"


PERIODS: dict[str, Callable[[datetime], str]] = {
    "week": _week,
    "month": lambda when: f"{when:%Y-%m}",
    "quarter": lambda when: f"{when.year}-Q{(when.month + 2) // 3}",
    "year": lambda when: f"{when:%Y}",
}
"""The period that a commit's time lies in (UTC), so named that names sort as times do."""

_LAST = 253_402_300_799  # the last second of the year 9999, where datetime ends


@dataclass(frozen=True, slots=True)
class Kind:
    """How steps are chosen: `period` of PERIODS, or `every` n commits, or, with neither, tags."""

    period: str = ""
    every: int = 0


def kind(text: str) -> Kind:
    """What --step says. Raises InputError."""
    if text in PERIODS:
        return Kind(period=text)
    if text == "tag":
        return Kind()
    if text.isascii() and text.isdigit() and int(text) > 0:
        return Kind(every=int(text))
    raise InputError(f"--step {shown(text)}: not one of {', '.join(PERIODS)}, tag, nor a number of commits")


def steps(repository: Repository, revs: str, step: Kind) -> list[Step]:
    """The steps of A..B along first parents, the oldest first: A, what is chosen between, and B; or all up to B.

    Raises InputError: an unknown revision, an empty range, a history that a shallow clone cuts off, no tag in it.
    """
    line = _line(repository, revs)
    if step.every:
        kept = [s for n, s in enumerate(reversed(line)) if n % step.every == 0 or n == len(line) - 1][::-1]
    elif step.period:
        kept = _by_period(line, PERIODS[step.period])
    else:
        kept = _by_tag(repository, revs, line)
    return kept if kept[0] is line[0] or step.period else [line[0], *kept]


def _line(repository: Repository, revs: str) -> list[Step]:
    """First-parent history of what `revs` names, the oldest first; with A..B, A is the first."""
    if "..." in revs:
        raise InputError(f"--revs {shown(revs)}: a symmetric difference has two sides; write A..B")
    first, _, last = revs.rpartition("..")
    begin = repository.commit(first or "HEAD") if ".." in revs else None
    end = repository.commit(last or "HEAD" if begin is not None else last)
    limits = (end.name, f"^{begin.name}") if begin is not None else (end.name,)
    start = _listed(repository, 0, "--no-walk", begin.name) if begin is not None else []
    found = _listed(repository, start[0].time if start else 0, "--first-parent", "--reverse", *limits)
    if not found:
        raise InputError(f"--revs {shown(revs)}: an empty range: no commit is reachable from its end alone")
    oldest = found[0].commit
    _is_whole(repository, oldest)
    return [*start, *found]


def _is_whole(repository: Repository, oldest: str) -> None:
    """Raises InputError where the oldest commit of a history has parents that a shallow clone does not have."""
    if not repository.is_shallow or repository.commit(oldest).parents:
        return
    if b"\nparent " in repository.run("cat-file", "commit", oldest).split(b"\n\n", 1)[0]:
        raise InputError(
            f"{shown(repository.path)}: a shallow clone, whose history ends at {oldest[:12]}: "
            "git fetch --deepen=N, or --unshallow, brings more"
        )


def _listed(repository: Repository, before: int, *arguments: str) -> list[Step]:
    """Commits as steps. `before`: the time of one without a date of its own that comes first; else its parent's."""
    lines = repository.run("rev-list", "--format=%H %T %ct", *arguments).decode().splitlines()
    found = []
    for line in lines:
        if not line.startswith("commit "):
            commit, tree, time = line.split(" ")
            before = seconds(time, before)
            found.append(Step(commit, tree, before, commit[:12]))
    return found


def seconds(time: str, otherwise: int) -> int:
    """A time as git prints it; `otherwise` for what is no date: none at all, or one after the year 9999."""
    return int(time) if time.isdigit() and len(time) <= len(str(_LAST)) and int(time) <= _LAST else otherwise


def _by_period(line: list[Step], period: Callable[[datetime], str]) -> list[Step]:
    """The last commit of each period. Clocks of committers differ: a period that has gone by does not come back."""
    kept: list[Step] = []
    for each in line:
        label = period(datetime.fromtimestamp(each.time, UTC))
        if kept and label <= kept[-1].label:
            kept[-1] = replace(each, label=kept[-1].label)
        else:
            kept.append(replace(each, label=label))
    return kept


def _by_tag(repository: Repository, revs: str, line: list[Step]) -> list[Step]:
    """The commits with a tag, and the last."""
    raw = repository.run("for-each-ref", "--format=%(objectname) %(*objectname) %(refname:strip=2)", "refs/tags")
    tags: dict[str, str] = {}
    for tag in raw.decode("utf-8", "replace").splitlines():
        direct, behind, name = tag.split(" ", 2)
        tags.setdefault(behind or direct, name)
    kept = [replace(s, label=tags[s.commit]) for s in line if s.commit in tags]
    if not kept:
        raise InputError(f"--step tag: no commit of {shown(revs)} has a tag; a period or a number of commits works")
    if line[0].commit == kept[0].commit:
        line[0] = kept[0]
    return kept if kept[-1].commit == line[-1].commit else [*kept, line[-1]]
