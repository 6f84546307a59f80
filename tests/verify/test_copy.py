"""The copy that is built: the user's tree is only read, and a state is the same files whenever it comes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from converter.errors import InputError
from converter.verify.copy import BASE, Copy

FILES = {"mm/a.c": b"converted\n"}


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A tree with two files and what a build in it left."""
    top = tmp_path / "linux"
    for path in ("mm/a.c", "mm/b.c", "mm/a.o", "mm/.a.o.cmd", ".config", "include/generated/autoconf.h",
                 "arch/x86/include/generated/asm.h"):  # fmt: skip
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text("original\n")
    return top


@pytest.fixture
def copy(origin: Path, tmp_path: Path) -> Copy:
    made = Copy(str(origin), tmp_path / "place")
    made.refresh()
    return made


def read(copy: Copy, path: str) -> str:
    return (copy.source / path).read_text()


def test_what_a_build_left_is_not_copied(copy: Copy) -> None:
    found = {str(p.relative_to(copy.source)) for p in copy.source.rglob("*") if p.is_file()}
    assert found == {"mm/a.c", "mm/b.c"}


def test_the_user_s_tree_is_not_touched(copy: Copy, origin: Path) -> None:
    before = {p: os.lstat(p) for p in origin.rglob("*")}
    copy.become("converted", FILES)
    copy.touch()
    copy.refresh()
    assert {p: os.lstat(p).st_ctime_ns for p in origin.rglob("*")} == {p: s.st_ctime_ns for p, s in before.items()}


def test_a_state_changes_its_files_and_base_brings_them_back(copy: Copy) -> None:
    copy.become("converted", FILES)
    assert (read(copy, "mm/a.c"), read(copy, "mm/b.c")) == ("converted\n", "original\n")
    copy.become(BASE, {})
    assert read(copy, "mm/a.c") == "original\n"


def test_a_state_that_comes_back_keeps_its_time_stamps(copy: Copy) -> None:
    copy.become("converted", FILES)
    stamp = os.stat(copy.source / "mm/a.c").st_mtime_ns
    copy.become(BASE, {})
    copy.become("converted", FILES)
    assert os.stat(copy.source / "mm/a.c").st_mtime_ns == stamp


def test_a_file_that_a_state_no_longer_changes_is_new_to_make(copy: Copy) -> None:
    copy.become("converted", FILES)
    stamp = os.stat(copy.source / "mm/a.c").st_mtime_ns
    copy.become("converted", {})
    assert read(copy, "mm/a.c") == "original\n"
    assert os.stat(copy.source / "mm/a.c").st_mtime_ns > stamp


def test_a_new_file_is_there_in_its_state_alone(copy: Copy) -> None:
    copy.become("more", {"lib/new.c": b"new\n"})
    assert read(copy, "lib/new.c") == "new\n"
    copy.become(BASE, {})
    assert not (copy.source / "lib/new.c").exists()


def test_an_edited_tree_is_copied_again(copy: Copy, origin: Path) -> None:
    copy.become("converted", FILES)
    (origin / "mm/a.c").write_text("edited by hand\n")
    (origin / "mm/b.c").unlink()
    again = Copy(str(origin), copy.place)
    again.refresh()
    assert read(again, "mm/a.c") == "edited by hand\n"
    assert not (again.source / "mm/b.c").exists()
    again.become("converted", {})
    assert read(again, "mm/a.c") == "edited by hand\n"


def test_a_file_that_the_tree_gains_beside_a_state_s_is_the_tree_s_in_base(copy: Copy, origin: Path) -> None:
    copy.become("more", {"mm/new.c": b"of the state\n"})
    (origin / "mm/new.c").write_text("of the tree\n")
    again = Copy(str(origin), copy.place)
    again.refresh()
    assert read(again, "mm/new.c") == "of the tree\n"


def test_a_state_cannot_write_through_a_symlink(origin: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (origin / "link").symlink_to(tmp_path / "outside")
    copy = Copy(str(origin), tmp_path / "place")
    copy.refresh()
    with pytest.raises(InputError, match="out of the tree"):
        copy.become("bad", {"link/a.c": b""})
    assert not list((tmp_path / "outside").iterdir())
