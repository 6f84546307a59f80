"""The tree that travels with pgconv is what it claims to be: kernel-like, compilable, and odd where real trees are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FAMILY = re.compile(rb"\b(?:PAGE_SIZE|PAGE_SHIFT|PAGE_MASK|PAGE_ALIGN|PAGE_ALIGNED|PAGE_ALIGN_DOWN|offset_in_page)\b")

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")


def test_it_looks_like_a_kernel_tree(demo_tree: Path) -> None:
    for marker in ("Makefile", "Kbuild", "MAINTAINERS", "mm", "include/linux", "arch/x86"):
        assert (demo_tree / marker).exists(), marker
    assert re.search(r"^VERSION = \d+\nPATCHLEVEL = \d+$", (demo_tree / "Makefile").read_text(), re.MULTILINE)


def test_it_uses_every_name_of_the_family_many_times(demo_tree: Path) -> None:
    names = [name for file in demo_tree.rglob("*.[chS]") for name in FAMILY.findall(file.read_bytes())]
    assert len(names) >= 120
    assert len(set(names)) == 7


def test_it_has_the_odd_files_of_a_real_tree(demo_tree: Path) -> None:
    latin1 = (demo_tree / "drivers/misc/demo_latin1.c").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        latin1.decode("utf-8")
    crlf = (demo_tree / "drivers/misc/demo_crlf.c").read_bytes()
    assert crlf.count(b"\r\n") == crlf.count(b"\n") > 0
    assert list(demo_tree.rglob("*.lds.S"))
    assert list(demo_tree.glob("arch/x86/kernel/head_*.S"))


@needs_gcc
def test_it_compiles_without_a_warning(demo_tree: Path) -> None:
    sources = sorted(file for file in demo_tree.rglob("*.c") if "tools" not in file.parts)
    flags = ["-std=gnu11", "-ffreestanding", "-fno-builtin", "-nostdinc", "-Wall", "-Wno-unused", "-Wno-pointer-sign"]
    done = subprocess.run(
        ["gcc", *flags, "-fsyntax-only", "-Iinclude", "-Iarch/x86/include", *sources],
        cwd=demo_tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
