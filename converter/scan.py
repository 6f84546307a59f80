"""The scan: a tree in, a report out. The way of the data: tree, facts of each file, graph, units, sites."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, field, replace
from functools import cache as once
from functools import partial
from pathlib import Path

import msgspec

from converter import __version__, data
from converter.classify.confidence import confidence
from converter.classify.decide import Decider
from converter.classify.record import Report, Site, summarise
from converter.classify.roles import LOGIC, rules
from converter.collector import uncollected
from converter.kept import KeptFacts, fact_key
from converter.tree import Problems, Tree
from converter.tree.cache import Cache, tree_digest
from converter.tree.pool import Lost, chunked, run
from converter.units.facts import Facts, decode
from converter.units.graph import link
from converter.units.meet import meetings
from converter.units.signatures import Seed, dimension, signatures
from converter.units.solve import Solution, solve
from converter.units.solved import World
from converter.vocabulary import UNITS, Scheme, scheme, vocabulary
from converter.worker import Worker

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


@once
def engine_version() -> str:
    """Changes whenever the code that makes facts, decisions or what else the cache keeps changes."""
    whole = hashlib.sha256(__version__.encode())
    package = Path(__file__).resolve().parent
    for folder in (".", "csource", "units", "classify", "ci"):
        for file in sorted((package / folder).glob("*.py")):
            whole.update(file.read_bytes())
    return whole.hexdigest()[:16]


@dataclass(slots=True)
class Analysis:
    """Facts of a whole tree: what every question about units starts from."""

    tree: Tree
    paths: list[str]
    facts: list[Facts]
    digests: dict[str, str]
    warnings: list[str]
    problems: Problems = field(default_factory=Problems)  # what of the warnings single files gave rise to


def scan(
    tree: Tree,
    cache: Cache,
    scheme_name: str = "pte-pg",
    jobs: int | None = None,
    progress: Progress | None = None,
    what_if: Path | None = None,
) -> Report:
    """Every use of the vocabulary in `tree`, decided as far as the evidence goes. Raises InputError."""
    with uncollected():
        return _scan(tree, cache, scheme_name, jobs, progress, what_if)


def _scan(
    tree: Tree, cache: Cache, scheme_name: str, jobs: int | None, progress: Progress | None, what_if: Path | None
) -> Report:
    chosen = scheme(scheme_name)
    key = cache_key(scheme_name)
    known = cache.digests(tree)
    whole = tree_digest(known) if len(known) == len(tree.entries) and what_if is None else ""
    if whole and (raw := cache.get_one("report", key, whole)) is not None:
        report = _decoded(raw)
        if report is not None:
            return _named(report, tree)
    analysis = examine(tree, cache, scheme_name, jobs, progress, known)
    report = decide(analysis, chosen, what_if)
    if not analysis.warnings and what_if is None and len(analysis.digests) == len(tree.entries):
        _remember(cache, key, tree_digest(analysis.digests), report)
    return report


def _remember(cache: Cache, key: str, whole: str, report: Report) -> None:
    """Keep a report, unless a file's name is no UTF-8: facts are kept all the same, and decided again."""
    with suppress(UnicodeEncodeError):
        cache.put_one("report", key, whole, msgspec.msgpack.encode(report))


def examine(
    tree: Tree,
    cache: Cache,
    scheme_name: str,
    jobs: int | None = None,
    progress: Progress | None = None,
    known: dict[str, str] | None = None,
) -> Analysis:
    """Facts of every file, from the cache where the content is known."""
    kept = KeptFacts(cache, cache_key(scheme_name))
    digests = dict(cache.digests(tree) if known is None else known)
    keys = {path: fact_key(path, digest) for path, digest in digests.items()}
    before = kept.of(set(keys.values()))
    pending = [e for e in tree.entries if keys.get(e.path) not in before]
    raw = {path: before[k] for path, k in keys.items() if k in before}
    made: dict[str, Facts] = {}
    problems = Problems()
    total = sum(e.size for e in pending)
    done = 0
    make = partial(Worker, tree.reader, scheme_name)
    with closing(run(make, chunked(pending, lambda e: e.size), jobs or os.cpu_count() or 1)) as results:
        for result in results:
            if isinstance(result, Lost):
                problems.add(f"not scanned: {result.reason}", result.item.path)
                done += result.item.size
                continue
            for found in result:
                done += found.size
                if found.problem:
                    problems.add(f"not read: {found.problem}", found.path)
                    continue
                digests[found.path] = found.digest
                kept.add(fact_key(found.path, found.digest), found.facts)
                if found.facts:
                    made[found.path] = decode(found.facts)
            if progress is not None:
                progress(done, total)
    kept.finish()
    for path, content in raw.items():
        if content:
            try:
                made[path] = decode(content)
            except msgspec.MsgspecError:  # an entry that passed its checksum and is still wrong: ask the source
                entry = next(e for e in tree.entries if e.path == path)
                again = Worker(tree.reader, scheme_name)([entry])[0]
                made[path] = decode(again.facts) if again.facts else Facts()
    paths = sorted(made)
    facts = [made[path] for path in paths]
    for path in paths:
        for what in made[path].warnings:
            problems.add(what, path)
    cache.remember_digests(tree, digests)
    return Analysis(tree, paths, facts, digests, [*tree.warnings, *problems.lines()], problems)


def cache_key(scheme_name: str) -> str:
    """What facts and reports depend on besides the files: code, rules and scheme."""
    return f"{engine_version()}:{data.rules_version()}:{scheme_name}"


def labels(chosen: Scheme) -> dict[str, str]:
    """Dimension of a seed -> the label that it counts as in a scheme; policy keys are labels of their own."""
    made = {unit: unit for unit in UNITS} | dict(chosen.dimensions) | {key: key for key in chosen.policy}
    made[LOGIC] = LOGIC
    return made


def solved(analysis: Analysis, chosen: Scheme, what_if: Path | None = None, written: bool = True) -> Solution:
    """The units of every quantity of the tree. `written`: believe the scheme's own names where the tree speaks it."""
    w = world(chosen, what_if)
    graph = link(analysis.paths, analysis.facts, w.known, w.rules).graph
    return solve(graph, w.label_of, () if written and converted(analysis, chosen) else w.silent)


def world(chosen: Scheme, what_if: Path | None = None) -> World:
    """What the units of every tree depend on: signatures, role rules, and what a scheme counts in."""
    known = signatures(what_if)
    declared = {}
    for c in chosen.conversion:
        declared[f"P:{c.name}/0"] = Seed(c.takes, 0, f"{c.name}() takes {c.takes}", "the scheme", "count")
        declared[f"R:{c.name}"] = Seed(c.gives, 0, f"{c.name}() gives {c.gives}", "the scheme", "count")
    known = replace(known, seeds=known.seeds | declared)
    spoken = {r.id: Seed(dimension(r.unit), r.cost, r.why, "rules/roles") for r in rules().rules.values()}
    return World(known, spoken, labels(chosen), ("U:pte", "U:pg"))


def converted(analysis: Analysis, chosen: Scheme) -> bool:
    """Does the tree speak the scheme? In others its names are taken for something else (x86's own PTE_SHIFT)."""
    return any(
        chosen.marker in f.defines and path.startswith(("include/", "arch/"))  # drivers have names of their own
        for path, f in zip(analysis.paths, analysis.facts, strict=True)
    )


def decide(analysis: Analysis, chosen: Scheme, what_if: Path | None = None) -> Report:
    solution = solved(analysis, chosen, what_if)
    decider = Decider(solution, chosen, vocabulary().names, rules().rules, confidence())
    decider.expect((n, use) for n, facts in enumerate(analysis.facts) for use in facts.uses)
    sites: list[Site] = []
    for n, facts in enumerate(analysis.facts):
        sites.extend(decider.site(n, use) for use in facts.uses)
    ordered = tuple(sites)
    met = tuple(sorted({m.evidence(solution.graph) for m in meetings(solution.graph, labels(chosen))}, key=astuple))
    return replace(described(analysis, chosen), sites=ordered, summary=summarise(ordered), conflicts=met)


def described(analysis: Analysis, chosen: Scheme) -> Report:
    """A report on a tree, still without sites."""
    tree = analysis.tree
    return Report(
        tool={"name": "pgconv", "version": __version__, "rules": data.rules_version()},
        tree={
            "name": tree.name, "kernel": tree.kernel_version, "revision": tree.revision, "files": len(tree.entries),
        },
        scheme=chosen.scheme,
        sites=(),
        warnings=tuple(analysis.warnings),
    )  # fmt: skip


def _named(report: Report, tree: Tree) -> Report:
    """The report under the name that this tree has now: equal trees share cached reports."""
    return replace(report, tree={**report.tree, "name": tree.name})


def _decoded(raw: bytes) -> Report | None:
    try:
        return msgspec.msgpack.decode(raw, type=Report)
    except msgspec.MsgspecError:
        return None
