"""A whole tree, linked and solved, as plain data that can be kept and read back: what a live graph starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from converter.units.facts import Facts
from converter.units.graph import Graph, Ints, costs, link
from converter.units.signatures import Seed, Signatures
from converter.units.solve import Adjacency, Reach, forests

SLACK = 1 << 16
"""Numbers kept free for the quantities of files to come, and a quarter of it for new keys."""


@dataclass(frozen=True, slots=True)
class World:
    """What the units of every tree depend on besides its files. `silent`: keys that seed nothing."""

    known: Signatures
    rules: Mapping[str, Seed]
    label_of: Mapping[str, str]
    silent: tuple[str, ...]


@dataclass(slots=True)
class Solved:
    """The graph as `link` numbers it with the keys of each file, a forest for each label, and the edges at each node.

    `real`, `raw_first` and `raw_ids` are those of `Linked`; `renamed` are the raw keys that are not the graph's own, by
    number. `room`: numbers before the first key that are free for
    the quantities of files to come; behind the last key there are a quarter as many for new keys.
    """

    graph: Graph
    reach: dict[str, Reach]
    adjacency: Adjacency
    renamed: dict[int, str]
    real: Ints
    raw_first: Ints
    raw_ids: Ints
    room: int


def solve_tree(paths: Sequence[str], facts: Sequence[Facts], world: World) -> Solved:
    """Link and solve a whole tree."""
    linked = link(paths, facts, world.known, world.rules, SLACK)
    graph = linked.graph
    adjacency = Adjacency.of(graph.edges, costs(graph), graph.size + SLACK // 4)
    reach = forests(graph, adjacency, world.label_of, world.silent)
    own = zip(linked.raw, map(graph.keys.__getitem__, linked.real.tolist()), strict=True)
    renamed = {i: raw for i, (raw, key) in enumerate(own) if raw != key}
    return Solved(graph, reach, adjacency, renamed, linked.real, linked.raw_first, linked.raw_ids, SLACK)


class FactsOf(Sequence[Facts]):
    """Facts by number of the file: those at hand, and the others by asking `load`."""

    def __init__(self, count: int, load: Callable[[int], Facts], at_hand: Mapping[int, Facts]) -> None:
        self._count = count
        self._load = load
        self._at_hand = dict(at_hand)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> Facts: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Facts]: ...
    def __getitem__(self, number: int | slice) -> Facts | Sequence[Facts]:
        if isinstance(number, slice):
            return [self[n] for n in range(self._count)[number]]
        if not 0 <= number < self._count:
            raise IndexError(number)
        found = self._at_hand.get(number)
        if found is None:
            found = self._at_hand[number] = self._load(number)
        return found

    def append(self, facts: Facts) -> None:
        """One more file."""
        self._at_hand[self._count] = facts
        self._count += 1
