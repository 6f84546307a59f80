"""What is kept between scans: found again, forgotten in time, and never believed against the source."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converter.tree import Tree, open_tree, statindex
from converter.tree.cache import TREES, Cache, cache_directory, open_cache, tree_digest
from converter.tree.entry import blob_id
from tests.tree.conftest import NOBODY, as_nobody, write_files

A, B, C = (blob_id(data) for data in (b"a", b"b", b"c"))
SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return tmp_path / "xdg/pgconv"


@pytest.fixture
def cache() -> Iterator[Cache]:
    with open_cache() as opened:
        yield opened


def again(kind: str, key: str, *digests: str) -> dict[str, bytes]:
    """What a later scan finds."""
    with open_cache() as opened:
        return opened.get_many(kind, key, digests)


def settled(tree: Path, seconds: float = 3600) -> Tree:
    """The tree as a scan sees it that starts when everything has been at rest for a while."""
    opened = open_tree(tree)
    newest = max(max(entry.stamp[1:3]) for entry in opened.entries)
    return dataclasses.replace(opened, listed_ns=newest + int(seconds * SECOND))


def true_digests(tree: Tree) -> dict[str, str]:
    return {entry.path: blob_id(data) for entry, data in tree.reader.read_many(tree.entries) if isinstance(data, bytes)}


def test_the_digest_of_content_is_gits() -> None:
    assert blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


# Values


def test_a_value_is_found_by_a_later_scan(cache: Cache) -> None:
    cache.put_many("sites", "rules 1", {A: b"1", B: b""})
    cache.put_one("sites", "rules 1", C, b"3")
    assert again("sites", "rules 1", A, B, C) == {A: b"1", B: b"", C: b"3"}


def test_a_value_belongs_to_its_kind_and_key(cache: Cache) -> None:
    cache.put_many("sites", "rules 1", {A: b"1"})
    assert cache.get_many("sites", "rules 2", [A]) == {}
    assert cache.get_many("report", "rules 1", [A]) == {}
    assert cache.get_one("sites", "rules 1", B) is None


def test_the_last_value_counts(cache: Cache) -> None:
    cache.put_one("sites", "k", A, b"1")
    cache.put_one("sites", "k", A, b"2")
    assert cache.get_one("sites", "k", A) == b"2"


def test_thousands_of_values_are_found_at_once(cache: Cache) -> None:
    values = {blob_id(b"%d" % number): b"%d" % number for number in range(3000)}
    cache.put_many("sites", "k", values)
    assert cache.get_many("sites", "k", [*values, A]) == values


def test_all_values_or_none_are_kept(cache: Cache) -> None:
    with pytest.raises(TypeError):
        cache.put_many("sites", "k", {A: b"1", B: None})  # type: ignore[dict-item]
    assert cache.get_many("sites", "k", [A, B]) == {}
    cache.put_one("sites", "k", A, b"2")
    assert cache.get_one("sites", "k", A) == b"2"


def test_a_cleared_cache_knows_nothing_and_learns_again(cache: Cache, tree: Path) -> None:
    cache.put_one("sites", "k", A, b"1")
    cache.remember_digests(settled(tree), {"mm/mmap.c": A})
    cache.clear()
    assert cache.get_one("sites", "k", A) is None
    assert cache.digests(settled(tree)) == {}
    cache.put_one("sites", "k", A, b"2")
    assert again("sites", "k", A) == {A: b"2"}


def test_clearing_gives_the_space_back_and_works_beside_a_scan(cache: Cache, home: Path) -> None:
    cache.put_one("sites", "k", A, b"x" * 3_000_000)
    with open_cache() as other:
        other.clear()
    assert cache.get_one("sites", "k", A) is None
    cache.close()
    assert sum(path.stat().st_size for path in home.iterdir()) < 200_000


def test_a_cache_that_is_not_wanted_finds_and_writes_nothing(home: Path, tree: Path) -> None:
    with open_cache(enabled=False) as cache:
        cache.put_one("sites", "k", A, b"1")
        cache.remember_digests(settled(tree), {"mm/mmap.c": A})
        cache.clear()
        assert cache.get_one("sites", "k", A) is None
        assert cache.digests(settled(tree)) == {}
        assert cache.warnings == ()
    assert not home.exists()


def test_the_generation_not_used_for_longest_goes_first() -> None:
    for key in ("old", "used", "new"):
        with open_cache() as cache:
            cache.put_one("sites", key, A, b"x" * 400_000)
    assert again("sites", "used", A)
    with open_cache(limit=1_000_000) as cache:
        cache.put_one("sites", "new", B, b"1")
    assert not again("sites", "old", A)
    assert again("sites", "used", A)
    assert again("sites", "new", A, B)


def test_the_cache_stays_within_its_limit(home: Path) -> None:
    for number in range(20):
        with open_cache(limit=1_000_000) as cache:
            cache.put_one("sites", f"rules {number}", A, b"x" * 300_000)
    assert sum(path.stat().st_size for path in home.iterdir()) < 1_500_000


# Digests of files


def test_files_of_an_unchanged_tree_are_known(cache: Cache, tree: Path) -> None:
    write_files(tree, {"mm/\udcff \n.c": "odd"})
    opened = settled(tree)
    cache.remember_digests(opened, true_digests(opened))
    assert cache.digests(settled(tree)) == true_digests(opened)


def test_digests_of_a_revision_are_its_blobs(cache: Cache, repository: Path) -> None:
    revision = open_tree(repository, "HEAD")
    assert cache.digests(revision) == true_digests(revision)
    revision.reader.close()


def test_a_tree_elsewhere_is_another_tree(cache: Cache, tree: Path, tmp_path: Path) -> None:
    opened = settled(tree)
    cache.remember_digests(opened, true_digests(opened))
    tree.rename(tmp_path / "moved")
    assert cache.digests(settled(tmp_path / "moved")) == {}


def test_files_that_were_not_read_are_not_known(cache: Cache, tree: Path) -> None:
    opened = settled(tree)
    cache.remember_digests(opened, {"mm/mmap.c": A})
    assert cache.digests(settled(tree)) == {"mm/mmap.c": A}


def test_a_change_that_keeps_size_and_mtime_is_seen(cache: Cache, tree: Path) -> None:
    opened = settled(tree)
    cache.remember_digests(opened, true_digests(opened))
    before = (tree / "mm/mmap.c").stat()
    (tree / "mm/mmap.c").write_text("int a = PAGE_MASK;\n")
    os.utime(tree / "mm/mmap.c", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (tree / "mm/mmap.c").stat().st_size == before.st_size
    assert "mm/mmap.c" not in cache.digests(settled(tree))
    assert "mm/internal.h" in cache.digests(settled(tree))


@pytest.mark.parametrize(("age", "known"), [(-1, False), (0, False), (1, False), (1.9, False), (2.1, True), (60, True)])
def test_a_file_as_young_as_the_listing_is_read_again(cache: Cache, tree: Path, age: float, known: bool) -> None:
    opened = settled(tree, age)
    opened = dataclasses.replace(
        opened, entries=tuple(max(opened.entries, key=lambda entry: max(entry.stamp[1:3])) for _ in "x")
    )
    cache.remember_digests(opened, true_digests(opened))
    assert bool(cache.digests(opened)) is known


def test_a_file_from_the_future_is_read_again(cache: Cache, tree: Path) -> None:
    os.utime(tree / "mm/mmap.c", (2**32, 2**32))
    opened = dataclasses.replace(open_tree(tree), listed_ns=2**31 * SECOND)
    cache.remember_digests(opened, true_digests(opened))
    assert "mm/mmap.c" not in cache.digests(opened)
    assert "mm/internal.h" in cache.digests(opened)


def test_times_beyond_all_clocks_are_no_error(cache: Cache, tree: Path) -> None:
    opened = settled(tree)
    strange = tuple(entry._replace(stamp=(1, -(2**62), 2**64 - 1, 2**64 - 1)) for entry in opened.entries)
    opened = dataclasses.replace(opened, entries=strange)
    cache.remember_digests(opened, true_digests(settled(tree)))
    assert cache.digests(opened) == {}


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["write", "append", "replace", "touch", "remove", "mtime back"]),
        st.sampled_from(["mm/a.c", "mm/b.c", "mm/mmap.c"]),
        st.sampled_from(["", "1", "2"]),
    ),
    max_size=6,
)


@given(rounds=st.lists(st.tuples(CHANGES, st.booleans()), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_known_digest_is_always_that_of_the_content(
    tree: Path, rounds: list[tuple[list[tuple[str, str, str]], bool]]
) -> None:
    """Whatever happens to the files between the scans, and however soon; ext4 stamps in steps of at most 10 ms."""
    with pytest.MonkeyPatch.context() as patch, open_cache() as cache:
        patch.setattr(statindex, "GRANULE", 12_000_000)
        for changes, rest in rounds:
            for what, name, text in changes:
                change(tree / name, what, text)
            time.sleep(0.025 if rest else 0)
            opened = open_tree(tree)
            true = true_digests(opened)
            known = cache.digests(opened)
            assert known.items() <= true.items()
            cache.remember_digests(opened, true)


def change(path: Path, what: str, text: str) -> None:
    if what == "write":
        path.write_text(text)
    elif what == "append" and path.exists():
        with path.open("a") as file:
            file.write(text)
    elif what == "replace":
        path.with_suffix(".tmp").write_text(text)
        path.with_suffix(".tmp").rename(path)
    elif what == "touch":
        path.touch()
    elif what == "remove":
        path.unlink(missing_ok=True)
    elif path.exists():
        os.utime(path, ns=(SECOND, SECOND))


def test_only_so_many_trees_are_remembered(cache: Cache, tree: Path, home: Path) -> None:
    opened = settled(tree)
    for number in range(TREES + 5):
        cache.remember_digests(dataclasses.replace(opened, root=f"/{number}"), true_digests(opened))
    kept = [n for n in range(TREES + 5) if cache.digests(dataclasses.replace(opened, root=f"/{n}"))]
    assert kept == list(range(5, TREES + 5))


def test_the_digest_of_a_tree_hangs_on_every_path_and_content() -> None:
    trees = [{}, {"a": A}, {"b": A}, {"a": B}, {"a": A, "b": B}, {"a": B, "b": A}, {"a\udcff": A}]
    assert len({tree_digest(tree) for tree in trees}) == len(trees)
    assert tree_digest({"a": A, "b": B}) == tree_digest({"b": B, "a": A})


# No place for a cache


def test_the_cache_lives_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == str(tmp_path / "xdg/pgconv")
    for unusable in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert cache_directory() == str(tmp_path / ".cache/pgconv")


def test_without_a_home_there_is_no_cache_and_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    works_without_a_place()
    assert not (tmp_path / "missing").exists()


def works_without_a_place() -> None:
    with open_cache() as cache:
        cache.put_one("sites", "k", A, b"1")
        assert cache.get_one("sites", "k", A) is None
        assert cache.warnings == ()


def test_a_file_where_the_directory_should_be_is_no_error(home: Path) -> None:
    home.parent.write_text("")
    works_without_a_place()


def test_a_home_that_cannot_be_written_is_no_error(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(reachable / "home"))
    (reachable / "home").mkdir(mode=0o555)
    as_nobody(works_without_a_place)


def read_only(home: Path) -> tuple[str, ...]:
    with open_cache() as cache:
        cache.put_one("sites", "k", A, b"1")
    for path in home.iterdir():
        path.chmod(0o400)
    home.chmod(0o500)
    with open_cache() as cache:
        cache.put_one("sites", "k", B, b"1")
        cache.get_one("sites", "k", A)
        return cache.warnings


def test_a_cache_that_became_read_only_does_not_stop_a_scan(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(reachable))
    assert as_nobody(read_only, reachable / "pgconv") == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_cache_of_another_user_is_left_alone(home: Path) -> None:
    home.mkdir(parents=True)
    os.chown(home, NOBODY, NOBODY)
    works_without_a_place()
    assert list(home.iterdir()) == []


def test_only_the_owner_can_read_the_cache(cache: Cache, home: Path) -> None:
    cache.put_one("sites", "k", A, b"1")
    assert {path.name: path.stat().st_mode & 0o077 for path in (home, *home.iterdir())} == {
        path.name: 0 for path in (home, *home.iterdir())
    }


def test_a_full_disk_does_not_stop_a_scan(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put_one("sites", "k", A, b"1")

    def no_pages(database: sqlite3.Connection) -> None:
        database.execute(f"PRAGMA max_page_count = {database.execute('PRAGMA page_count').fetchone()[0]}")

    cache._store.run(no_pages, None)
    cache.put_one("sites", "k", B, b"x" * 1_000_000)
    assert cache.get_one("sites", "k", A) is None
    assert len(cache.warnings) == 1
    assert "no space left" in cache.warnings[0]
    assert again("sites", "k", A, B) == {A: b"1"}
