"""The base that is kept reads back as it was; what is not one is not believed."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import Mock

import msgspec
import numpy as np
import pytest

from converter import base, scan
from converter.ci.moving import MovingTree, near_base
from converter.decided import world
from converter.examine import examine
from converter.tree import open_tree
from converter.tree.cache import Cache, open_cache, tree_digest
from converter.tree.git import open_revision
from converter.tree.history import Repository
from converter.units.solved import solve_tree
from converter.vocabulary import scheme
from tests.ci.conftest import FILES, Repo
from tests.conftest import Run


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def made(repo: Repo, cache: Cache) -> base.Base:
    """The base of the repository's first commit, which is kept too."""
    analysis = examine(open_revision(str(repo.root), repo.base), cache, "pte-pg", 1)
    found, types = base.make(analysis, repo.base, world(scheme("pte-pg")))
    base.keep(base.Shelf(cache, "ci", base.place_of(str(repo.root)), "pte-pg"), found, types)
    return found


def test_a_kept_base_is_the_one_that_was_made(repo: Repo) -> None:
    with open_cache(True) as cache:
        was, now = made(repo, cache), base.kept(base.Shelf(cache, "ci", base.place_of(str(repo.root)), "pte-pg"))
    assert now is not None
    assert (now.tree, now.blobs, now.ledger) == (was.tree, was.blobs, was.ledger)
    assert list(now.solved.graph.keys) == list(was.solved.graph.keys)
    assert now.solved.renamed == was.solved.renamed
    for part in ("other", "edge", "cost", "first"):
        assert np.array_equal(getattr(now.solved.adjacency, part), getattr(was.solved.adjacency, part)), part
    for label, reach in was.solved.reach.items():
        assert np.array_equal(now.solved.reach[label].distance, reach.distance)
        assert np.array_equal(now.solved.reach[label].parent, reach.parent)


@pytest.mark.parametrize("change", [{"cost": b""}, {"edge": b"\0\0\0"}, {"keys": 3}])
def test_what_has_another_shape_is_not_believed(repo: Repo, change: dict[str, object]) -> None:
    with open_cache(True) as cache:
        made(repo, cache)
        shelf = base.Shelf(cache, "ci", base.place_of(str(repo.root)), "pte-pg")
        raw = shelf.get("solved")
        assert raw is not None
        shelf.put("solved", msgspec.msgpack.encode({**msgspec.msgpack.decode(raw), **change}))
        assert base.kept(base.Shelf(cache, "ci", base.place_of(str(repo.root)), "pte-pg")) is None


def scanned(repo: Repo, cache: Cache, root: Path | None = None) -> None:
    """A scan of the work tree, whose files are those of the commit, or of a copy of it."""
    scan.scan(open_tree(str(root or repo.root)), cache, jobs=1)


def near(repo: Repo, cache: Cache) -> MovingTree:
    """What ci starts from at the repository's first commit."""
    repository = Repository(str(repo.root))
    return near_base(repository, cache, scheme("pte-pg"), repository.tree_of(repo.base), 1)


@pytest.fixture
def silent(tmp_path: Path) -> Repo:
    """A tree that does not speak the scheme yet."""
    return Repo(tmp_path / "silent", {p: c for p, c in FILES.items() if "page.h" not in p and "mm/half" not in p})


@pytest.mark.parametrize("where", ["here", "in a copy"])
def test_what_a_scan_has_solved_is_not_solved_again(
    silent: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:  # fmt: skip
    root = silent.root
    if where == "in a copy":
        root = shutil.copytree(silent.root, tmp_path / "copy")
        shutil.rmtree(root / ".git")
    with open_cache(False) as none:
        alone = near(silent, none)
    with open_cache(True) as cache:
        scanned(silent, cache, root)
        with monkeypatch.context() as m:
            m.setattr(base, "solve_tree", None)
            tree = near(silent, cache)
        was, now = alone.live.solution, tree.live.solution
        assert (tree.tree, tree.ledger) == (alone.tree, alone.ledger)
        assert list(now.graph.keys) == list(was.graph.keys)
        for label, reach in was.reach.items():
            assert np.array_equal(now.reach[label].distance, reach.distance)
            assert np.array_equal(now.reach[label].parent, reach.parent)
        kept = base.kept(base.Shelf(cache, "ci", base.place_of(str(silent.root)), "pte-pg"))
    assert kept is not None
    assert kept.tree == tree.tree


def test_a_scan_of_a_tree_that_speaks_the_scheme_is_not_taken(repo: Repo) -> None:
    with open_cache(False) as none:
        alone = near(repo, none)
    with open_cache(True) as cache:
        scanned(repo, cache)
        listed = open_revision(str(repo.root), repo.base)
        scanned_base = base.kept(base.Shelf(cache, "scan", tree_digest(cache.digests(listed)), "pte-pg"))
        tree = near(repo, cache)
    assert scanned_base is not None  # the scan believes what is written: its distances are others
    was, now, believed = alone.live.solution.reach, tree.live.solution.reach, scanned_base.solved.reach
    assert all(np.array_equal(now[label].distance, reach.distance) for label, reach in was.items())
    assert any(not np.array_equal(believed[label].distance, reach.distance) for label, reach in was.items())


def test_a_scan_of_other_files_is_not_taken(silent: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = Mock(side_effect=solve_tree)
    monkeypatch.setattr(base, "solve_tree", solver)
    with open_cache(True) as cache:
        (silent.root / "mm/more.c").write_text("long more(void)\n{\n\treturn PAGE_SIZE;\n}\n")
        scanned(silent, cache)
        near(silent, cache)
    assert solver.call_count == 2


def test_trouble_with_a_file_of_the_base_is_told_each_time(tmp_path: Path, pgconv: Run) -> None:
    deep = "long f(long a)\n{\n\treturn " + "(" * 3000 + "a << PAGE_SHIFT" + ")" * 3000 + ";\n}\n"
    repo = Repo(tmp_path / "deep", FILES | {"mm/deep.c": deep})
    repo.edit("more", "mm/open.c", ("bytes", "octets"))
    for _ in range(2):
        warnings = repo.outcome("HEAD~1..HEAD").judgement.warnings
        assert len(warnings) == 1
        assert "mm/deep.c" in warnings[0]
    said = pgconv("baseline", repo.root).stderr
    assert f"warning: {warnings[0]}" in said


def test_a_report_known_by_content_names_its_own_revision(silent: Repo) -> None:
    with open_cache(True) as cache:
        asked = ((None, None), ("HEAD", silent.base), (None, None))
        for rev, said in asked:
            report = scan.scan(open_tree(str(silent.root), rev), cache, jobs=1)
            assert report.tree["revision"] == said
