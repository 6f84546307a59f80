"""Page cache of a file tree: whole pages for each file, links not followed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.errors import InputError
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.pagecache_cost import Tree, buckets, cost, walk


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_each_file_takes_whole_pages(tmp_path: Path) -> None:
    for name, size in (("empty", 0), ("byte", 1), ("deep/page", 4096), ("deep/more", 65537)):
        write(tmp_path / name, size)
    tree = walk(tmp_path)
    assert tree.bytes == 1 + 4096 + 65537
    assert cost(tree, Geometry()).total == 4096 + 4096 + 17 * 4096
    assert cost(tree, Geometry.parse("64K")).total == (1 + 1 + 2) << 16


def test_symbolic_links_are_counted_and_never_followed(tmp_path: Path) -> None:
    write(tmp_path / "outside/large", 100_000)
    write(tmp_path / "tree/small", 10)
    (tmp_path / "tree/file").symlink_to(tmp_path / "outside/large")
    (tmp_path / "tree/directory").symlink_to(tmp_path / "outside")
    (tmp_path / "tree/itself").symlink_to(tmp_path / "tree")
    tree = walk(tmp_path / "tree")
    assert (tree.sizes.tolist(), tree.links) == ([10], 3)


def test_a_file_with_two_names_is_cached_once(tmp_path: Path) -> None:
    write(tmp_path / "one", 10)
    os.link(tmp_path / "one", tmp_path / "two")
    tree = walk(tmp_path)
    assert (tree.sizes.tolist(), tree.again) == ([10], 1)


def test_only_regular_files_have_a_page_cache(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert walk(tmp_path).sizes.tolist() == []


def test_an_empty_tree_costs_nothing(tmp_path: Path) -> None:
    tree = walk(tmp_path)
    assert cost(tree, Geometry.parse("64K")).total == 0
    assert sum(bucket.files for bucket in buckets(tree)) == 0


def test_file_systems_that_the_kernel_makes_up_are_left_out() -> None:
    tree = walk(Path("/proc"))
    assert (len(tree.sizes), tree.mounts) == (0, 1)


@pytest.mark.parametrize(
    ("name", "why"), [("missing", "no such directory"), ("file", "not a directory"), ("link", "a symbolic link")]
)
def test_what_is_no_directory_is_refused(tmp_path: Path, name: str, why: str) -> None:
    write(tmp_path / "file", 1)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match=why):
        walk(tmp_path / name)


@given(st.lists(st.integers(0, 1 << 26), max_size=30))
@settings(deadline=None, max_examples=50)
def test_the_buckets_add_up(sizes: list[int]) -> None:
    tree = Tree("tree", np.array(sizes, dtype=np.int64), 0, 0, 0, 0)
    assert sum(bucket.files for bucket in buckets(tree)) == len(sizes)
    assert sum(bucket.bytes for bucket in buckets(tree)) == sum(sizes)
    for name in ("4K", "16K", "64K"):
        geometry = Geometry.parse(name)
        found = cost(tree, geometry)
        assert found.total == sum(-(-size // geometry.pg_size) * geometry.pg_size for size in sizes)
        assert found.total - found.total_waste == sum(sizes)
    for bucket in buckets(tree):
        inside = [size for size in sizes if bucket.above < size and (bucket.size is None or size <= bucket.size)]
        assert bucket.files == len(inside) + (sizes.count(0) if bucket.above == 0 else 0)


def test_the_kernel_tree_takes_more_than_four_times_its_size_at_64k(kernel: Path) -> None:
    tree = walk(kernel)
    factors = [cost(tree, Geometry.parse(size)).total / tree.bytes for size in ("4K", "16K", "64K")]
    assert [round(factor, 1) for factor in factors] == [1.1, 1.7, 4.3]
