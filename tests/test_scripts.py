"""What the make targets run, on small trees."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import bench, bench_ci, bench_progress, readme
from tests.conftest import ROOT


def script(name: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """One of scripts/, as make runs it."""
    command = [*([sys.executable] if name.endswith(".py") else []), str(ROOT / "scripts" / name)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command, env={**os.environ, "PATH": path, **variables}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def tree(tmp_path: Path, demo_tree: Path) -> Path:
    return Path(shutil.copytree(demo_tree, tmp_path / "linux"))


def contents(tree: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in tree.rglob("*") if file.is_file()}


def test_the_bench_prints_every_figure_and_leaves_the_tree_as_it_was(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(tree)
    bench.scans(tree, tmp_path)
    figures = r"(\s+\d+\.\d\d s\s+\d+\.\d\d){2}\s+\d+ MB"
    output = capsys.readouterr().out
    for what in ("bare parse", "scan, cold cache", "scan, nothing changed", "scan, one file changed"):
        assert re.search(f"^{what}{figures}", output, re.MULTILINE), what
    assert contents(tree) == before


def test_the_bench_judges_commits_of_a_copy(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench_ci.commits(tree, tmp_path, bench.measure, 3)
    output = capsys.readouterr().out
    assert "\n3 commits of 3 files each" in output
    for what in ("ci, one, cold", "ci, one, warm", "ci, 3, new blobs", "ci, 3, known blobs"):
        assert re.search(rf"^{what}(\s+\d+\.\d\d s){{2}}", output, re.MULTILINE), what


def test_the_bench_measures_a_history_of_a_copy(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench_ci.commits(tree, tmp_path, bench.measure, 1)
    bench_progress.months(tree, tmp_path, bench.measure, 2, 4)
    output = capsys.readouterr().out
    assert "\n2 months of up to 4 files each" in output
    for what in ("progress, first run", "progress, again", "progress, a month more"):
        assert re.search(rf"^{what}(\s+\d+\.\d\d s){{2}}", output, re.MULTILINE), what


def test_the_demo_runs_through_and_shows_each_command(demo_tree: Path) -> None:
    done = script("demo.sh")
    assert done.returncode == 0, done.stderr
    assert "\n$ pgconv scan fixtures/tree\n" in done.stdout
    assert re.search(r"^mm/mremap\.c:\d+:\d+: note: PAGE_SIZE -> PTE_SIZE", done.stdout, re.MULTILINE)


def test_the_session_in_the_readme_is_what_the_demo_prints() -> None:
    text = readme.README.read_text()
    assert readme.updated(text) == text, "run scripts/readme.py"


@pytest.mark.parametrize("name", ["bench.py", "accuracy.py"])
def test_without_a_tree_the_remedy_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "evaluate.py").write_text("")
    done = script(name, PGCONV_KERNEL=str(tmp_path), PGCONV_GOLD=str(tmp_path))
    assert done.returncode == 2
    assert "PGCONV_KERNEL" in done.stderr
    assert done.stderr.count("\n") == 1
