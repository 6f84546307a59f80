"""The helpers of `make series`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from converter.convert.lines import Change, diff
from scripts import series


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
