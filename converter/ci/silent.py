"""Rule silent-change: a use on a line that stays, whose unit is another one after the commit.

An operand got another type, a callee another body: nobody who reads the diff sees the use. Uses in files that the
commit does not touch count too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from converter.ci.finding import Finding
from converter.ci.view import Changed, View
from converter.classify.record import Site
from converter.units.facts import Facts, Use


def find(view: View, steps: int) -> Iterator[Finding]:
    """Pairs each use with itself in the parent. A merge is not judged by this rule: its sides were.

    steps  chains of evidence that are longer prove nothing
    """
    for found in () if view.is_merge else _all(view):
        if len(found.evidence) <= steps and len(found.against) <= steps:
            yield found


def _all(view: View) -> Iterator[Finding]:
    for file in view.files:
        if file.old is not None and file.old_number is not None:
            for old, new in _paired(file):
                yield from _compared(view, file.path, (file.old_number, old), (file.number, new))
    own = {f.path for f in view.files}
    for path, number in view.exchanged.come.items():  # linked again, since what it names has another type
        if path not in own and path in view.exchanged.gone:
            facts = view.after.graph.facts[number]
            for use in _uses(facts):
                yield from _compared(view, path, (view.exchanged.gone[path], use), (number, use))
    yield from _elsewhere(view)


def _elsewhere(view: View) -> Iterator[Finding]:
    """Files that stay, to whose quantities units now come otherwise."""
    graph = view.after.graph
    touched = view.exchanged.touched()
    touched = touched[touched < graph.first_key]
    numbers = np.searchsorted(graph.offset, touched, side="right") - 1
    busy = {*view.exchanged.gone.values(), *view.exchanged.come.values()}
    for number in sorted({*numbers.tolist()} - busy):
        here = set(touched[numbers == number].tolist())
        for use in _uses(graph.facts[number]):
            if use.node is not None and graph.node(number, use.node) in here:
                yield from _compared(view, graph.files[number], (number, use), (number, use))


def _uses(facts: Facts) -> list[Use]:
    return [*facts.uses, *facts.written]


def _paired(file: Changed) -> Iterator[tuple[Use, Use]]:
    assert file.old is not None
    now = {(u.line, u.col, u.name): u for u in _uses(file.new) if u.line not in file.added}
    for old in _uses(file.old):
        line = file.change.new_line(old.line)
        if line is not None and (new := now.get((line, old.col, old.name))) is not None:
            yield old, new


def _compared(view: View, path: str, old: tuple[int, Use], new: tuple[int, Use]) -> Iterator[Finding]:
    use = new[1]
    if use.inert or use.defines or (use.written and not view.spoken):
        return
    was, now = view.before.site(*old), view.after.site(*new)
    if was.status != "decided" or was.unit is None or not (now.status == "logic" or _turned(was, now)):
        return
    if view.chosen.owns(use.function) or (use.written and _mended(view, use, now)):
        return
    name = use.written or use.name
    if now.status == "logic":
        message = f"{name} was {was.unit.upper()}; with this commit both units meet here"
        fix = "make the change say which unit is meant"
    else:
        message = f"{name} was {was.unit.upper()} and is {(now.unit or '').upper()} with this commit"
        fix = _fix(use, now)
    # Where both meet, what is new is the chain of the other unit.
    evidence = now.against if now.rule == "conflict" and now.unit == was.unit else now.evidence
    yield view.finding(
        "silent-change", path, use.line, use.col, name, message, fix, evidence=evidence, against=was.evidence
    )


def _turned(was: Site, now: Site) -> bool:
    return now.status == "decided" and now.unit != was.unit


def _mended(view: View, use: Use, now: Site) -> bool:
    """Does the name that stands there say now what the units say? Then it did not before."""
    return now.status == "decided" and now.unit == view.chosen.unit_written(use.written)


def _fix(use: Use, now: Site) -> str:
    """A written name has to follow; a use that is not converted yet only has to be known."""
    if use.written:
        return f"write {now.replacement}, or take back what changed the unit"
    return f"if the change is meant, say so in its message: the use is to become {now.replacement}"
