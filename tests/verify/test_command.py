"""`pgconv verify` on the command line: asks before anything of the tree runs, says what it found, and its exit code."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from junitparser import JUnitXml

from converter import data
from converter.tree import open_tree
from converter.verify.series import patched
from tests.conftest import Run
from tests.verify.conftest import builds_or_skip


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    builds_or_skip()
    return Path(shutil.copytree(data.path("fixtures/kbuild"), tmp_path / "linux"))


@pytest.fixture
def telling(linux: Path, tmp_path: Path) -> Path:
    """A file that is there as soon as anything has read the tree's Makefile to run it."""
    (linux / "Makefile").write_text((linux / "Makefile").read_text() + f"\n$(shell touch {tmp_path}/ran)\n")
    return tmp_path / "ran"


@pytest.mark.parametrize("level", ["objects", "split", "boot"])
def test_nothing_of_the_tree_runs_without_consent(
    pgconv: Run, linux: Path, tmp_path: Path, telling: Path, level: str
) -> None:
    builds_or_skip(level)
    done = pgconv("verify", linux, "--level", level, "--keep", tmp_path / "keep", stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert f"of {linux}, as you, on a copy of the tree in {tmp_path / 'keep'}" in done.stderr
    assert "say --yes" in done.stderr
    assert not telling.exists()


@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("y", 0)])
def test_who_can_be_asked_is_asked_before_anything_runs(
    pgconv: Run, linux: Path, tmp_path: Path, telling: Path, answer: str, code: int
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = pgconv("verify", linux, "mm", "--level", "objects", "--keep", tmp_path / "keep", stdin=theirs)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == code, done.stderr
    assert "this runs make" in done.stderr.partition("Run it?")[0]
    assert telling.exists() == (answer == "y")


def test_builds_lie_in_the_cache_unless_told_otherwise(pgconv: Run, linux: Path, own_cache: Path) -> None:
    done = pgconv("verify", linux, "mm", "--level", "objects", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"on a copy of the tree in {own_cache}/pgconv/builds/" in done.stderr
    assert list((own_cache / "pgconv/builds").glob("linux-*/source/Makefile"))


def test_the_first_levels_run_nothing_and_do_not_ask(pgconv: Run, linux: Path, tmp_path: Path, telling: Path) -> None:
    """...and leave a report for CI and a script that a reviewer can run, on its own."""
    script, report = tmp_path / "pairs.py", tmp_path / "report.xml"
    done = pgconv(
        "verify", linux, "--level", "units", "--level", "arithmetic", "--emit", script, "--format", "junit",
        "-o", report, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert not telling.exists()
    suites = {suite.name: suite for suite in JUnitXml.fromfile(str(report))}
    assert {suite.failures for suite in suites.values()} == {0}
    passed = suites["arithmetic"].tests - suites["arithmetic"].skipped
    assert passed > 0
    alone = subprocess.run([sys.executable, script], cwd="/", capture_output=True, text=True, check=False)
    assert alone.returncode == 0, alone.stderr
    assert script.read_text().count("def before") >= passed


def test_the_report_is_the_same_whatever_the_number_of_jobs(pgconv: Run, linux: Path) -> None:
    tree = data.path("fixtures/verify")
    levels = ("--level", "units", "--level", "arithmetic", "--format", "json")
    one, two = (pgconv("verify", tree, *levels, "--jobs", jobs, "--no-cache") for jobs in (1, 2))
    assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
    assert one.stdout == two.stdout
    report = json.loads(one.stdout)
    assert report["schema"] == "pgconv.verify/1"
    assert [(r["level"], r["counts"]["failed"]) for r in report["levels"]] == [("units", 0), ("arithmetic", 0)]
    for r in report["levels"]:
        assert len(r["items"]) == sum(r["counts"].values()) > 0
        assert all(i["why"] for i in r["items"] if i["outcome"] != "passed")


@pytest.mark.parametrize("level", ["objects", "split", "boot"])
def test_a_git_revision_is_not_built_and_the_way_out_is_said(
    pgconv: Run, linux: Path, tmp_path: Path, level: str
) -> None:
    builds_or_skip(level)
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "linux.git"], check=True)
    git = ["git", f"--git-dir={tmp_path}/linux.git", f"--work-tree={linux}", "-c", "core.bare=false"]
    subprocess.run([*git, "add", "-Af", "."], cwd=linux, check=True)
    who = ["-c", "user.name=Ada Author", "-c", "user.email=ada@example.org"]
    subprocess.run([*git, *who, "commit", "-q", "-m", "all of it"], cwd=linux, check=True)
    done = pgconv("verify", tmp_path / "linux.git", "--level", level, "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "builds need a tree of files, not a git revision; check one out" in done.stderr


def test_a_conversion_that_changes_nothing_passes(pgconv: Run, linux: Path, tmp_path: Path) -> None:
    done = pgconv("verify", linux, "mm", "arch/x86", "--level", "objects", "--keep", tmp_path / "keep", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("objects: 3 passed, 0 failed, 1 not covered\n")


def test_a_tree_that_may_not_be_written_is_built_and_stays_as_it_was(pgconv: Run, linux: Path, tmp_path: Path) -> None:
    for path in (linux, *linux.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    before = {p: (s.st_mode, s.st_mtime_ns, s.st_ctime_ns) for p in (linux, *linux.rglob("*")) if (s := p.stat())}
    levels = [word for level in ("units", "arithmetic", "objects", "split") for word in ("--level", level)]
    done = pgconv("verify", linux, "mm", "arch/x86", *levels, "--keep", tmp_path / "keep", "--yes")
    after = {p: (s.st_mode, s.st_mtime_ns, s.st_ctime_ns) for p in (linux, *linux.rglob("*")) if (s := p.stat())}
    for path in (linux, *linux.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("passed: units, arithmetic, objects, split\n")
    assert after == before


def series(pgconv: Run, linux: Path, to: Path) -> Path:
    (linux / "MAINTAINERS").write_text("Maintainers List\n")
    done = pgconv("convert", linux, "-o", to, "--signoff", "Ada Author <ada@example.org>")
    assert done.returncode == 0, done.stderr
    return to


def test_a_series_is_proved_in_place_of_the_conversion(pgconv: Run, linux: Path, tmp_path: Path) -> None:
    patches = series(pgconv, linux, tmp_path / "series")
    arguments = ("verify", linux, "mm", "--level", "objects", "--keep", tmp_path / "keep", "--yes", "--series", patches)
    assert pgconv(*arguments).returncode == 0
    for patch in patches.glob("[0-9]*.patch"):
        patch.write_text(patch.read_text().replace("vm_start) >> PTE_SHIFT", "vm_start) >> 3 >> PTE_SHIFT"))
    done = pgconv(*arguments, "--format", "json")
    assert done.returncode == 1, done.stderr
    failed = [i["path"] for i in json.loads(done.stdout)["levels"][0]["items"] if i["outcome"] == "failed"]
    assert failed == ["mm/mremap.c"]


def test_a_name_of_a_patch_that_is_wrong_is_caught_without_a_build(pgconv: Run, linux: Path, tmp_path: Path) -> None:
    patches = series(pgconv, linux, tmp_path / "series")
    arguments = ("verify", linux, "--level", "units", "--level", "arithmetic", "--series", patches)
    done = pgconv(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    for patch in patches.glob("[0-9]*.patch"):
        patch.write_text(patch.read_text().replace("vm_start) >> PTE_SHIFT", "vm_start) >> PG_SHIFT"))
    done = pgconv(*arguments)
    assert done.returncode == 1
    assert done.stdout.endswith("FAILED: units, arithmetic\n")


def test_a_series_may_rename_a_file(tmp_path: Path, linux: Path) -> None:
    (tmp_path / "0001-rename.patch").write_text(
        "From: Ada Author <ada@example.org>\nSubject: [PATCH] rename\n\n---\n"
        "diff --git a/mm/unused.c b/mm/used.c\nsimilarity index 100%\nrename from mm/unused.c\nrename to mm/used.c\n"
    )
    made = patched(open_tree(str(linux), None), tmp_path)
    assert made == {"mm/unused.c": b"", "mm/used.c": (linux / "mm/unused.c").read_bytes()}


def test_a_series_for_another_tree_is_named(pgconv: Run, linux: Path, tmp_path: Path) -> None:
    patches = series(pgconv, linux, tmp_path / "series")
    (linux / "mm/mremap.c").write_text("int other;\n")
    done = pgconv("verify", linux, "--level", "objects", "--keep", tmp_path, "--yes", "--series", patches)
    assert done.returncode == 2
    assert "does not apply to this tree" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--level", "hope"), "--level hope: not one of"),
        (("--format", "sarif"), "--format sarif: not one of text, json, junit"),
        (("--series", "/nonexistent", "--yes"), "/nonexistent: no patches here"),
    ],
)
def test_bad_input_is_one_line(pgconv: Run, linux: Path, arguments: tuple[str, ...], message: str) -> None:
    done = pgconv("verify", linux, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[-1]


def test_what_a_level_needs_and_the_machine_has_not_is_named_with_its_package(
    pgconv: Run, linux: Path, tmp_path: Path
) -> None:
    done = pgconv("verify", linux, "--level", "objects", "--yes", env={"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert done.returncode == 2
    assert "level objects needs make, gcc, objdump" in done.stderr
    assert "apt-get install make gcc binutils" in done.stderr
