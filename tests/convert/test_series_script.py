"""The helpers of `make series`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from converter.convert.lines import Change, diff
from scripts import series
from scripts.series_tokens import check_tokens, difference
from tests.convert.conftest import Git


def git_apply(place: Path, patch: bytes) -> None:
    subprocess.run(["git", "apply", "-"], cwd=place, input=patch, check=True, capture_output=True)


@pytest.mark.parametrize(
    "changes",
    [
        [Change(1, 2, (b"x\n",))],
        [Change(0, 1, ()), Change(6, 6, (b"y\n", b"z\n"))],
        [Change(2, 4, (b"1\n",)), Change(19, 20, (b"-- \n",))],
    ],
)
def test_a_reversed_patch_takes_the_patch_back(tmp_path: Path, changes: Iterable[Change]) -> None:
    old = [b"%d\n" % i for i in range(20)]
    (tmp_path / "f.c").write_bytes(b"".join(old))
    patch = diff("f.c", old, list(changes))
    git_apply(tmp_path, patch)
    assert (tmp_path / "f.c").read_bytes() != b"".join(old)
    git_apply(tmp_path, series.reversed_patch(patch))
    assert (tmp_path / "f.c").read_bytes() == b"".join(old)


def test_the_largest_patches_are_named_by_changed_lines(tmp_path: Path) -> None:
    for i, n in enumerate((1, 3, 2), 1):
        changes = [Change(j, j + 1, (b"x\n",)) for j in range(n)]
        (tmp_path / f"000{i}-a.patch").write_bytes(diff("a.c", [b"a\n"] * 9, changes) + b"-- \npgconv\n")
    assert series.largest(sorted(tmp_path.glob("*.patch")))[0] == "6 lines (0002)"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"int a = PAGE_SIZE;\n", b"int a = PTE_SIZE;\n", ""),
        (b"#define A PAGE_SIZE \\\n\t+ PAGE_SHIFT\n", b"#define A PG_SIZE   \\\n\t+ PG_SHIFT\n", ""),
        (b"int a = PAGE_SIZE;\n", b"int a = PTE_SHIFT;\n", "line 1"),
        (b"int a = PAGE_SIZE;\n", b"int b = PTE_SIZE;\n", "line 1"),
        (b"int a = f(PAGE_SIZE);\n", b"int a = f(PTE_SIZE;\n", "line 1"),
        (b"int a;\nint b;\n", b"int a;\n", "3 lines became 2"),
        (b"int a = x /PAGE_SIZE/*1*/;\n", b"int a = x //PTE_SIZE*1*/;\n", "line 1"),
        (b"int a = x / *PAGE_ALIGN;\n;/* */\n", b"int a = x /*PTE_ALIGN;\n;/* */\n", "another syntax tree"),
    ],
)
def test_more_than_a_name_is_a_difference(old: bytes, new: bytes, what: str) -> None:
    assert difference("a.c", old, new).startswith(what)
    assert bool(difference("a.c", old, new)) == bool(what)


def test_assembly_is_no_syntax_tree_of_c() -> None:
    old, new = b"int a = x / *PAGE_ALIGN;\n;/* */\n", b"int a = x /*PTE_ALIGN;\n;/* */\n"
    assert difference("a.c", old, new)
    assert not difference("a.S", old, new)


def test_renames_are_compared_with_the_prepared_tree(
    tmp_path: Path, git: Git, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines that the preparation adds are no rename; a rename that takes a line along is found."""
    for message, text in (
        ("base", "int a = PAGE_SIZE;\n"),
        ("x86: introduce PTE_SIZE and PG_SIZE", "#define PTE_SIZE 1\nint a = PAGE_SIZE;\n"),
        ("x86: use PTE_SIZE for pages that hardware defines", "#define PTE_SIZE 1\nint a = PTE_SIZE;\n"),
        ("x86: use PG_SIZE for sizes of buffers", "#define PTE_SIZE 1\nint a = PTE_SIZE + 1;\n"),
    ):
        if message == "base":
            git(tmp_path, "init", "-q", "-b", "master")
        (tmp_path / "a b.c").write_text(text)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-q", "-m", message)
    git(tmp_path, "update-ref", "refs/remotes/origin/master", "HEAD~3")
    prepared = series.last_preparation(tmp_path)
    assert prepared == git(tmp_path, "rev-parse", "HEAD~2").strip()
    assert check_tokens(tmp_path, prepared) == 1
    git(tmp_path, "reset", "-q", "--hard", "HEAD~1")
    assert check_tokens(tmp_path, prepared) == 0
    assert "1 files compared before and after the renames, 1 of them as syntax trees: 0 d" in capsys.readouterr().out
