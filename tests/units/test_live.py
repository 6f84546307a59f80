"""A live graph has the paths of a tree that was linked and solved from nothing, whatever was exchanged."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.analyse import analyse
from converter.decided import world
from converter.units.facts import Facts, declares
from converter.units.graph import HUB
from converter.units.live import Live
from converter.units.solve import Solution
from converter.units.solved import FactsOf, Solved, solve_tree
from converter.units.typetable import TypeTable
from converter.vocabulary import scheme

WORLD = world(scheme("pte-pg"))

PIECES = (
    "unsigned long head(struct vm_area_struct *vma) { return vma->vm_pgoff; }\n",
    "unsigned long head(struct folio *folio) { return folio->index; }\n",
    "void far(unsigned long n) { use(n << PAGE_SHIFT); }\n",
    "void caller(struct vm_area_struct *vma) { far(head(vma) + PAGE_SIZE); far(vma->vm_pgoff); }\n",
    "void other(struct page *page) { far(page_to_pfn(page)); }\n",
    "struct box {\n\tpgoff_t at;\n\tstruct folio *folio;\n};\n",
    "struct box {\n\tunsigned long at;\n\tstruct vm_area_struct *folio;\n};\n",
    "struct box *open_box(int n);\n",
    "void fill(struct box *b, unsigned long n) { b->at = n; if (n > PAGE_SIZE) b->at = n >> PAGE_SHIFT; }\n",
    "void more(int n) { open_box(n)->at = far_away(n); use(open_box(n)->folio->vm_pgoff << PAGE_SHIFT); }\n",
    "void eq(struct vm_area_struct *v) { long n = v->vm_pgoff, m = n; n = m; m = v->vm_pgoff; far(m + PAGE_MASK); }\n",
    "void ways(struct folio *f) { long i = f->index; long j = i; long k = j; i = k; far(k); far(j); head(f, i); }\n",
    "#define TWICE(n) ((n) << (PAGE_SHIFT + 1))\n",
    "long twice(struct folio *f) { return TWICE(f->index) + TWICE(PHYS_PFN(f->x)); }\n",
)
FILES = ("mm/a.c", "mm/b.c", "include/linux/c.h", "fs/d.c")


def facts_of(path: str, pieces: tuple[str, ...]) -> Facts | None:
    return analyse(path, "".join(pieces).encode(), "pte-pg")


def from_nothing(files: dict[str, Facts]) -> Solved:
    paths = sorted(files)
    return solve_tree(paths, [files[p] for p in paths], WORLD)


def types_of(files: dict[str, Facts]) -> TypeTable:
    return TypeTable.of(((p, declares(f)) for p, f in files.items()), WORLD.known.seeds)


def live_of(files: dict[str, Facts]) -> Live:
    paths = sorted(files)
    at_hand = dict(enumerate(files[p] for p in paths))

    def load(number: int) -> Facts:
        raise AssertionError(number)

    return Live(from_nothing(files), FactsOf(len(paths), load, at_hand), lambda: types_of(files), WORLD)


Arrival = tuple[int, object]
"""How far a node is, and the edge by which it is reached: its file and place."""


def arrivals(live: Live) -> dict[str, dict[object, Arrival]]:
    """label -> what a node is -> how it is reached, of the nodes that are."""
    g = live.graph
    return _named(Solution(g, live.solution.reach), live.number)


def expected(files: dict[str, Facts]) -> dict[str, dict[object, Arrival]]:
    whole = from_nothing(files)
    return _named(Solution(whole.graph, whole.reach), {path: n for n, path in enumerate(whole.graph.files)})


def _named(solution: Solution, number: dict[str, int]) -> dict[str, dict[object, Arrival]]:
    g = solution.graph
    names: dict[int, object] = {g.first_key + i: key for i, key in enumerate(g.keys)}
    for path, n in number.items():
        names |= {int(g.offset[n]) + i: (path, i) for i in range(len(g.facts[n].locals))}

    def place(node: int, edge: int) -> object:
        file = int(g.file_of_edge[edge])
        if file < 0:
            return "" if str(names[node]).startswith(("T:", "N:")) else "a hint"  # hints tie at the ends of paths alone
        return g.files[file], edge - int(np.flatnonzero(g.file_of_edge == file)[0])

    found = {}
    for label, r in solution.reach.items():
        # A key that no file has any more still knows its own seed; nothing hangs on it.
        nodes = {n for n in np.flatnonzero(r.distance < 127).tolist() if n not in r.start}
        found[label] = {names[n]: (int(r.distance[n]), place(n, int(r.parent[n]))) for n in nodes}
    return {label: nodes for label, nodes in found.items() if nodes}


pieces = st.lists(st.sampled_from(PIECES), max_size=6, unique=True).map(tuple)
trees = st.dictionaries(st.sampled_from(FILES), pieces, min_size=1)
moves = st.lists(
    st.dictionaries(st.sampled_from(FILES), st.none() | pieces, min_size=1, max_size=3), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(tree=trees, steps=moves)
def test_exchanged_files_give_the_paths_of_the_whole_tree(
    tree: dict[str, tuple[str, ...]], steps: list[dict[str, tuple[str, ...] | None]]
) -> None:
    files = {p: f for p, own in tree.items() if (f := facts_of(p, own)) is not None}
    live = live_of(files)
    for step in steps:
        come = {p: f for p, own in step.items() if own is not None and (f := facts_of(p, own)) is not None}
        live.exchange(step.keys(), come)
        files = {p: f for p, f in files.items() if p not in step} | come
        assert arrivals(live) == expected(files)


def test_a_function_that_gains_callers_stops_to_let_units_through() -> None:
    callers = {
        f"mm/{i}.c": facts_of(f"mm/{i}.c", (f"void c{i}(unsigned long n) {{ far(n); use(n << PAGE_SHIFT); }}\n",))
        for i in range(HUB + 8)
    }
    seeded = "void seeded(struct folio *f) { far(f->index); use(PAGE_SIZE); }\n"
    known = {p: f for p, f in callers.items() if f is not None}
    few = dict(list(known.items())[:3])
    few["mm/seeded.c"] = facts_of("mm/seeded.c", (seeded,)) or Facts()
    live = live_of(few)
    reached = len(arrivals(live)["pg"])
    more = {p: f for p, f in known.items() if p not in few}
    live.exchange((), more)
    assert arrivals(live) == expected(few | more)
    assert len(arrivals(live)["pg"]) < reached
    live.exchange(more, {})
    assert arrivals(live) == expected(few)


def test_before_and_after_are_both_there() -> None:
    old = facts_of("mm/a.c", (PIECES[2], "void call(struct vm_area_struct *v) { far(v->vm_pgoff); use(PAGE_SIZE); }\n"))
    new = facts_of("mm/a.c", (PIECES[2], "void call(struct folio *folio) { far(folio->index); use(PAGE_SIZE); }\n"))
    assert old is not None
    assert new is not None
    live = live_of({"mm/a.c": old})
    change = live.exchange((), {"mm/a.c": new})

    def nearest(solution: Solution, file: int, facts: Facts) -> str:
        node = next(u.node for u in facts.uses if u.name == "PAGE_SHIFT")
        assert node is not None
        return solution.nearest(live.graph.node(file, node))[0][1]

    assert nearest(change.before, change.gone["mm/a.c"], old) == "pte"
    assert nearest(change.after, change.come["mm/a.c"], new) == "pg"
