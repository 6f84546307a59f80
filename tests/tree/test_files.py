"""A kernel tree as a directory of files."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from converter.errors import InputError
from converter.tree import Entry, Problems, Unreadable, open_tree, shown
from converter.tree.entry import LARGEST, kernel_version
from tests.tree.conftest import FILES, MAKEFILE, as_nobody, write_files

LISTED = [
    "arch/x86/kernel/head_64.S",
    "arch/x86/kernel/vmlinux.lds.S",
    "kernel/module.lds",
    "mm/internal.h",
    "mm/mmap.c",
]


def paths(tree: Path) -> list[str]:
    return [entry.path for entry in open_tree(tree).entries]


def test_c_and_assembly_sources_and_linker_scripts_are_listed_by_path(tree: Path) -> None:
    assert paths(tree) == LISTED


def test_every_listed_file_can_be_read(tree: Path) -> None:
    opened = open_tree(tree)
    assert {entry.path: data for entry, data in opened.reader.read_many(opened.entries)} == {
        path: FILES[path].encode() for path in LISTED
    }


def test_size_and_stamp_are_those_of_the_file(tree: Path) -> None:
    (entry,) = (entry for entry in open_tree(tree).entries if entry.path == "mm/mmap.c")
    status = (tree / "mm/mmap.c").stat()
    assert entry == Entry(
        "mm/mmap.c",
        status.st_size,
        (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino),
        None,
    )


def test_the_tree_is_named_by_its_directory_and_its_makefile(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree / "mm")
    opened = open_tree("..")
    assert (opened.name, opened.root, opened.revision) == ("linux", str(tmp_path / "linux"), None)
    assert opened.kernel_version == "6.12.48"


@pytest.mark.parametrize(
    ("makefile", "version"),
    [
        (MAKEFILE, "6.12.48"),
        ("VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n", "7.2.0-rc3"),
        ("VERSION=6\nPATCHLEVEL=1\n", "6.1"),
        ("VERSION = 6\n", None),
        ("all:\n\tPATCHLEVEL = 1\n", None),
        ("VERSION = 6\r\nPATCHLEVEL = 1\r\nSUBLEVEL = 2\r\n", "6.1.2"),
        ("", None),
    ],
)
def test_the_kernel_version_is_what_make_kernelversion_prints(makefile: str, version: str | None) -> None:
    assert kernel_version(makefile.encode()) == version


def test_directories_named_with_a_dot_are_passed_over(tree: Path) -> None:
    write_files(tree, {".git/x.c": "", "mm/.kernel/y.c": "", "mm/.z.c": ""})
    assert paths(tree) == sorted([*LISTED, "mm/.z.c"])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no such tree"),
        ({"linux": ""}, "not a directory"),
        ({"linux/mm/mmap.c": ""}, "not a kernel tree: Makefile: No such file or directory"),
        ({"linux/mm/mmap.c": "", "linux/Makefile": "all:\n"}, "not a kernel tree: its Makefile has no VERSION"),
        ({"linux/main.c": "", "linux/Makefile": MAKEFILE}, "not a kernel tree: none of mm/, arch/"),
    ],
)
def test_what_is_no_kernel_tree_is_refused_in_one_line(
    tmp_path: Path, files: dict[str, str | bytes], message: str
) -> None:
    write_files(tmp_path, files)
    with pytest.raises(InputError) as caught:
        open_tree(tmp_path / "linux")
    assert str(caught.value).startswith(f"{tmp_path}/linux: {message}")
    assert "\n" not in str(caught.value)


def test_a_work_tree_without_its_files_points_to_rev(tree: Path) -> None:
    (tree / "Makefile").unlink()
    (tree / ".git").mkdir()
    with pytest.raises(InputError, match="--rev"):
        open_tree(tree)


@pytest.mark.parametrize("name", ["", "a\0b", "no\nsuch"])
def test_a_name_that_can_be_no_directory_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(InputError, match="no such tree") as caught:
        open_tree(name)
    assert "\n" not in str(caught.value)


def test_the_makefile_may_not_be_a_symlink(tree: Path) -> None:
    (tree / "Makefile").rename(tree / "Makefile.real")
    (tree / "Makefile").symlink_to("Makefile.real")
    with pytest.raises(InputError, match="not a kernel tree: Makefile"):
        open_tree(tree)


def test_the_tree_itself_may_be_named_by_a_symlink(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(tree)
    assert paths(tmp_path / "current") == LISTED


def test_no_symlink_is_followed(tree: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "elsewhere", {"secret.c": "", "d/e.c": ""})
    (tree / "mm/dangling.c").symlink_to("nowhere.c")
    (tree / "mm/loop.c").symlink_to("loop.c")
    (tree / "mm/up").symlink_to("..")
    (tree / "mm/same.c").symlink_to("mmap.c")
    (tree / "mm/out.c").symlink_to(tmp_path / "elsewhere/secret.c")
    (tree / "outside").symlink_to(tmp_path / "elsewhere")
    opened = open_tree(tree)
    assert [entry.path for entry in opened.entries] == LISTED
    assert opened.warnings == ()


def test_fifos_and_sockets_are_counted_and_passed_over(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tree / "mm/fifo.c")
    monkeypatch.chdir(tree)  # the name of a socket may have 108 bytes only
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("mm/socket.h")
        opened = open_tree(tree)
    assert [entry.path for entry in opened.entries] == LISTED
    assert opened.warnings == ("mm/fifo.c: not a regular file, passed over (and 1 more)",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device file")
def test_a_device_file_is_counted_and_passed_over(tree: Path) -> None:
    try:
        os.mknod(tree / "mm/zero.c", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this machine's root may not make device files")
    opened = open_tree(tree)
    assert [entry.path for entry in opened.entries] == LISTED
    assert opened.warnings == ("mm/zero.c: not a regular file, passed over",)


ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
STRANGE = ["mm/a b.c", "mm/a\nb.c", "mm/\x1b[31m.c", 'mm/"q".c', f"mm/{ALPHA}.c", "mm/\udcff\udce9.c"]


def test_strange_names_are_listed_and_read(tree: Path) -> None:
    for name in STRANGE:
        (tree / name).write_bytes(os.fsencode(name))
    opened = open_tree(tree)
    assert [entry.path for entry in opened.entries] == sorted([*LISTED, *STRANGE])
    strange = [entry for entry in opened.entries if entry.path in STRANGE]
    assert {entry.path: opened.reader.read(entry) for entry in strange} == {name: os.fsencode(name) for name in STRANGE}
    assert opened.warnings == ()


def test_paths_are_the_same_in_every_locale(tree: Path) -> None:
    (tree / f"mm/{ALPHA}\udcff.c").touch()
    script = f"from converter.tree import open_tree; print(ascii(open_tree({str(tree)!r}).entries[-1].path))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for utf8 in ("0", "1")
    }
    assert seen == {"'mm/\\u03b1\\udcff.c'\n"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("mm/mmap.c", "mm/mmap.c"),
        (f"a b/{ALPHA}.c", f"a b/{ALPHA}.c"),
        ("a\nb", '"a\\nb"'),
        ("\x1b[31m", '"\\033[31m"'),
        ('"', '"\\""'),
        ("\udcff", '"\\377"'),
        ("", '""'),
    ],
)
def test_paths_are_shown_on_one_line_as_git_quotes_them(path: str, text: str) -> None:
    assert shown(path) == text


def test_warnings_are_the_same_in_whatever_order_files_are_met() -> None:
    met = [("mm/b.c", "x"), ("mm/a.c", "x"), ("mm/c.c", "y"), ("arch/z.c", "x"), ("mm/d.c", "y"), ("mm/c.c", "w")]
    lines = set()
    for order in itertools.permutations(met):
        problems = Problems()
        for path, what in order:
            problems.add(what, path)
        lines.add(problems.lines())
    assert lines == {("arch/z.c: x (and 2 more)", "mm/c.c: w", "mm/c.c: y (and 1 more)")}


def before_opening(place: Path, change: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `change` happen just before `place` is opened."""
    really_open = os.open

    def open_changed(path: str, *rest: Any, **keywords: Any) -> int:
        if path == str(place):
            change()
        return really_open(path, *rest, **keywords)

    monkeypatch.setattr(os, "open", open_changed)


def test_a_directory_that_vanishes_while_scanning_is_counted(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_opening(tree / "arch", lambda: (tree / "arch").rename(tmp_path / "arch"), monkeypatch)
    opened = open_tree(tree)
    assert [entry.path for entry in opened.entries] == ["kernel/module.lds", "mm/internal.h", "mm/mmap.c"]
    assert opened.warnings == ("arch: directory not read: No such file or directory",)


def test_a_directory_that_becomes_a_symlink_while_scanning_is_not_followed(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "elsewhere", {"secret.c": ""})

    def replace() -> None:
        (tree / "arch").rename(tmp_path / "arch")
        (tree / "arch").symlink_to(tmp_path / "elsewhere")

    before_opening(tree / "arch", replace, monkeypatch)
    opened = open_tree(tree)
    assert [entry.path for entry in opened.entries] == ["kernel/module.lds", "mm/internal.h", "mm/mmap.c"]
    assert opened.warnings == ("arch: directory not read: Not a directory",)


def test_a_directory_too_deep_for_a_path_is_counted(tree: Path) -> None:
    here = os.open(tree, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    opened = open_tree(tree)
    assert [entry.path for entry in opened.entries] == LISTED
    assert len(opened.warnings) == 1
    assert opened.warnings[0].endswith("directory not read: File name too long")
    shutil.rmtree(tree)


def unreadable(root: Path) -> tuple[list[str], tuple[str, ...], dict[str, bytes | str]]:
    tree = write_files(root / "linux", dict(FILES))
    (tree / "mm/mmap.c").chmod(0)
    (tree / "arch/x86").chmod(0)
    try:
        opened = open_tree(tree)
        read = {e.path: d if isinstance(d, bytes) else str(d) for e, d in opened.reader.read_many(opened.entries)}
        return [entry.path for entry in opened.entries], opened.warnings, read
    finally:
        (tree / "arch/x86").chmod(0o700)


def test_unreadable_files_and_directories_do_not_stop_the_scan(reachable: Path) -> None:
    listed, warnings, read = as_nobody(unreadable, reachable)
    assert listed == ["kernel/module.lds", "mm/internal.h", "mm/mmap.c"]
    assert warnings == ("arch/x86: directory not read: Permission denied",)
    assert read == {
        "kernel/module.lds": FILES["kernel/module.lds"].encode(),
        "mm/internal.h": FILES["mm/internal.h"].encode(),
        "mm/mmap.c": "mm/mmap.c: Permission denied",
    }


def vanish(path: Path) -> None:
    path.unlink()


def become_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_symlink(path: Path) -> None:
    path.unlink()
    path.symlink_to("internal.h")


def become_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("change", [vanish, become_fifo, become_symlink, become_directory])
def test_a_file_that_changes_into_something_else_after_the_listing_is_unreadable(
    tree: Path, change: Callable[[Path], None]
) -> None:
    opened = open_tree(tree)
    change(tree / "mm/mmap.c")
    read = {entry.path: data for entry, data in opened.reader.read_many(opened.entries)}
    assert [path for path, data in read.items() if isinstance(data, Unreadable)] == ["mm/mmap.c"]


def test_a_file_that_grows_after_the_listing_is_read_whole(tree: Path) -> None:
    opened = open_tree(tree)
    (tree / "mm/mmap.c").write_bytes(b"x" * 3_000_000)
    assert len(opened.reader.read(next(entry for entry in opened.entries if entry.path == "mm/mmap.c"))) == 3_000_000


def test_a_file_too_large_for_memory_is_unreadable(tree: Path) -> None:
    with open(tree / "mm/mmap.c", "wb") as huge:
        huge.truncate(LARGEST + 1)
    opened = open_tree(tree)
    (entry,) = (entry for entry in opened.entries if entry.path == "mm/mmap.c")
    assert entry.size == LARGEST + 1
    with pytest.raises(Unreadable, match="larger than 512 MiB"):
        opened.reader.read(entry)


def test_the_real_kernel_is_listed_without_a_warning(kernel: Path) -> None:
    opened = open_tree(kernel)
    assert len(opened.entries) > 50_000
    assert opened.warnings == ()
    assert opened.kernel_version.startswith(("6.", "7."))
