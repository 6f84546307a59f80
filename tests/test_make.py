"""The Makefile and .ci/run on a machine that the test makes up: a stand-in Python, make or apt-get that takes notes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, kernel_or_skip

# Stands for python3: `-m venv` makes .venv with copies of itself, everything else is only noted.
PYTHON = """#!/bin/sh
echo "$@" >> "{notes}"
case "$*" in
"-m venv "*) mkdir -p "$3/bin"; for name in python pip ruff mypy pytest; do cp "$0" "$3/bin/$name"; done;;
esac
{more}
"""


def stand_in(at: Path, text: str) -> Path:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(text)
    at.chmod(0o755)
    return at


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make` sees of a fresh clone."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(checkout: Path, *arguments: str, more: str = "") -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """`make` with a stand-in Python: how it ended, and what Python and its tools were asked to do."""
    notes = checkout / "notes"
    notes.write_text("")
    python = stand_in(checkout / "bin/python3", PYTHON.format(notes=notes, more=more))
    done = subprocess.run(
        ["make", "--no-print-directory", f"PYTHON={python}", *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, notes.read_text().splitlines()


def installs(notes: list[str]) -> int:
    return sum("pip install" in note for note in notes)


def test_the_first_make_sets_up_and_the_next_one_does_not(checkout: Path) -> None:
    _, first = make(checkout, "test")
    assert first[0] == "-m venv .venv"
    assert installs(first) == 1
    _, second = make(checkout, "test")
    assert (second[0], installs(second)) == ("check .", 0)


def test_a_changed_pyproject_installs_again(checkout: Path) -> None:
    make(checkout, "test")
    later = (checkout / ".venv/.installed").stat().st_mtime + 5
    os.utime(checkout / "pyproject.toml", (later, later))
    _, notes = make(checkout, "test")
    assert installs(notes) == 1
    assert "-m venv .venv" not in notes


def test_a_python_without_venv_is_explained_and_leaves_nothing(checkout: Path) -> None:
    done, _ = make(checkout, "test", more='case "$*" in "-m venv "*) exit 1;; esac')
    assert done.returncode == 2
    assert "apt-get install python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_an_install_that_failed_is_tried_again(checkout: Path) -> None:
    done, _ = make(checkout, "test", more='case "$*" in *"pip install"*) exit 1;; esac')
    assert done.returncode == 2
    _, notes = make(checkout, "test")
    assert installs(notes) == 1


def test_without_python_the_need_is_said(checkout: Path) -> None:
    done = subprocess.run(["make", "PYTHON=", "test"], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pgconv needs Python 3.11 or later" in done.stderr


def test_a_failing_suite_fails_make(checkout: Path) -> None:
    done, _ = make(checkout, "test", more='case "$0" in *pytest) exit 5;; esac')
    assert done.returncode == 2


def test_the_version_of_the_kernel_is_handed_on(checkout: Path) -> None:
    _, notes = make(checkout, "kernel", "VERSION=7.2")
    assert notes == ["scripts/kernel.py 7.2"]


def test_proof_fetches_the_kernel_and_what_builds_need(checkout: Path) -> None:
    _, notes = make(checkout, "verify", "SHORT=1")
    asked = [note for note in notes if note.startswith("scripts/")]
    assert asked == ["scripts/kernel.py 6.12", "scripts/packages.py", "scripts/verify.py --version 6.12 --short"]


def test_clean_keeps_what_took_a_download(checkout: Path) -> None:
    kept = [checkout / ".venv", checkout / ".kernel", checkout / "tests"]
    for directory in (*kept, checkout / "build", checkout / "tests/__pycache__", checkout / "converter"):
        directory.mkdir()
    (checkout / "scripts").mkdir()
    make(checkout, "clean")
    assert all(directory.is_dir() for directory in kept)
    assert not (checkout / "build").exists()
    assert not (checkout / "tests/__pycache__").exists()


def ci(tmp_path: Path, commands: dict[str, str], path: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """.ci/run where `commands` (name, shell text) come first on `path`: how it ended, and their calls."""
    stand_in(tmp_path / ".ci/run", (ROOT / ".ci/run").read_text())
    notes = tmp_path / "notes"
    for name, text in commands.items():
        stand_in(
            tmp_path / "bin" / name,
            f'#!/bin/sh\necho "{name} $* ${{PGCONV_REQUIRE_KERNEL:+required}}" >> {notes}\n{text}\n',
        )
    done = subprocess.run(
        [shutil.which("bash") or "bash", ".ci/run"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}/bin:{path}", "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, notes.read_text().splitlines()


PRESENT = dict.fromkeys(("git", "xz", "python3", "chromium", "chromedriver", "apt-get"), "")


def test_ci_fetches_the_kernel_and_then_may_not_skip(tmp_path: Path) -> None:
    done, notes = ci(tmp_path, {**PRESENT, "make": "echo 12 passed in 1.0s"}, os.defpath)
    assert done.returncode == 0
    assert [note.strip() for note in notes if note.startswith("make")] == [
        "make kernel", "make packages", "make verify SHORT=1", "make test required",
    ]  # fmt: skip
    assert done.stdout.splitlines()[-1] == "12 passed in 1.0s"


def test_ci_tests_what_it_could_not_prove(tmp_path: Path) -> None:
    done, notes = ci(tmp_path, {**PRESENT, "make": "[ $1 != verify ] || exit 2"}, os.defpath)
    assert done.returncode == 2
    assert notes[-1].split()[:2] == ["make", "test"]


@pytest.mark.parametrize("failing", ["kernel", "packages", "test"])
def test_ci_fails_with_the_step_that_fails(tmp_path: Path, failing: str) -> None:
    done, notes = ci(tmp_path, {**PRESENT, "make": f"[ $1 != {failing} ] || exit 2"}, os.defpath)
    assert done.returncode == 2
    assert notes[-1].split()[:2] == ["make", failing]


def test_ci_installs_what_a_bare_machine_lacks(tmp_path: Path) -> None:
    for name in ("dirname", "sh", "bash"):
        (tmp_path / "few").mkdir(exist_ok=True)
        (tmp_path / "few" / name).symlink_to(shutil.which(name) or name)
    install = (
        f"[ $1 = update ] || for name in make git xz python3; do cp {tmp_path}/bin/note {tmp_path}/bin/$name; done"
    )
    commands = {"id": "echo 0", "note": "", "apt-get": f"PATH={os.defpath}; {install}"}
    done, notes = ci(tmp_path, commands, str(tmp_path / "few"))
    assert done.returncode == 0, done.stderr
    installed = next(note for note in notes if note.startswith("apt-get install"))
    assert {"git", "make", "xz-utils", "python3", "python3-venv"} <= set(installed.split())


def test_a_test_on_the_real_tree_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCONV_KERNEL", "/nowhere")
    monkeypatch.delenv("PGCONV_REQUIRE_KERNEL", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no kernel tree at /nowhere: run `make kernel`"):
        kernel_or_skip()


def test_under_ci_it_fails_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCONV_KERNEL", "/nowhere")
    monkeypatch.setenv("PGCONV_REQUIRE_KERNEL", "1")
    with pytest.raises(pytest.fail.Exception, match=r"no kernel tree at /nowhere"):
        kernel_or_skip()
