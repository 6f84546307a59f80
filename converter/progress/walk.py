"""A history's trees, linked and solved one after the other: each from the one before, by what differs."""

from __future__ import annotations

from converter.ci.moving import MovingTree, whole
from converter.examine import Progress
from converter.tree import Problems
from converter.tree.cache import Cache
from converter.tree.history import Repository
from converter.vocabulary import Scheme

DISTANT = 20_000
"""Files between two trees, beyond which the second is solved from nothing: hardly anything of the first is left."""


class Walk:
    """Goes from tree to tree. Raises InputError where the first is not a kernel's."""

    def __init__(
        self, repository: Repository, cache: Cache, chosen: Scheme, jobs: int | None, progress: Progress | None
    ) -> None:
        self._repository = repository
        self._cache = cache
        self._chosen = chosen
        self._jobs = jobs
        self._progress = progress
        self._tree: MovingTree | None = None
        self._problems = Problems()
        self._believed = False

    @property
    def warnings(self) -> list[str]:
        """What was wrong with single files on the way."""
        listed = self._tree.warnings if self._tree is not None else ()
        return [*listed, *self._problems.lines()]

    def at(self, tree: str) -> MovingTree:
        """The tree with this id; good until the next one is asked for."""
        if self._tree is not None:
            changes = self._repository.diff(self._tree.tree, tree, lines=False)
            if len(changes) > DISTANT:
                self._tree = None
            else:
                self._tree.step(changes, tree)
        if self._tree is None:
            self._tree = self._whole(tree)
        if self._tree.ledger.speaks(self._chosen) != self._believed:
            self._believed = not self._believed  # what its names mean is another matter now
            self._tree = None  # before the next is made: both would take twice the memory
            self._tree = self._whole(tree)
        return self._tree

    def _whole(self, tree: str) -> MovingTree:
        self._problems = Problems()
        return whole(
            self._repository, self._cache, self._chosen, tree, self._problems, self._believed, self._jobs,
            self._progress,
        )  # fmt: skip
