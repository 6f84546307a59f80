"""One use, for a person: what was decided, the chain of evidence with its source lines, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from converter.classify.record import Evidence, Site
from converter.report.words import printable

SourceLine = Callable[[str, int], str]
"""Path and line of the tree -> the source line, "" where there is none."""


def render(site: Site, source: SourceLine, missing: tuple[str, ...] = ()) -> str:
    """The explanation of one site. `missing`: what would settle an open one."""
    return "\n".join(printable(line) for line in _lines(site, source, missing)) + "\n"


def _lines(site: Site, source: SourceLine, missing: tuple[str, ...]) -> Iterator[str]:
    where = f" in {site.function}()" if site.function else ""
    yield f"{site.path}:{site.line}:{site.col}: {site.macro}{where}"
    yield f"    {_flat(source(site.path, site.line))}"
    unit = site.unit.upper() if site.unit else "none"
    guess = "" if site.status == "decided" else " (best guess)" if site.unit else ""
    yield f"  status       {site.status}"
    if site.status in ("decided", "review", "logic"):
        yield f"  unit         {unit}{guess}"
    if site.role:
        yield f"  role         {site.role}"
    if site.policy_key:
        yield f"  policy       {site.policy_key}: a free choice, made in the scheme's file"
    if site.replacement and site.status == "decided":
        yield f"  replacement  {site.replacement}"
    if site.rule:
        share = f", right on {site.confidence:.0%} of the labelled uses" if site.confidence else ""
        yield f"  evidence     {site.rule}{share}"
    if _told(site):
        yield f"a rename is not enough: {site.evidence[0].why}"
        yield from (f"  {step.why}" for step in (*site.evidence[1:], *site.against))
        return
    if site.evidence:
        yield f"why {unit}:" if site.status != "logic" else "one side:"
        yield from _chain(site.evidence, source)
    if site.against:
        yield "the other side:" if site.status == "logic" else "against it:"
        yield from _chain(site.against, source)
    for line in missing or ((site.missing,) if site.missing else ()):
        yield f"missing: {line}"


def _told(site: Site) -> bool:
    """Is it a rule at the use that asks for a rewrite, and says why in words for each unit?"""
    return bool(site.evidence) and site.status == "logic" and site.missing == site.evidence[0].why


def _chain(steps: tuple[Evidence, ...], source: SourceLine) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        place = f"{step.path}:{step.line}" if step.line else step.path
        yield f"  {number}. {place}: {step.why}" if place else f"  {number}. {step.why}"
        text = _flat(source(step.path, step.line)) if step.line else ""
        if text:
            yield f"        {text}"


def _flat(line: str) -> str:
    return " ".join(line.split())
