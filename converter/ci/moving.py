"""The units of a tree that moves from commit to commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from converter.base import DISTANT, Base, Shelf, keep, kept, kept_types, make, place_of, scanned, type_table
from converter.ci.facts import FactStore
from converter.ci.opened import Opened
from converter.decided import decider, world
from converter.errors import InputError
from converter.examine import Progress, examine
from converter.ledger import Ledger
from converter.tree import Problems, Tree, shown
from converter.tree.cache import Cache, tree_digest
from converter.tree.git import at, lacking, open_revision, version_at
from converter.tree.history import FileChange, Repository
from converter.units.facts import Facts, declares
from converter.units.live import Exchanged, Live
from converter.units.solved import FactsOf, World
from converter.units.typetable import TypeTable
from converter.vocabulary import Scheme


class MovingTree:
    """A tree of the repository, linked and solved.

    problems   where trouble with single files is told; without it, a file that cannot be read raises InputError
    """

    def __init__(
        self, repository: Repository, store: FactStore, chosen: Scheme, base: Base, types: Callable[[], TypeTable],
        own: World, at_hand: Mapping[int, Facts], problems: Problems | None = None,
    ) -> None:  # fmt: skip
        """Takes `base` over; `at_hand` are those of its facts, by number, that are decoded already."""
        self.scheme = chosen
        self.store = store
        self.tree = base.tree
        self.ledger: Ledger = base.ledger
        self.problems = problems
        self.warnings = base.warnings
        self._repository = repository
        load = _loader(store, base)
        self.live = Live(base.solved, FactsOf(len(base.blobs), load, at_hand), types, own)

    def fetch(self, changes: Iterable[FileChange]) -> None:
        """See that the facts of all that comes are at hand."""
        self.store.fetch((c.new_path, c.new_blob) for c in changes if c.new_path is not None)

    def move(self, tree: str) -> None:
        """Go to another tree of the repository."""
        if tree != self.tree:
            self.step(self._repository.diff(self.tree, tree, lines=False), tree)

    def step(self, changes: Iterable[FileChange], tree: str) -> Exchanged:
        """Exchange the files that differ between the tree and the next."""
        own = list(changes)
        self.fetch(own)
        gone = {c.old_path for c in own if c.old_path is not None}
        come = {c.new_path: f for c in own if c.new_path is not None and (f := self.store.get(c.new_path, c.new_blob))}
        done = self.live.exchange(gone, come)
        for path in gone - come.keys():
            self.ledger.put(path, None)
        for path, facts in come.items():
            self.ledger.put(path, facts)
            if self.problems is not None:
                for what in facts.warnings:
                    self.problems.add(what, path)
        self.tree = tree
        return done

    def opened(self) -> Opened:
        """The open uses of the tree as it is now."""
        return Opened(decider(self.live.solution, self.scheme))

    def facts(self, path: str) -> Facts | None:
        """Facts of a file of the tree as it is now."""
        return self.live.facts_of(path)


def _loader(store: FactStore, base: Base) -> Callable[[int], Facts]:
    """Facts of the base's files by number. The files are copied: the live graph makes more of them."""
    paths = list(base.solved.graph.files)
    return lambda n: store.get(paths[n], base.blobs[n]) or Facts()


def near_base(
    repository: Repository, cache: Cache, chosen: Scheme, tree: str, jobs: int | None = None,
    progress: Progress | None = None, named: str | None = None,
) -> MovingTree:  # fmt: skip
    """The tree, starting from the base that is kept for the repository; one that is too far away is replaced.

    named   what people call the tree

    Raises InputError where the tree is not a kernel's, or a part of it not there.
    """
    name, own = chosen.scheme, world(chosen)
    store = FactStore(repository.reader, cache, name, jobs)
    shelf = Shelf(cache, "ci", place_of(repository.path), name)
    base = kept(shelf)
    changes: list[FileChange] = []
    if base is not None and base.tree != tree:
        version_at(repository.directory, at(repository.path, named or tree), tree)
        if repository.has(base.tree):
            changes = repository.diff(base.tree, tree, lines=False)
        if not changes or len(changes) > DISTANT:
            base = None
    if base is None:
        listed = _listed(repository, tree, named)
        known = cache.digests(listed)
        solved = scanned(cache, chosen, tree_digest(known), tree, own)
        base, made = solved or make(examine(listed, cache, name, jobs, progress, known), tree, own)
        keep(shelf, base, made)
        return MovingTree(repository, store, chosen, base, lambda: made, own, {})
    start, load, files = base.tree, _loader(store, base), list(base.solved.graph.files)

    def types() -> TypeTable:
        found = kept_types(shelf, start, own)
        return found or type_table(((path, declares(load(n))) for n, path in enumerate(files)), own)

    moving = MovingTree(repository, store, chosen, base, types, own, {})
    if changes:
        moving.step(changes, tree)
    moving.tree = tree
    return moving


def whole(
    repository: Repository, cache: Cache, chosen: Scheme, tree: str, problems: Problems, believed: bool,
    jobs: int | None = None, progress: Progress | None = None,
) -> MovingTree:  # fmt: skip
    """The tree, solved from nothing; no base is read or kept.

    believed   the scheme's names are known units, as in a scan of a tree that speaks the scheme
    """
    own = replace(world(chosen), silent=()) if believed else world(chosen)
    analysis = examine(open_revision(repository.path, tree), cache, chosen.scheme, jobs, progress)
    problems.merge(analysis.problems.found())
    base, types = make(analysis, tree, own)
    store = FactStore(repository.reader, cache, chosen.scheme, jobs, problems)
    at_hand = dict(enumerate(analysis.facts))
    moving = MovingTree(repository, store, chosen, base, lambda: types, own, at_hand, problems)
    moving.warnings = analysis.tree.warnings
    return moving


def _listed(repository: Repository, tree: str, named: str | None) -> Tree:
    """The files of a tree.

    Raises InputError where blobs of it are missing: what a lost file settles would be judged all the same, and its own
    uses would count as converted.
    """
    listed = open_revision(repository.path, tree, named)
    if listed.absent:
        others = len(listed.absent) - 1
        more = f" and of {others} more file{'s' * (others > 1)}" if others else ""
        raise InputError(
            f"{shown(repository.path)}: the blob of {shown(listed.absent[0])}{more} is not in this repository, and "
            f"units are a matter of the whole tree{lacking(repository.directory)}"
        )
    return listed
