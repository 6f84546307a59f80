"""A conversion that is stopped, killed, cut off in the middle of a write, or without room: no half series or file."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from converter.convert import series
from converter.convert.directory import whole
from converter.errors import InputError
from tests.conftest import Run
from tests.convert.conftest import WHO, Git

STOPPED = """
import os, signal, sys
from converter import __main__
from converter.convert import {module} as module

done, count = module.{function}, 0

def stop_here(*arguments, **keywords):
    global count
    count += 1
    if count == {at}:
        os.kill(os.getpid(), signal.{signal})
    return done(*arguments, **keywords)

module.{function} = stop_here
sys.argv = ["pgconv", "convert", *sys.argv[1:]]
__main__.main()
"""
"""pgconv convert, sent a signal by itself when it comes to a function for the `at`-th time."""


def stopped(name: str, module: str, function: str, at: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    code = STOPPED.format(signal=name, module=module, function=function, at=at)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def files(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("at", [1, 9])
def test_a_stopped_conversion_leaves_no_series(repository: Path, tmp_path: Path, name: str, at: int) -> None:
    done = stopped(name, "series", "mail", at, repository, "-o", tmp_path / "out", "--signoff", WHO)
    assert (done.returncode, done.stderr) == (130, "pgconv: interrupted\n")
    assert os.listdir(tmp_path) == ["linux"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_old_series_survives_a_stopped_one(pgconv: Run, repository: Path, tmp_path: Path, name: str) -> None:
    arguments = (repository, "-o", tmp_path / "out", "--signoff", WHO)
    assert pgconv("convert", *arguments).returncode == 0
    before = files(tmp_path / "out")
    stopped(name, "series", "mail", 9, *arguments)
    assert files(tmp_path / "out") == before
    assert sorted(os.listdir(tmp_path)) == ["linux", "out"]


def test_an_old_series_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "0001-old.patch").write_text("old")
    renames: list[Path] = []
    rename = Path.rename

    def full(self: Path, to: Path) -> Path:
        renames.append(self)
        if len(renames) == 2:
            raise OSError(28, "No space left on device")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space"), whole(target) as place:
        (place / "0001-new.patch").write_text("new")
    assert files(tmp_path) == {"out/0001-old.patch": b"old"}
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_each_file_is_old_or_new_when_a_conversion_in_place_ends_early(
    pgconv: Run, repository: Path, tmp_path: Path, git: Git, name: str
) -> None:
    shutil.copytree(repository, tmp_path / "whole")
    old = {p: b for p, b in files(repository).items() if not p.startswith(".git/")}
    assert pgconv("convert", tmp_path / "whole", "--in-place").returncode == 0
    new = files(tmp_path / "whole")
    done = stopped(name, "inplace", "_put", 12, repository, "--in-place")
    assert done.returncode == (-signal.SIGKILL if name == "SIGKILL" else 130)
    now = files(repository)
    assert all(now[p] in (old[p], new[p]) for p in old)
    assert sum(now[p] == new[p] != old[p] for p in old) == 11
    git(repository, "checkout", "-q", ".")
    assert all(files(repository)[p] == old[p] for p in old)


def test_a_stopped_conversion_in_place_leaves_no_other_file(repository: Path, git: Git) -> None:
    stopped("SIGTERM", "inplace", "_put", 12, repository, "--in-place")
    assert "??" not in git(repository, "status", "--porcelain")


def as_a_user(check: Path) -> str:
    """What check_target() says of a directory to a user who is not root; empty where it says nothing."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            series.check_target(check)
        except InputError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as said:
        return said.read()


def test_a_directory_that_cannot_be_written_is_refused_before_anything_is_scanned(tmp_path: Path) -> None:
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_mode & 0o055 != 0o055:  # pytest makes them for their owner alone
            above.chmod(above.stat().st_mode | 0o055)
    closed, open_ = tmp_path / "closed", tmp_path / "open"
    closed.mkdir()
    open_.mkdir()
    open_.chmod(0o777)
    (open_ / "read-only").mkdir()
    (open_ / "read-only").chmod(0o555)
    closed.chmod(0o555)
    assert as_a_user(closed / "out") == f"{closed / 'out'}: cannot be written"
    assert as_a_user(open_ / "read-only") == f"{open_ / 'read-only'}: cannot be written"
    assert as_a_user(open_ / "out") == ""


@pytest.mark.parametrize("place", ["file/out", "file", "missing/out"])
def test_a_place_for_no_directory_is_one_line(pgconv: Run, repository: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    done = pgconv("convert", repository, "-o", tmp_path / place, "--signoff", WHO)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert str(tmp_path / place) in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["file", "linux"]


def limited(size: int, pgconv: Run, *arguments: object) -> subprocess.CompletedProcess[str]:
    """pgconv convert where no file can be longer than `size` bytes: a longer one is written as far as that, and then
    the kernel says EFBIG."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return pgconv("convert", *arguments, "--no-cache", preexec_fn=limit)


def test_a_write_that_ends_in_the_middle_of_a_file_leaves_no_series(
    pgconv: Run, repository: Path, tmp_path: Path
) -> None:
    done = limited(3000, pgconv, repository, "-o", tmp_path / "out", "--signoff", WHO)
    assert (done.returncode, done.stdout) == (2, "")
    assert "File too large; no series was left there" in done.stderr
    assert os.listdir(tmp_path) == ["linux"]


def test_a_write_that_ends_in_the_middle_of_a_file_leaves_the_file_as_it_was(
    pgconv: Run, repository: Path, git: Git
) -> None:
    """Those before it are converted, it and those behind it are not, and nothing lies beside them."""
    old = {p: b for p, b in files(repository).items() if not p.startswith(".git/")}
    done = limited(2500, pgconv, repository, "--in-place")
    assert done.returncode == 2
    assert (named := done.stderr.split(": ")[1]) in old
    assert "File too large" in done.stderr
    now = {p: b for p, b in files(repository).items() if not p.startswith(".git/")}
    assert now.keys() == old.keys()
    assert now[named] == old[named]
    assert len(old[named]) > 2500
    changed = [p for p in old if now[p] != old[p]]
    assert changed
    assert max(changed) < named
    git(repository, "checkout", "-q", ".")
    assert git(repository, "status", "--porcelain") == ""


def on_a_small_disk(place: Path, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A shell script where `place` is a file system of 512 KiB and the current directory; `$@` is pgconv convert."""
    place.mkdir()
    inside = f'mount -t tmpfs -o size=512k none "$0" || exit 99; cd "$0" || exit 99; {script}'
    pgconv = str(Path(sys.executable).with_name("pgconv"))
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", inside, str(place), pgconv, "convert"]
    try:
        done = subprocess.run(
            [*command, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=600
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare(1) here")
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("no file system can be mounted here")
    return done


def test_a_full_disk_leaves_no_series(repository: Path, tmp_path: Path) -> None:
    script = 'head -c 460k /dev/zero > fill; "$@"; code=$?; ls -A; exit $code'
    done = on_a_small_disk(tmp_path / "disk", script, repository, "-o", tmp_path / "disk/out", "--signoff", WHO)
    assert (done.returncode, done.stdout) == (2, "fill\n")
    assert done.stderr.splitlines()[-1].endswith("cannot write: No space left on device; no series was left there")


def test_a_tree_on_a_full_disk_keeps_its_files(demo_tree: Path, tmp_path: Path) -> None:
    script = f'cp -r {demo_tree} linux; cat /dev/zero > fill 2> /dev/null; "$@"; code=$?; '
    script += f"diff -r {demo_tree} linux; exit $code"
    done = on_a_small_disk(tmp_path / "disk", script, tmp_path / "disk/linux", "--in-place")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot write: No space left on device; 0 of" in done.stderr
