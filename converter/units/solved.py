"""A whole tree, linked and solved, as plain data that can be kept and read back: what a live graph starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from converter.units.facts import Facts
from converter.units.graph import Graph, Ints, costs, link
from converter.units.signatures import Seed, Signatures
from converter.units.solve import Adjacency, Reach, forests


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

    `raw`, `real`, `raw_first` and `raw_ids` are those of `Linked`.
    """

    graph: Graph
    reach: dict[str, Reach]
    adjacency: Adjacency
    raw: list[str]
    real: Ints
    raw_first: Ints
    raw_ids: Ints


def solve_tree(paths: Sequence[str], facts: Sequence[Facts], world: World) -> Solved:
    """Link and solve a whole tree."""
    linked = link(paths, facts, world.known, world.rules)
    graph = linked.graph
    adjacency = Adjacency.of(graph.edges, costs(graph), graph.size)
    reach = forests(graph, adjacency, world.label_of, world.silent)
    return Solved(graph, reach, adjacency, linked.raw, linked.real, linked.raw_first, linked.raw_ids)


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
