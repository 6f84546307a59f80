"""A tree of which few files changed is scanned as if nothing were known, but for what the kept graph spares."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from converter import rescan, scan
from converter.base import Shelf, place_of
from converter.classify.record import Report
from converter.decided import decide
from converter.examine import examine
from converter.tree import open_tree
from converter.tree.cache import Cache, open_cache
from converter.vocabulary import scheme

USE = b"\nlong added(struct folio *folio)\n{\n\treturn folio->index << PAGE_SHIFT;\n}\n"


@pytest.fixture
def tree(demo_tree: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_tree, tmp_path / "tree"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cache]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with open_cache(True) as cache:
        yield cache


def scanned(tree: Path, cache: Cache) -> Report:
    return scan.scan(open_tree(tree), cache, jobs=1)


def from_nothing(tree: Path) -> Report:
    with open_cache(False) as none:
        return scanned(tree, none)


def again(tree: Path, cache: Cache) -> Report | None:
    """What the kept graph says; None where it is not asked."""
    listed = open_tree(tree)
    found = rescan.rescan(listed, cache, scheme("pte-pg"), cache.digests(listed), 1, None)
    return found[1] if found is not None else None


def test_without_a_scan_before_there_is_nothing_to_start_from(tree: Path, cache: Cache) -> None:
    assert again(tree, cache) is None


def test_an_unchanged_tree_has_the_same_report(tree: Path, cache: Cache) -> None:
    before = scanned(tree, cache)
    assert again(tree, cache) == before == from_nothing(tree)


@pytest.mark.parametrize("path", ["mm/mremap.c", "mm/page_alloc.c", "include/linux/mm.h", "include/linux/fs.h"])
@pytest.mark.parametrize("change", ["longer", "moved", "emptied", "gone", "typed"])
def test_a_changed_file_is_exchanged(tree: Path, cache: Cache, path: str, change: str) -> None:
    before = scanned(tree, cache)
    file = tree / path
    old = file.read_bytes()
    if change == "gone":
        file.unlink()
    else:
        file.write_bytes(
            {
                "longer": old + USE,
                "moved": b"\n\n" + old,
                "emptied": b"",
                "typed": old.replace(b"unsigned long ", b"struct folio *").replace(b"pgoff_t", b"pte_t"),
            }[change]
        )
    now = again(tree, cache)
    assert now == from_nothing(tree)
    assert scanned(tree, cache) == now
    assert now != before or change == "typed"


def test_any_lines_may_go_and_come_back(tree: Path, cache: Cache) -> None:
    rng = random.Random(612)
    files = sorted(p for p in tree.rglob("*.[ch]") if p.is_file())
    before = scanned(tree, cache)
    kept = {p: p.read_bytes() for p in files}
    for _ in range(12):
        for file in rng.sample(files, 3):
            lines = kept[file].splitlines(keepends=True)
            at = rng.randrange(len(lines) + 1)
            file.write_bytes(b"".join(lines[:at] + lines[at + rng.randrange(20) :]))
        now = again(tree, cache)
        assert now is not None
        assert now == from_nothing(tree) == scanned(tree, cache)
    for file, content in kept.items():
        file.write_bytes(content)
    assert again(tree, cache) == before


def test_a_file_that_is_renamed_is_decided_under_its_new_name(tree: Path, cache: Cache) -> None:
    scanned(tree, cache)
    (tree / "mm/mremap.c").rename(tree / "mm/zz.c")
    now = again(tree, cache)
    assert now == from_nothing(tree)
    assert "mm/zz.c" in {s.path for s in now.sites}


def test_a_tree_that_begins_to_speak_the_scheme_is_scanned_as_a_whole(tree: Path, cache: Cache) -> None:
    scanned(tree, cache)
    marker = scheme("pte-pg").marker
    (tree / "include/linux/split.h").write_text(f"#define {marker} 12\n#define PTE_SIZE (1UL << {marker})\n")
    assert again(tree, cache) is None
    assert scanned(tree, cache) == from_nothing(tree)
    (tree / "mm/other.c").write_bytes(USE)
    assert again(tree, cache) == from_nothing(tree)


def test_a_file_with_trouble_is_told_as_in_a_scan_of_the_whole(tree: Path, cache: Cache) -> None:
    scanned(tree, cache)
    deep = b"long f(long a)\n{\n\treturn " + b"(" * 4000 + b"a << PAGE_SHIFT" + b")" * 4000 + b";\n}\n"
    (tree / "mm/deep.c").write_bytes(deep)
    assert again(tree, cache) is None
    now = scanned(tree, cache)
    assert now == from_nothing(tree)
    assert now.warnings


def test_trouble_with_the_listing_of_known_files_is_told(tree: Path, cache: Cache) -> None:
    time.sleep(2.1)  # until time stamps tell a change
    scanned(tree, cache)
    os.mkfifo(tree / "mm/pipe.c")
    now = scanned(tree, cache)
    assert now.warnings
    assert now == from_nothing(tree)


def test_many_changed_files_are_a_scan_of_the_whole(
    tree: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(rescan, "DISTANT", 2)
    scanned(tree, cache)
    for n in range(3):
        (tree / f"mm/new{n}.c").write_bytes(USE)
    assert again(tree, cache) is None
    assert scanned(tree, cache) == from_nothing(tree)
    monkeypatch.undo()
    assert again(tree, cache) is not None  # and the whole is what the next one starts from


@pytest.mark.parametrize("kind", ["facts", "report", "scan-solved", "scan-types", "scan-listing", "scan-at"])
@pytest.mark.parametrize("how", ["DELETE FROM value", "UPDATE value SET data = x'93'"])
def test_what_the_cache_lost_or_damaged_is_made_anew(
    tree: Path, cache: Cache, tmp_path: Path, kind: str, how: str
) -> None:  # fmt: skip
    scanned(tree, cache)
    cache.close()
    with sqlite3.connect(tmp_path / "cache/pgconv/scan-2.sqlite") as database:
        changed = database.execute(f"{how} WHERE generation IN (SELECT id FROM generation WHERE kind = ?)", (kind,))
        assert changed.rowcount
    header = tree / "include/linux/mm.h"
    header.write_bytes(header.read_bytes().replace(b"unsigned long ", b"pgoff_t ") + USE)
    with open_cache(True) as other:
        assert scanned(tree, other) == from_nothing(tree)


def test_a_directory_finds_its_own_base(tree: Path, cache: Cache) -> None:
    """A scan that is killed between the parts of what it keeps leaves the directory at the base that it had before."""
    scanned(tree, cache)
    shelf = Shelf(cache, "scan", place_of(str(tree)), "pte-pg")
    at = shelf.get("at")
    assert at is not None
    (tree / "mm/other.c").write_bytes(USE)
    shutil.rmtree(tree / "fs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rescan, "DISTANT", 0)
        scanned(tree, cache)  # keeps a new base
    assert shelf.get("at") != at
    shelf.put("at", at)
    assert again(tree, cache) == from_nothing(tree)


def test_a_copy_of_a_tree_starts_from_what_its_original_keeps(tree: Path, cache: Cache, tmp_path: Path) -> None:
    before = scanned(tree, cache)
    copy = Path(shutil.copytree(tree, tmp_path / "copied/tree"))
    assert again(copy, cache) is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "remember", None)
        assert scanned(copy, cache) == before
    (copy / "mm/other.c").write_bytes(USE)
    assert again(copy, cache) == from_nothing(copy)


def test_the_real_tree_changes_file_by_file(kernel: Path, tmp_path: Path) -> None:
    tree = tmp_path / "linux"
    parts = ("mm", "include/linux", "include/asm-generic", "fs/ext4", "kernel", "arch/x86/mm", "block", "lib")
    for part in (*parts, "Makefile", "Kbuild", "Kconfig", "MAINTAINERS"):
        target = tree / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (kernel / part).is_dir():
            shutil.copytree(kernel / part, target, symlinks=True)
        else:
            shutil.copy(kernel / part, target)
    time.sleep(2.1)  # until time stamps tell a change
    edits: dict[str, Callable[[bytes], bytes]] = {
        "mm/mremap.c": lambda text: text + USE,
        "include/linux/mm_types.h": lambda text: text.replace(b"unsigned long vm_pgoff", b"struct folio *vm_pgoff"),
        "include/linux/mm.h": lambda text: text.replace(b"PAGE_SHIFT", b"PAGE_SIZE", 3),
        "kernel/fork.c": lambda text: text[: len(text) // 2],
    }
    with open_cache(True) as cache:
        scanned(tree, cache)
        for path, edit in edits.items():
            (tree / path).write_bytes(edit((tree / path).read_bytes()))
            now = again(tree, cache)
            assert now is not None, path
            assert now == decide(examine(open_tree(tree), cache, "pte-pg"), scheme("pte-pg")), path
