"""A report reaches its place whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from converter.errors import InputError
from converter.report.output import write

WRITE = "import sys; from converter.report.output import write; write(sys.argv[1], b'x' * int(sys.argv[2]))"


def python(program: str, *arguments: str, **keywords: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, **{"capture_output": True, "check": False, **keywords})  # type: ignore[call-overload, no-any-return]


def limit_file_size() -> None:
    """The process may write 1 KiB to a file, then EFBIG: a full disk that needs no root."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))


def test_a_file_is_written(tmp_path: Path) -> None:
    write(tmp_path / "report.json", b"{}\n")
    assert (tmp_path / "report.json").read_bytes() == b"{}\n"


def test_a_new_file_has_the_permissions_that_the_umask_grants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "report", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "report").stat().st_mode & 0o777 == 0o640


def test_an_old_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    old = tmp_path / "report"
    old.write_bytes(b"old and longer")
    old.chmod(0o604)
    write(old, b"new")
    assert old.read_bytes() == b"new"
    assert old.stat().st_mode & 0o777 == 0o604


def test_a_link_stays_a_link_to_the_new_content(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_on_a_full_disk_the_old_file_stays_and_nothing_else_is_left(tmp_path: Path) -> None:
    old = tmp_path / "report"
    old.write_bytes(b"old")
    done = python(WRITE, str(old), "100000", preexec_fn=limit_file_size)
    assert b"InputError" in done.stderr
    assert b"cannot write: File too large; what was there is unchanged" in done.stderr
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


def test_a_device_is_written_to_and_its_error_is_said() -> None:
    with pytest.raises(InputError, match=r"/dev/full: cannot write: No space left on device"):
        write("/dev/full", b"x" * 100_000)
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("target", ["nowhere/report", "."])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, target: str) -> None:
    with pytest.raises(InputError, match=r"cannot write: "):
        write(tmp_path / target, b"x")


def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    old = tmp_path / "report"
    old.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(old, b"new")
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_bytes() == b"old"


def test_a_dash_is_standard_output() -> None:
    assert python(WRITE, "-", "3").stdout == b"xxx"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = python(WRITE, "-", "1000000", capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_standard_output_is_said_once() -> None:
    with Path("/dev/full").open("wb") as full:
        done = python(WRITE, "-", "1000000", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.stderr.splitlines()[-1] == (
        b"converter.errors.InputError: standard output: cannot write: No space left on device"
    )
