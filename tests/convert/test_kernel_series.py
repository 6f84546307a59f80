"""Series of the real kernel: mm/, ipc/, x86's mm/ and every header that they may need, cut out of the tree."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import tree_sitter_c
from tree_sitter import Language, Parser

from converter.convert.maintainers import Maintainers
from tests.conftest import Run
from tests.convert.conftest import WHO, Git

PARTS = ("Makefile", "MAINTAINERS", "arch/Kconfig", "arch/x86/Kconfig", "arch/x86/mm", "mm", "ipc", "include/linux")


@pytest.fixture(scope="module")
def cut(kernel: Path, tmp_path_factory: pytest.TempPathFactory, git: Git) -> Path:
    """A repository with the part of the tree."""
    place = tmp_path_factory.mktemp("kernel") / "linux"
    headers = [str(p.relative_to(kernel)) for p in sorted(kernel.glob("arch/*/include/asm"))]
    for part in (*PARTS, *headers):
        source, target = kernel / part, place / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    git(place, "init", "-q", "-b", "master")
    git(place, "add", "-Af", ".")
    git(place, "commit", "-q", "-m", "base")
    return place


@pytest.fixture(scope="module")
def patches(cut: Path, pgconv: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("series") / "out"
    done = pgconv("convert", cut, "-o", directory, "--signoff", WHO)
    assert done.returncode == 0, done.stderr
    return sorted(directory.glob("[0-9]*.patch"))[1:]


@pytest.fixture(scope="module")
def applied(cut: Path, patches: list[Path], git: Git) -> Path:
    git(cut, "am", "-q", *patches)
    return cut


def test_every_patch_applies(applied: Path, patches: list[Path], git: Git) -> None:
    assert int(git(applied, "rev-list", "--count", "HEAD")) == len(patches) + 1
    assert len(patches) > 50


def test_taken_names_are_free_before_they_are_introduced(applied: Path) -> None:
    text = (applied / "arch/x86/include/asm/pgtable.h").read_text()
    assert "#define X86_PTE_SHIFT ilog2(PTRS_PER_PTE)" in text
    assert "(PAGE_SHIFT - X86_PTE_SHIFT) + level * X86_PTE_SHIFT" in re.sub(r"\bPTE_SHIFT\b", "PAGE_SHIFT", text)
    for header in ("arch/parisc/include/asm/pgtable.h", "arch/sh/include/asm/pgtable-2level.h"):
        assert not re.search(r"#define[ \t]+PTE_SHIFT\b", (applied / header).read_text())


def test_every_architecture_gets_both_sizes(applied: Path) -> None:
    text = "".join(p.read_text() for p in (applied / "arch").rglob("page*.h"))
    assert len(re.findall(r"#if PTE_SHIFT == PG_SHIFT", text)) >= 20
    assert re.search(r"#define PTE_MASK\s+\(~\(\(1 << PTE_SHIFT\) - 1\)\)", text)


def test_lines_of_mm_h_stay_where_warnings_are(applied: Path, kernel: Path) -> None:
    def warnings(tree: Path) -> list[int]:
        lines = (tree / "include/linux/mm.h").read_text().split("\n")
        return [i for i, line in enumerate(lines) if re.search(r"\b(WARN|BUG)\w*\(", line)]

    assert warnings(applied) == warnings(kernel)


def test_converted_files_parse_to_the_same_tree(applied: Path, kernel: Path) -> None:
    parser = Parser(Language(tree_sitter_c.language()))
    changed = 0
    for file in sorted(f for part in ("mm", "arch/x86/mm") for f in (applied / part).glob("*.c")):
        old, new = (kernel / file.relative_to(applied)).read_bytes(), file.read_bytes()
        changed += old != new
        assert old == new or str(parser.parse(old).root_node) == str(parser.parse(new).root_node), file
    assert changed > 60


def test_no_patch_is_too_large(patches: list[Path]) -> None:
    for p in patches:
        lines = p.read_bytes().split(b"\n")
        changed = sum(x[:1] in (b"+", b"-") and x[:3] not in (b"+++", b"---", b"-- ") for x in lines)
        assert changed <= 500 or sum(x.startswith(b"diff --git") for x in lines) == 1, p.name


def test_subjects_fit_begin_as_subsystems_write_them_and_are_all_different(patches: list[Path]) -> None:
    subjects = []
    for p in patches:
        found = re.search(r"^Subject: \[PATCH \d+/\d+\] (.*)$", p.read_text(errors="replace"), re.M)
        assert found is not None
        assert len(found[1]) <= 75, found[1]
        assert re.match(r"[\w/: .-]+: ", found[1]), found[1]
        subjects.append(found[1])
    assert len(set(subjects)) == len(subjects)


def test_mm_patches_go_to_mm_s_maintainers(patches: list[Path]) -> None:
    text = next(p for p in patches if "-mm-" in p.name).read_text()
    assert "linux-mm@kvack.org" in text


def test_the_kernel_s_maintainers_are_read(kernel: Path) -> None:
    known = Maintainers((kernel / "MAINTAINERS").read_text(), lambda p: (kernel / p).is_dir())
    assert len(known.sections) > 2000
    assert known.of("mm/mremap.c")[-1].name == "THE REST"
    assert "MEMORY MANAGEMENT" in [s.name for s in known.of("mm/mremap.c")]
    assert [s.name for s in known.of("fs/ext4/inode.c")][0].startswith("EXT4")  # noqa: RUF015


def test_a_second_conversion_changes_nothing(applied: Path, pgconv: Run) -> None:
    done = pgconv("convert", applied, errors="surrogateescape")
    assert (done.returncode, done.stdout) == (0, "")
