"""Level `arithmetic`: each converted expression computes what the original does, on quantities of the model.

Where PTE_SIZE is PG_SIZE, both are lifted to Python and must agree bit for bit. Where they differ, the converted
expression must equal the original on a kernel whose one PAGE_SIZE is the size that the quantities around it ask for
(converter.verify.demand), whatever the conversion chose: a wrong choice is a failure, with the values that show it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from converter.classify.record import Report, Site
from converter.examine import Analysis
from converter.lift import runtime
from converter.lift.pair import Pair, Uncovered, pairs
from converter.lift.rewritten import Rewritten
from converter.lift.scope import Declarations
from converter.tree import Entry, Reader, Unreadable
from converter.tree.pool import Lost, chunked
from converter.tree.pool import run as spread
from converter.units.signatures import signatures
from converter.verify import judge
from converter.verify.declarations import declarations
from converter.verify.demand import Demand, demands, sources
from converter.verify.emit import script
from converter.verify.inputs import WORDS, column, edges, situations
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item, Result, below
from converter.verify.written import Bindings, Written
from converter.vocabulary import Scheme, scheme

NO_DEMAND = "nothing around the use says which unit it must have"


@dataclass(frozen=True, slots=True)
class Work:
    """A file: all of its uses that are converted, those that are asked for, and what is demanded of each.

    `written`: as a series leaves it.
    """

    entry: Entry
    decided: tuple[Site, ...]
    asked: tuple[Site, ...]
    demands: dict[tuple[str, int, int], Demand]
    structs: dict[str, dict[str, str]]
    written: Rewritten | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A use's item, its pairs as emitted scripts write them, and the bits of the words with which it was checked."""

    item: Item
    pairs: tuple[Written, ...] = ()
    checked: tuple[int, ...] = ()


def run(
    analysis: Analysis,
    report: Report,
    chosen: Scheme,
    paths: Sequence[str] = (),
    jobs: int | None = None,
    emit: Path | None = None,
    series: Mapping[str, Rewritten] | None = None,
) -> Result:
    """An item for each decided use of the family below `paths` (all where there are none).

    emit    also write the lifted pairs there, as a script that runs by itself
    series  the files as a series leaves them, by path: the expressions after the conversion are read from them
    """
    sites = [s for s in report.sites if s.status == "decided" and s.replacement is not None]
    asked = [s for s in sites if not s.derived and below(s.path, paths)]
    asking = demands(analysis, chosen, sites)
    judged: list[Judged] = []
    known = declarations(analysis, chosen.scheme)
    work = _work(analysis, sites, asked, asking, series or {})
    make = partial(Worker, analysis.tree.reader, chosen.scheme, known)
    with closing(
        spread(make, chunked(work, lambda w: 20_000 + len(w.asked) * 4_000, 400_000), jobs or os.cpu_count() or 1)
    ) as results:
        for result in results:
            if isinstance(result, Lost):
                why = f"not lifted: {result.reason}"
                judged += [Judged(_item(s, NOT_COVERED, why)) for s in result.item.asked]
            else:
                judged += result
    if emit is not None:
        emit.write_text(script(analysis.tree.name, [w for j in judged for w in j.pairs]), encoding="utf-8")
    items = tuple(sorted((j.item for j in judged), key=lambda i: (i.path, i.line, i.what)))
    return Result("arithmetic", items, tuple(_figures(judged, asked, asking)))


def _work(
    analysis: Analysis,
    sites: Iterable[Site],
    asked: Iterable[Site],
    asking: Mapping[Any, Demand],
    series: Mapping[str, Rewritten],
) -> list[Work]:
    every: dict[str, list[Site]] = {}
    for s in sites:
        every.setdefault(s.path, []).append(s)
    wanted: dict[str, list[Site]] = {}
    for s in asked:
        wanted.setdefault(s.path, []).append(s)
    structs = {p: f.structs for p, f in zip(analysis.paths, analysis.facts, strict=True) if p in wanted}
    entries = {e.path: e for e in analysis.tree.entries}
    return [
        Work(
            entries[path], tuple(every[path]), tuple(own),
            {s.order(): asking[s.order()] for s in every[path] if s.order() in asking}, structs.get(path, {}),
            series.get(path),
        )
        for path, own in sorted(wanted.items())
    ]  # fmt: skip


def _figures(
    found: Sequence[Judged], asked: Sequence[Site], asking: Mapping[Any, Demand]
) -> Iterator[tuple[str, float]]:
    checked = sum(j.item.outcome != NOT_COVERED for j in found)
    yield "decided uses", len(found)
    yield "lifted and checked", checked
    yield "share", round(checked / len(found), 4) if found else 0.0
    for bits in WORDS:
        yield f"checked with {bits}-bit words", sum(bits in j.checked for j in found)
    for source, count in sources(asking[s.order()] for s in asked if s.order() in asking):
        yield f"unit asked by {source}", count


class Worker:
    """Runs in a process of its own: lifts and judges the uses of files."""

    def __init__(self, reader: Reader, scheme_name: str, known: Declarations) -> None:
        self.reader = reader
        self.scheme = scheme(scheme_name)
        self.known = known

    def __call__(self, work: Sequence[Work]) -> list[Judged]:
        found: list[Judged] = []
        by_path = {w.entry.path: w for w in work}
        for entry, content in self.reader.read_many([w.entry for w in work]):
            w = by_path[entry.path]
            if isinstance(content, Unreadable):
                found += [Judged(_item(s, NOT_COVERED, f"not read: {content.reason}")) for s in w.asked]
                continue
            known = self.known.with_structs(w.structs)
            units = {key: d.unit for key, d in w.demands.items()}
            lifted = pairs(entry.path, content, w.asked, w.decided, self.scheme, known, units, w.written)
            for s, made in zip(w.asked, lifted, strict=True):
                found.append(judged(s, made, w.demands))
        return found


def judged(site: Site, made: Iterable[Pair | Uncovered], asking: Mapping[tuple[str, int, int], Demand]) -> Judged:
    """The verdict on one use: it fails where one data model fails, and passes where one was checked."""
    found = [_judged(site, m, asking) for m in made]
    worst = min(found, key=lambda j: (FAILED, PASSED, NOT_COVERED).index(j.item.outcome))
    pairs_, checked = tuple(w for j in found for w in j.pairs), tuple(b for j in found for b in j.checked)
    return Judged(worst.item, pairs_, checked)


def _judged(site: Site, pair: Pair | Uncovered, asking: Mapping[tuple[str, int, int], Demand]) -> Judged:
    """The verdict on one use with one data model."""
    if isinstance(pair, Uncovered):
        return Judged(_item(site, NOT_COVERED, pair.why))
    demand = asking.get(site.order())
    if demand is None:
        return Judged(_item(site, NOT_COVERED, NO_DEMAND))
    if [i.text for i in pair.before.inputs] != [i.text for i in pair.after.inputs]:
        return Judged(_item(site, FAILED, "reads other inputs than the original", _inputs(pair)))
    units = {o: asking[s.order()].unit for o, s in zip(pair.offsets, pair.sites, strict=True) if s.order() in asking}
    apart = pair.asked is not None and all(units.get(a) == units.get(b) for a, b in pair.before.meets)
    written = Written(
        f"{site.path}:{site.line}: {site.macro} -> {site.replacement} ({site.role})",
        pair.text + (f"  ->  {pair.sink}" if pair.sink else ""), demand.words(), pair.before.source(),
        pair.after.source(), tuple(i.name for i in pair.before.inputs), bindings(pair, asking), demand.unit,
        pair.asked.source() if pair.asked is not None and apart else "", pair.model.bits,
    )  # fmt: skip
    v = verdict(
        written.before, written.after, written.inputs, written.bindings, demand.unit, written.asked, written.bits
    )  # fmt: skip
    detail = v.detail
    if v.outcome == FAILED:
        mixed = "; a count of one unit is used as one of the other" if pair.asked is not None and not apart else ""
        detail = f"{written.text}\n{demand.words()}{mixed}\n{v.detail}"
    assumed = tuple((i.text, f"unsigned long: {i.guess}") for i in pair.before.inputs if i.guess)
    checked = (written.bits,) if v.outcome != NOT_COVERED else ()
    return Judged(replace(_item(site, v.outcome, v.why, detail), assumed=assumed), (written,), checked)


def _inputs(pair: Pair) -> str:
    """The expression, and its inputs before and after."""
    sides = ("before", pair.before), ("after", pair.after)
    return "\n".join([pair.text, *(f"{name}: {', '.join(i.text for i in side.inputs)}" for name, side in sides)])


def bindings(pair: Pair, asking: Mapping[tuple[str, int, int], Demand]) -> Bindings:
    """What the inputs of a pair are: by their C, and by what a page-size name beside them takes them for."""
    by_offset = dict(zip(pair.offsets, pair.sites, strict=True))
    bound = []
    turns: Counter[str] = Counter()
    for i in pair.before.inputs:
        measure, offset = pair.before.measures.get(i.text, ("", -1))
        site = by_offset.get(offset)
        demand = asking.get(site.order()) if site is not None else None
        unit = demand.unit if demand is not None else ""
        named = known_unit(i.text, i.owner) if i.text not in pair.before.scaled else ""
        if measure == "count" and named:
            unit = named
        name = column(i.text, measure, unit)
        bound.append((name, turns[name], i.type.name, unit if measure == "count" else named))
        turns[name] += 1
    return tuple(bound)


@cache
def known_unit(text: str, owner: str) -> str:
    """The unit of a count that a signature fixes: of a field of struct `owner`, or of what a function returns."""
    if text.endswith(")"):
        key = "R:" + text.split("(")[0].strip()
    elif owner:
        key = f"F:{owner}.{text.rpartition('->')[2].rpartition('.')[2]}"
    else:
        return ""
    seed = signatures().seeds.get(key)
    if seed is None or seed.measure != "count":
        return ""
    return {"pte": "pte", "pfn": "pte", "pg": "pg"}.get(seed.dimension, "")


@lru_cache(maxsize=20_000)
def verdict(
    before: str, after: str, inputs: tuple[str, ...], bound: Bindings, unit: str, asked: str, bits: int
) -> judge.Verdict:
    """What converter.verify.judge says of two lifted functions, by their sources."""
    reference = _compiled(asked) if asked else None
    pair = _compiled(before), _compiled(after)
    found: judge.Verdict = judge.judge(*pair, inputs, bound, unit, _states(bits), reference)
    return found


@cache
def _states(bits: int) -> list[judge.State]:
    return [judge.State(s.bits, s.pte, s.pg, len(s.columns["va"]), s.columns, edges()) for s in situations(bits)]


def _compiled(source: str) -> Callable[..., Any]:
    scope: dict[str, Callable[..., Any]] = dict(vars(runtime))
    exec(compile(source, "<lifted>", "exec"), scope)
    return scope["before" if "def before" in source else "after"]


def _item(site: Site, outcome: str, why: str = "", detail: str = "") -> Item:
    return Item(site.path, site.line, outcome, f"{site.macro} -> {site.replacement}", why, detail)
