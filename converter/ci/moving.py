"""The units of a tree that moves from commit to commit."""

from __future__ import annotations

from collections.abc import Iterable

from converter.ci.base import Base, keep, kept, kept_types, make, type_table
from converter.ci.facts import FactStore
from converter.ci.ledger import Ledger
from converter.scan import Progress, examine, world
from converter.tree.cache import Cache
from converter.tree.git import open_revision
from converter.tree.history import FileChange, Repository
from converter.units.facts import Facts
from converter.units.live import Exchanged, Live
from converter.units.solved import FactsOf
from converter.units.typetable import TypeTable, declares
from converter.vocabulary import scheme

DISTANT = 300
"""Files in which a tree may differ from the kept base; beyond, a new base is made and kept."""


class MovingTree:
    """A tree of the repository, linked and solved. Raises InputError where the tree is not a kernel's, or not there."""

    def __init__(
        self, repository: Repository, cache: Cache, scheme_name: str, tree: str, jobs: int | None = None,
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        self._repository = repository
        self._cache = cache
        self._scheme_name = scheme_name
        self.scheme = scheme(scheme_name)
        self.store = FactStore(repository.reader, cache, scheme_name, jobs)
        base = kept(cache, repository.path, scheme_name)
        changes: list[FileChange] = []
        if base is not None and base.tree != tree:
            if repository.has(base.tree):
                changes = repository.diff(base.tree, tree, lines=False)
            if not changes or len(changes) > DISTANT:
                base = None
        types: TypeTable | None = None
        if base is None:
            changes = []
            base, types = self._made(tree, jobs, progress)
        self.tree = base.tree
        self.ledger: Ledger = base.ledger
        self._blobs = dict(zip(base.solved.graph.files, base.blobs, strict=True))
        self._first = base
        self._ready = types
        paths = list(base.solved.graph.files)
        load = lambda n: self._facts(paths[n], base.blobs[n]) or Facts()  # noqa: E731
        own = world(self.scheme)
        self.live = Live(base.solved, FactsOf(len(paths), load, {}), self._types, own)
        if changes:
            self.step(changes, tree)
        self.tree = tree

    def _made(self, tree: str, jobs: int | None, progress: Progress | None) -> tuple[Base, TypeTable]:
        source = open_revision(self._repository.path, tree)
        analysis = examine(source, self._cache, self._scheme_name, jobs, progress)
        base, types = make(analysis, tree, self._scheme_name)
        keep(self._cache, self._repository.path, self._scheme_name, base, types)
        return base, types

    def _types(self) -> TypeTable:
        """Declared types of the tree that the live graph began with."""
        found = self._ready or kept_types(self._cache, self._repository.path, self._scheme_name, self._first.tree)
        if found is None:
            files = [
                (p, self._facts(p, b)) for p, b in zip(self._first.solved.graph.files, self._first.blobs, strict=False)
            ]
            found = type_table(((p, declares(f)) for p, f in files if f is not None), world(self.scheme))
        return found

    def _facts(self, path: str, blob: str) -> Facts | None:
        return self.store.get(path, blob)

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
        come = {c.new_path: f for c in own if c.new_path is not None and (f := self._facts(c.new_path, c.new_blob))}
        done = self.live.exchange(gone, come)
        for path in gone - come.keys():
            self.ledger.put(path, None)
        for path, facts in come.items():
            self.ledger.put(path, facts)
        self.tree = tree
        return done

    def facts(self, path: str) -> Facts | None:
        """Facts of a file of the tree as it is now."""
        return self.live.facts_of(path)
