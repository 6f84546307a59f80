"""What a series made of the uses that a scan found: the report with the series' decisions in place of the scan's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from converter.classify.record import Report, Site
from converter.convert.sources import read_any
from converter.tree import Tree
from converter.vocabulary import Scheme, vocabulary

_WORD = re.compile(rb"[A-Za-z_]\w*")


def as_written(report: Report, tree: Tree, files: Mapping[str, bytes], chosen: Scheme) -> tuple[Report, int]:
    """The report, in which a use is decided where the files of a series have renamed it, in the unit of its new name;
    and the number of uses whose line the series changes in more than names, which stay undecided."""
    by_path: dict[str, list[Site]] = defaultdict(list)
    for s in report.sites:
        by_path[s.path].append(s)
    sites: list[Site] = []
    lost = 0
    for path, own in by_path.items():
        new = files.get(path)
        if new is None:
            sites += [_open(s) for s in own]
            continue
        lines = _paired((read_any(tree, path) or b"").split(b"\n"), new.split(b"\n"))
        for s in own:
            word = _renamed(s, *lines[s.line - 1]) if s.line <= len(lines) else None
            lost += word is None and s.status in ("decided", "review", "logic")
            sites.append(_as(s, word, chosen) if word is not None else _open(s))
    return replace(report, sites=tuple(sites)), lost


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


def _paired(old: Sequence[bytes], new: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Each old line and what it became; b"" where it has no counterpart."""
    if len(old) == len(new):
        return list(zip(old, new, strict=True))
    pairs = [(line, b"") for line in old]
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal" or (kind == "replace" and b - a == d - c):
            for i in range(b - a):
                pairs[a + i] = (old[a + i], new[c + i])
    return pairs


def _renamed(site: Site, old: bytes, new: bytes) -> str | None:
    """The word that stands in the use's place; None where the lines differ in more than words."""
    before, after = list(_WORD.finditer(old)), _WORD.findall(new)
    if len(before) != len(after) or _WORD.sub(b"", old).split() != _WORD.sub(b"", new).split():
        return None
    at = next((i for i, m in enumerate(before) if m.start() == site.col - 1), None)
    return after[at].decode() if at is not None else None
