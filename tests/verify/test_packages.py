"""What builds need: named in one place, installed by `make packages`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from converter.errors import InputError
from converter.verify import needs
from tests.conftest import ROOT


def packages(path: Path) -> subprocess.CompletedProcess[str]:
    """scripts/packages.py where only `path` has programs."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts/packages.py")],
        env={"PATH": str(path), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A machine with apt-get, which takes notes, and nothing that builds."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("env", "sh"):
        (place / name).symlink_to(shutil.which(name) or name)
    for name in ("apt-get", "sudo"):
        (place / name).write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/notes\n' + ('"$@"\n' if name == "sudo" else ""))
        (place / name).chmod(0o755)
    return place


def test_what_is_missing_is_asked_of_apt_by_its_package(bare: Path, tmp_path: Path) -> None:
    done = packages(bare)
    assert done.returncode == 0, done.stderr
    notes = [line for line in (tmp_path / "notes").read_text().splitlines() if "env" not in line]
    assert notes[0] == "update -q"
    assert {"gcc", "flex", "bison", "qemu-system-x86", "busybox-static", "cpio"} <= set(notes[1].split())


def test_without_apt_the_names_are_said(bare: Path) -> None:
    (bare / "apt-get").unlink()
    done = packages(bare)
    assert done.returncode == 2
    assert "install by hand: " in done.stderr
    assert "busybox-static" in done.stderr


def test_a_level_that_lacks_something_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"level boot needs .*qemu-system-x86_64.*apt-get install .*qemu-system-x86"):
        needs.require("boot")


def test_a_level_that_builds_nothing_needs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    needs.require("units")
