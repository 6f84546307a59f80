"""What a series made of the uses that a scan found: the report with the series' decisions in place of the scan's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from converter.classify.record import Report, Site
from converter.convert.sources import read_any
from converter.csource.text import Lines
from converter.lift.alignment import aligned
from converter.lift.pair import REWRITTEN
from converter.lift.rewritten import Rewritten
from converter.tree import Tree
from converter.verify.result import NOT_COVERED, Item
from converter.vocabulary import Scheme, vocabulary


def rewritten(tree: Tree, files: Mapping[str, bytes]) -> dict[str, Rewritten]:
    """The files of a series, each with where what stood in the tree's file stands now."""
    return {path: Rewritten(new, aligned(read_any(tree, path) or b"", new)) for path, new in files.items()}


def as_written(
    report: Report, tree: Tree, series: Mapping[str, Rewritten], chosen: Scheme
) -> tuple[Report, tuple[Item, ...]]:
    """The report, in which a use is decided where a series has renamed it, in the unit of its new name; and an item
    for each use whose line the series rewrites: it stays undecided."""
    by_path: dict[str, list[Site]] = defaultdict(list)
    for s in report.sites:
        by_path[s.path].append(s)
    sites: list[Site] = []
    lost: list[Item] = []
    for path, own in by_path.items():
        file = series.get(path)
        if file is None:
            sites += [_open(s) for s in own]
            continue
        lines = Lines(read_any(tree, path) or b"")
        for s in own:
            word = _word(s, lines, file)
            if word is None and not s.derived and s.status in ("decided", "review", "logic"):
                lost.append(Item(path, s.line, NOT_COVERED, s.macro, REWRITTEN))
            sites.append(_as(s, word, chosen) if word is not None else _open(s))
    return replace(report, sites=tuple(sites)), tuple(lost)


def _word(site: Site, lines: Lines, file: Rewritten) -> str | None:
    """The word that stands in a use's place; None where its line is rewritten."""
    offset = lines.span(site.line) + site.col - 1
    start, end = file.places.forward(offset), file.places.forward(offset + len(site.macro))
    return file.content[start:end].decode("utf-8", "replace") if 0 <= start < end else None


def _as(site: Site, word: str, chosen: Scheme) -> Site:
    unit = next((u for u, name in chosen.names[site.macro].items() if name == word and word != site.macro), None)
    if unit is None and word == site.macro and word in vocabulary().names:
        kept = [u for u, name in chosen.names[word].items() if name == word]
        unit = kept[0] if kept and site.status == "decided" and site.unit in kept else None
    if unit is None:
        return _open(site)
    return replace(site, status="decided", unit=unit, replacement=word)


def _open(site: Site) -> Site:
    """The use as one that nothing was decided on."""
    return site if site.status in ("definition", "inert") else replace(site, status="review")
