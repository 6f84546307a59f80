"""The same tree gives the same report, byte by byte, however it is read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Run

OLD = 1_600_000_000
"""A time stamp that proves a file to be unchanged since the scan before."""


def report(pgconv: Run, tree: Path, cache: Path | None, *options: object) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)} if cache is not None else dict(os.environ)
    keep = () if cache is not None else ("--no-cache",)
    done = pgconv("scan", tree, "--format", "json", *keep, *options, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return str(done.stdout)


def age(tree: Path) -> None:
    """Stamp every file as old, but for the change time, which no user can set."""
    for path in tree.rglob("*"):
        if path.is_file():
            os.utime(path, (OLD, OLD))


@pytest.fixture
def tree(demo_tree: Path, tmp_path: Path) -> Path:
    """A copy of the demo tree that may be changed, with enough files for several chunks."""
    copy = Path(shutil.copytree(demo_tree, tmp_path / "tree"))
    for number in range(300):
        code = f"long part{number}(struct folio *folio)\n{{\n\treturn folio->index << PAGE_SHIFT;\n}}\n"
        (copy / f"drivers/misc/part{number}.c").write_text(code)
    age(copy)
    return copy


def test_the_number_of_jobs_does_not_show(pgconv: Run, tree: Path) -> None:
    assert len({report(pgconv, tree, None, "--jobs", jobs) for jobs in (1, 2)}) == 1


def test_the_cache_does_not_show(pgconv: Run, tree: Path, tmp_path: Path) -> None:
    plain = report(pgconv, tree, None)
    assert [report(pgconv, tree, tmp_path / "cache", "--jobs", jobs) for jobs in (2, 1)] == [plain] * 2


def test_the_place_of_the_tree_does_not_show(pgconv: Run, tree: Path, tmp_path: Path) -> None:
    before = report(pgconv, tree, None)
    (tmp_path / "elsewhere").mkdir()
    moved = tree.rename(tmp_path / "elsewhere/tree")
    assert report(pgconv, moved, None) == before


@pytest.mark.parametrize("path", ["include/linux/mm.h", "drivers/misc/part7.c"])
def test_a_change_shows_as_in_a_scan_without_a_cache(pgconv: Run, tree: Path, tmp_path: Path, path: str) -> None:
    before = report(pgconv, tree, tmp_path / "cache")
    file = tree / path
    file.write_bytes(b"/* one line more */\n" + file.read_bytes() + b"\nint added = PAGE_SIZE;\n")
    warm = report(pgconv, tree, tmp_path / "cache")
    assert warm != before
    assert warm == report(pgconv, tree, None)


def test_a_change_that_keeps_size_and_time_shows(pgconv: Run, tree: Path, tmp_path: Path) -> None:
    before = report(pgconv, tree, tmp_path / "cache")
    file = tree / "mm/mremap.c"
    file.write_bytes(file.read_bytes().replace(b"PAGE_SHIFT", b"PAGE_SHIFU").replace(b"PAGE_SIZE", b"PAGE_SIZF"))
    os.utime(file, (OLD, OLD))
    warm = report(pgconv, tree, tmp_path / "cache")
    assert warm != before
    assert warm == report(pgconv, tree, None)


def test_a_file_that_goes_and_one_that_comes_show(pgconv: Run, tree: Path, tmp_path: Path) -> None:
    report(pgconv, tree, tmp_path / "cache")
    (tree / "mm/mremap.c").rename(tree / "mm/moved.c")
    assert report(pgconv, tree, tmp_path / "cache") == report(pgconv, tree, None)


@pytest.fixture
def kernel_part(kernel: Path, tmp_path: Path) -> Iterator[Path]:
    """mm/ and the central headers of the real tree, as a tree."""
    part = tmp_path / "linux"
    shutil.copytree(kernel / "mm", part / "mm")
    shutil.copytree(kernel / "include/linux", part / "include/linux")
    shutil.copy(kernel / "Makefile", part / "Makefile")
    age(part)
    yield part
    shutil.rmtree(part)


def test_one_changed_file_of_the_real_tree_shows_as_in_a_cold_scan(
    pgconv: Run, kernel_part: Path, tmp_path: Path
) -> None:
    report(pgconv, kernel_part, tmp_path / "cache")
    file = kernel_part / "mm/mremap.c"
    file.write_bytes(file.read_bytes().replace(b"PAGE_SIZE", b"(PAGE_SIZE)"))
    assert report(pgconv, kernel_part, tmp_path / "cache") == report(pgconv, kernel_part, None, "--jobs", 1)
