"""A proof that is stopped takes with it what it has started: make, what make runs, and the machine that boots."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from converter import data
from converter.verify import programs
from tests.verify.conftest import builds_or_skip

ENDLESS = """
olddefconfig prepare: FORCE
	$(MAKE) -f $(CURDIR)/endless.mk half
"""
NESTED = """
half:
	echo $$$$ > {pid}.new && mv {pid}.new {pid} && exec sleep 600
"""


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A tree whose make starts another make, which never ends."""
    builds_or_skip()
    linux = Path(shutil.copytree(data.path("fixtures/kbuild"), tmp_path / "linux"))
    with open(linux / "Makefile", "a") as makefile:
        makefile.write(ENDLESS)
    (linux / "endless.mk").write_text(NESTED.format(pid=tmp_path / "pid"))
    return linux


def alive(pid: int) -> bool:
    """Does the process run? One that has ended and that nobody has asked about does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def until(holds: Iterator[bool], what: str) -> None:
    for good in holds:
        if good:
            return
        time.sleep(0.05)
    pytest.fail(what)


def within(seconds: float, holds: object) -> Iterator[bool]:
    assert callable(holds)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield holds()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_make_has_started_ends_with_the_proof(endless: Path, tmp_path: Path, how: signal.Signals) -> None:
    command = [str(Path(sys.executable).with_name("pgconv")), "verify", str(endless), "mm", "--level", "objects"]
    pid = tmp_path / "pid"
    with subprocess.Popen(
        [*command, "--keep", str(tmp_path / "keep"), "--yes"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as proof:  # fmt: skip
        try:
            until(within(60, pid.exists), "make does not come to the recipe")
            started = int(pid.read_text())
            assert alive(started)
            os.kill(proof.pid, how)
            out, said = proof.communicate(timeout=60)
        finally:
            proof.kill()
    assert (proof.returncode, out) == (130, "")
    assert said.splitlines()[-1] == "pgconv: interrupted"
    until(within(10, lambda: not alive(started)), "what make has started goes on")


def test_a_program_whose_time_is_over_is_ended_with_what_it_started_and_what_it_said_is_kept() -> None:
    done = programs.run(["sh", "-c", "echo said; sleep 600 & echo $!; wait"], seconds=1)
    said, started = done.said.split()
    assert (said, done.late) == ("said", True)
    until(within(10, lambda: not alive(int(started))), "what it has started goes on")


def test_a_program_that_ends_by_itself_gives_its_code() -> None:
    assert programs.run(["sh", "-c", "echo no >&2; exit 3"], seconds=60) == programs.Ended(3, "no\n", False)
