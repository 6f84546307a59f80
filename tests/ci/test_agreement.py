"""On the real tree: what is decided for a commit is what a scan of the whole tree at that commit decides, and why."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from converter.analyse import analyse
from converter.decided import decide, decider, world
from converter.examine import Analysis, examine
from converter.tree import open_tree
from converter.tree.cache import open_cache
from converter.units.facts import Facts, declares
from converter.units.live import Live
from converter.units.solved import FactsOf, solve_tree
from converter.units.typetable import TypeTable
from converter.vocabulary import scheme

FILES = 120
AT_ONCE = 6
CUT = 60
"""Lines that the commits put in."""

SCHEME = scheme("pte-pg")


@pytest.fixture(scope="module")
def analysis(kernel: Path) -> Analysis:
    tree = open_tree(kernel)
    with open_cache(True) as cache:
        return examine(tree, cache, "pte-pg")


def without_lines(root: str, path: str, rng: random.Random) -> Facts:
    """Facts of a file of which a run of lines is missing."""
    lines = (Path(root) / os.fsencode(path).decode()).read_bytes().split(b"\n")
    at = rng.randrange(max(1, len(lines) - CUT))
    return analyse(path, b"\n".join(lines[:at] + lines[at + CUT :]), "pte-pg") or Facts()


def test_the_judge_decides_as_the_scan_does(analysis: Analysis, capsys: pytest.CaptureFixture[str]) -> None:
    own = world(SCHEME)
    types = {p: declares(f) for p, f in zip(analysis.paths, analysis.facts, strict=True)}
    facts = dict(zip(analysis.paths, analysis.facts, strict=True))
    start = solve_tree(analysis.paths, analysis.facts, own)
    at_hand = FactsOf(len(facts), analysis.facts.__getitem__, {})
    live = Live(start, at_hand, lambda: TypeTable.of(types.items(), own.known.seeds), own)
    whole = {s.order(): s for s in decide(analysis, SCHEME).sites}
    rng = random.Random(612)
    used = [p for p, f in facts.items() if any(not u.inert and not u.defines for u in f.uses)]
    headers = [p for p in used if p.startswith("include/")]
    chosen = rng.sample([p for p in used if p not in headers], FILES - 10) + rng.sample(headers, 10)
    rng.shuffle(chosen)
    asked = differ = 0
    for i in range(0, FILES, AT_ONCE):
        step = chosen[i : i + AT_ONCE]
        live.exchange((), {p: without_lines(analysis.tree.root, p, rng) for p in step})
        change = live.exchange((), {p: facts[p] for p in step})
        judge = decider(change.after, SCHEME)
        for path in step:
            for use in facts[path].uses:
                mine, scanned = judge.site(change.come[path], use), whole[path, use.line, use.col]
                asked += 1
                differ += mine != scanned
    with capsys.disabled():
        print(f"\n{asked - differ} of {asked} uses in {FILES} files have the record that the scan gives them")
    assert asked > 300
    assert not differ
