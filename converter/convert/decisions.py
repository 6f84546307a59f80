"""The decisions that a conversion follows: those of the scan, but never taken from names that a conversion wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from converter.classify.confidence import confidence
from converter.classify.decide import Decider
from converter.classify.record import Report, summarise
from converter.classify.roles import rules
from converter.decided import converted, decide, solved
from converter.examine import Progress, examine
from converter.scan import scan
from converter.tree import Tree
from converter.tree.cache import Cache
from converter.vocabulary import scheme, vocabulary


@dataclass(frozen=True, slots=True)
class Decisions:
    """A scan's report, the files that define names of the scheme, with these names, and whether the tree speaks it."""

    report: Report
    definers: Mapping[str, Sequence[str]]
    spoken: bool = False


def decisions(
    tree: Tree, cache: Cache, cached: bool, scheme_name: str, jobs: int | None = None, progress: Progress | None = None
) -> Decisions:
    """The scan's decisions; in a tree that speaks the scheme, without what only the scheme's names in it say.

    A use that stayed open would else be decided next time by its converted neighbours, with no new evidence: to convert
    twice has to be the same as to convert once. `cached`: the cache is in use. Raises InputError.
    """
    chosen = scheme(scheme_name)
    analysis = examine(tree, cache, scheme_name, jobs, progress)
    report = scan(tree, cache, scheme_name, jobs) if cached else decide(analysis, chosen)
    definers = {path: tuple(facts.defines) for path, facts in zip(analysis.paths, analysis.facts, strict=True)}
    spoken = converted(analysis, chosen)
    if spoken:
        decider = Decider(
            solved(analysis, chosen, written=False), chosen, vocabulary().names, rules().rules, confidence()
        )  # fmt: skip
        sites = tuple(decider.site(n, use) for n, facts in enumerate(analysis.facts) for use in facts.uses)
        report = replace(report, sites=sites, summary=summarise(sites))
    return Decisions(report, {path: names for path, names in definers.items() if names}, spoken)
