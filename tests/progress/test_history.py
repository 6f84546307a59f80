"""The uses at each step, by file and subsystem, the new ones and where they came from, and what is cached."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from converter.ci.moving import MovingTree, whole
from converter.progress import walk
from converter.scan import scan
from converter.tree import open_tree
from converter.tree.cache import open_cache
from converter.tree.entry import Entry
from converter.tree.git import GitReader
from tests.conftest import Run
from tests.progress.conftest import PLAIN, Repo, total


def test_each_step_counts_the_uses_of_its_tree(dated: Repo) -> None:
    files = dated.history().files
    assert [total(f) for f in files] == [2, 3, 4, 3]
    assert [total(f, "converted pg") for f in files] == [0, 0, 0, 1]
    assert sorted(files[0]) == ["fs/two.c", "mm/one.c"]
    assert sorted(files[1]) == ["fs/three.c", "mm/one.c"]


def test_the_counts_are_those_of_a_scan(dated: Repo) -> None:
    found = dated.history()
    with open_cache(True) as cache:
        for step, files in zip(found.steps, found.files, strict=True):
            summary = scan(open_tree(dated.root, step.commit), cache).summary
            assert {n: total(files, n) for n in ("pte", "pg")} == {"pte": 0, "pg": 0} | summary["unit"]
            for status in ("review", "logic", "definition", "inert"):
                assert total(files, status) == summary["status"].get(status, 0)


def test_a_subsystem_is_the_section_that_merges_the_file(dated: Repo) -> None:
    subsystems = dated.history().subsystems
    assert subsystems["mm/one.c"] == "MEMORY MANAGEMENT"
    assert subsystems["fs/three.c"] == subsystems["fs/two.c"] == "FILE SYSTEMS"
    assert subsystems["include/asm/page.h"] == "THE REST"


def test_a_tree_without_maintainers_is_all_the_rest(make_repo: Callable[[], Repo]) -> None:
    repo = make_repo()
    repo.commit("2024-01-01", {name: text for name, text in PLAIN.items() if name != "MAINTAINERS"})
    assert set(repo.history().subsystems.values()) == {"THE REST"}


def test_new_uses_name_the_commit_that_brought_them_the_newest_first(dated: Repo) -> None:
    newest = dated.history().newest
    assert [(u.path, u.line, u.macro) for u in newest] == [("fs/side.c", 3, "PAGE_SIZE"), ("mm/one.c", 8, "PAGE_SIZE")]
    origins = [u.origin for u in newest]
    assert [o.subject for o in origins if o] == ["side: <b>new</b>", "one: more"]
    assert [dated.git("show", "-s", "--format=%as", o.commit) for o in origins if o] == ["2024-02-25", "2023-12-24"]
    assert [o.time for o in origins if o] == [1708862400, 1703419200]
    assert newest[0].source == "return PAGE_SIZE / 32;"


def test_a_file_that_moves_brings_no_new_use(dated: Repo) -> None:
    assert not [u for u in dated.history().newest if u.path == "fs/three.c"]


def test_a_line_that_only_moves_in_its_file_is_not_new(make_repo: Callable[[], Repo]) -> None:
    repo = make_repo()
    repo.commit("2024-01-01", PLAIN)
    repo.commit("2024-02-01", {"mm/one.c": "\n\n/* moved */\n" + PLAIN["mm/one.c"]})
    assert repo.history().newest == ()


def test_a_second_equal_use_in_a_file_is_new(make_repo: Callable[[], Repo]) -> None:
    repo = make_repo()
    repo.commit("2024-01-01", PLAIN)
    twice = PLAIN["mm/one.c"] + PLAIN["mm/one.c"].replace("one", "again")
    repo.commit("2024-02-01", {"mm/one.c": twice}, "again")
    (new,) = repo.history().newest
    assert new.origin is not None
    assert new.origin.subject == "again"


@pytest.mark.parametrize(
    "name", ["mm/a b.c", "mm/\u00e9.c", 'mm/"q".c', "mm/--all.c", "mm/*.c", "mm/:x.c", "mm/a\\tb.c"]
)
def test_a_file_of_any_name_has_an_origin(make_repo: Callable[[], Repo], name: str) -> None:
    repo = make_repo()
    repo.commit("2024-01-01", PLAIN)
    repo.commit("2024-02-01", {name: "int f(void)\n{\n\treturn PAGE_SIZE / 8;\n}\n"}, "strange")
    (new,) = repo.history().newest
    assert new.path == name
    assert new.origin is not None


def test_a_second_run_reads_no_file(dated: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    first = dated.history()

    def refuse(self: GitReader, entries: Sequence[Entry]) -> None:
        raise AssertionError(f"read again: {entries}")

    monkeypatch.setattr(GitReader, "read_many", refuse)
    monkeypatch.setattr(walk, "whole", refuse)
    assert dated.history() == first


def test_the_working_tree_and_the_repository_stay_as_they_are(dated: Repo, pgconv: Run, tmp_path: Path) -> None:
    copy = tmp_path / "linux"
    shutil.copytree(dated.root, copy)
    (copy / "mm/one.c").write_text("not committed\n")
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
    done = pgconv("progress", copy, "-o", tmp_path / "x.html")
    assert done.returncode == 0, done.stderr
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*")} == before


# What counts as converted.


def test_a_name_of_the_scheme_counts_as_converted_before_a_header_defines_it(make_repo: Callable[[], Repo]) -> None:
    repo = make_repo()
    repo.commit("2024-01-01", PLAIN)
    repo.commit("2024-02-01", {"mm/one.c": PLAIN["mm/one.c"].replace("PAGE_SIZE", "PG_SIZE")}, "ahead of the headers")
    before, after = repo.history().files
    assert (total(before, "converted pg"), total(after, "converted pg")) == (0, 1)
    assert (total(before), total(after)) == (2, 1)


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("arch/x86/include/asm/pgtable.h", "arch/x86/mm/walk.c"),
        ("drivers/input/panel.h", "drivers/input/panel.c"),
    ],
)
def test_a_name_that_the_tree_has_of_its_own_is_not_converted(
    make_repo: Callable[[], Repo], header: str, user: str
) -> None:
    repo = make_repo()
    code = "int size(void)\n{\n\treturn PTE_SIZE;\n}\n"
    repo.commit("2024-01-01", {**PLAIN, header: "#define PTE_SIZE 8\n", user: code})
    repo.commit("2024-02-01", {"mm/three.c": code})
    before, after = repo.history().files
    assert (total(before, "converted pte"), total(after, "converted pte")) == (0, 1)


def test_uses_that_the_scheme_keeps_are_not_left_to_convert(make_repo: Callable[[], Repo]) -> None:
    repo = make_repo()
    wipe = "unsigned long wipe(unsigned int o)\n{\n\treturn PAGE_SIZE << my_order(o);\n}\n"
    repo.commit("2024-01-01", {**{n: PLAIN[n] for n in ("Makefile", "MAINTAINERS")}, "mm/wipe.c": wipe})
    repo.commit("2024-02-01", {"mm/more.c": wipe})
    found = repo.history(scheme_name="mmupage")
    assert [(total(f), total(f, "kept")) for f in found.files] == [(0, 1), (0, 2)]
    assert found.newest == ()


# Steps are measured by what differs from the one before.


def test_a_tree_that_is_walked_to_is_solved_once(dated: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    solved = []

    def noted(*arguments: Any) -> MovingTree:
        solved.append(arguments[3])
        return whole(*arguments)

    monkeypatch.setattr(walk, "whole", noted)
    monkeypatch.setenv("XDG_CACHE_HOME", str(dated.root.parent / "another"))
    found = dated.history()
    assert len(found.steps) == 4
    assert solved == [found.steps[0].tree, found.steps[-1].tree]  # the last one speaks the scheme


def test_a_tree_too_far_away_is_solved_from_nothing(dated: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(dated.root.parent / "third"))
    near = dated.history()
    monkeypatch.setenv("XDG_CACHE_HOME", str(dated.root.parent / "fourth"))
    monkeypatch.setattr(walk, "DISTANT", 0)
    assert dated.history() == near


def test_a_file_that_cannot_be_read_is_told_and_passed_over(make_repo: Callable[[], Repo]) -> None:
    repo = make_repo()
    repo.commit("2024-01-01", {**PLAIN, "mm/found.c": ""})
    repo.commit("2024-02-01", {"mm/lost.c": "int lost = PAGE_SIZE;\n"})
    blob = repo.git("rev-parse", "HEAD:mm/lost.c")
    (repo.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    found = repo.history()
    assert [total(f) for f in found.files] == [2, 2]
    assert found.warnings == (f"mm/lost.c: not read: object {blob} is missing from the repository",)
    assert repo.history() == found
    repo.history("HEAD~1", scheme_name="mmupage")  # the walk now begins at the tree with the lost file
    assert repo.history(scheme_name="mmupage").warnings == (
        "mm/lost.c: file not read: its blob is not in this repository",
    )
