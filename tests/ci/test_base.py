"""The base that is kept reads back as it was; what is not one is not believed."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from converter import base
from converter.decided import world
from converter.examine import examine
from converter.tree.cache import Cache, open_cache
from converter.tree.git import open_revision
from converter.vocabulary import scheme
from tests.ci.conftest import Repo


def made(repo: Repo, cache: Cache) -> base.Base:
    """The base of the repository's first commit, which is kept too."""
    analysis = examine(open_revision(str(repo.root), repo.base), cache, "pte-pg", 1)
    found, types = base.make(analysis, repo.base, world(scheme("pte-pg")))
    base.keep(base.Shelf(cache, "ci", str(repo.root), "pte-pg"), found, types)
    return found


def test_a_kept_base_is_the_one_that_was_made(repo: Repo) -> None:
    with open_cache(True) as cache:
        was, now = made(repo, cache), base.kept(base.Shelf(cache, "ci", str(repo.root), "pte-pg"))
    assert now is not None
    assert (now.tree, now.blobs, now.ledger) == (was.tree, was.blobs, was.ledger)
    assert (now.solved.graph.keys, now.solved.renamed) == (was.solved.graph.keys, was.solved.renamed)
    for part in ("other", "edge", "cost", "first"):
        assert np.array_equal(getattr(now.solved.adjacency, part), getattr(was.solved.adjacency, part)), part
    for label, reach in was.solved.reach.items():
        assert np.array_equal(now.solved.reach[label].distance, reach.distance)
        assert np.array_equal(now.solved.reach[label].parent, reach.parent)


@pytest.mark.parametrize("change", [{"cost": b""}, {"edge": b"\0\0\0"}, {"keys": 3}])
def test_what_has_another_shape_is_not_believed(repo: Repo, change: dict[str, object]) -> None:
    with open_cache(True) as cache:
        made(repo, cache)
        shelf = base.Shelf(cache, "ci", str(repo.root), "pte-pg")
        raw = shelf.get("solved")
        assert raw is not None
        shelf.put("solved", msgspec.msgpack.encode({**msgspec.msgpack.decode(raw), **change}))
        assert base.kept(base.Shelf(cache, "ci", str(repo.root), "pte-pg")) is None
