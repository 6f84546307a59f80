"""What pgconv converts passes its own ci: at once, and patch by patch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ci.conftest import Repo, brief
from tests.conftest import Run

STEPS = ("vm-pteoff", "vma-ptes", "linear-pte-index", "pte-order", "pfn-count")


@pytest.fixture
def plain(demo_tree: Path, tmp_path: Path) -> Repo:
    """A repository of the kernel-like tree, before the conversion."""
    files = {p.relative_to(demo_tree).as_posix(): p.read_bytes() for p in demo_tree.rglob("*") if p.is_file()}
    return Repo(tmp_path / "linux", files)


def test_a_conversion_in_place_has_no_finding(plain: Repo, pgconv: Run) -> None:
    assert pgconv("convert", plain.root, "--in-place").returncode == 0
    plain.record("convert")
    assert brief(plain.findings()) == []


@pytest.mark.parametrize("scheme", ["pte-pg", "mmupage"])
def test_a_series_gives_no_name_a_second_meaning(plain: Repo, pgconv: Run, tmp_path: Path, scheme: str) -> None:
    steps = [o for s in STEPS for o in ("--step", s)] if scheme == "pte-pg" else []
    done = pgconv(
        "convert", plain.root, "--rev", "HEAD", "--scheme", scheme, "-o", tmp_path / "out",
        "--signoff", "A <a@example.org>", *steps,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, *patches = sorted(map(str, (tmp_path / "out").glob("*.patch")))  # the first is the cover letter
    plain.git("am", "-q", "--keep-cr", *patches)
    found = plain.findings(scheme=scheme)
    assert [(f.path, f.line, f.message) for f in found if f.rule == "redefinition"] == []
