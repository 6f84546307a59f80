"""A repository made from the real tree, with a history that is written here: what a conversion of mm goes through."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from converter.ci.finding import Finding
from converter.csource.text import mask
from converter.vocabulary import scheme, vocabulary
from tests.ci.conftest import Repo, brief
from tests.tree.conftest import write_files

PARTS = ("mm", "ipc", "include/linux", "include/asm-generic", "arch/x86/mm", "arch/x86/include", "fs/ext4", "io_uring")
HALF = "static long do_mincore("
NAMES = """
#define PTE_SHIFT		PAGE_SHIFT
#define PTE_SIZE		(_AC(1, UL) << PTE_SHIFT)
#define PTE_MASK		(~(PTE_SIZE - 1))
#define PG_SHIFT		CONFIG_PG_SHIFT
#define PG_SIZE			(_AC(1, UL) << PG_SHIFT)
#define PG_MASK			(~(PG_SIZE - 1))
"""
SCHEME = scheme("pte-pg")
WORD = re.compile(r"\b(" + "|".join(sorted(vocabulary().family, reverse=True)) + r")\b")


def converted(text: str) -> str:
    """Every name of the family as PTE."""
    return WORD.sub(lambda m: SCHEME.names[m[1]]["pte"], text)


class Tree(Repo):
    """The repository, and the commits that its later tests begin with."""

    introduced = ""
    half = ""

    def text(self, path: str) -> str:
        return (self.root / path).read_bytes().decode("utf-8", "surrogateescape")

    def put(self, subject: str, path: str, text: str) -> str:
        return self.commit(subject, {path: text.encode("utf-8", "surrogateescape")})

    def of(self, commit: str) -> list[Finding]:
        """What is found in one commit."""
        return self.findings(f"{commit}^..{commit}")


@pytest.fixture(scope="module")
def real(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """Linux 6.12, a part of it, in which the scheme is introduced and mm/mremap.c converted."""
    root = tmp_path_factory.mktemp("real") / "linux"
    files: dict[str, str | bytes] = {"Makefile": (kernel / "Makefile").read_bytes()}
    tree = Tree(root, files)
    for part in PARTS:
        shutil.copytree(kernel / part, root / part, symlinks=True)
    for path in sorted((kernel / "fs").glob("*.[ch]")):
        write_files(root, {f"fs/{path.name}": path.read_bytes()})
    shutil.copy(kernel / ".gitignore", root)
    tree.base = tree.record("Linux 6.12")
    yield tree
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def spoken(real: Tree) -> Tree:
    """The scheme is introduced where x86 defines its page size; then mm/mremap.c and half of mm/mincore.c speak it."""
    path = "arch/x86/include/asm/page_types.h"
    line = "#define PAGE_MASK\t\t(~(PAGE_SIZE-1))\n"
    header = path if line in real.text(path) else "include/vdso/page.h"
    real.introduced = real.put("x86: the names", header, real.text(header).replace(line, line + NAMES))
    real.put("mm: mremap speaks PTE", "mm/mremap.c", converted(real.text("mm/mremap.c")))
    head, tail = real.text("mm/mincore.c").split(HALF, 1)
    real.half = real.put("mm: half of mincore", "mm/mincore.c", head + HALF + converted(tail))
    return real


@pytest.fixture(autouse=True)
def as_it_was(real: Tree, spoken: Tree) -> Iterator[None]:
    """Each test leaves the history as it found it."""
    head = real.git("rev-parse", "HEAD")
    yield
    real.git("checkout", "-q", "-f", "master")
    real.git("reset", "-q", "--hard", head)


def test_the_introduction_finds_the_name_that_x86_has_already(spoken: Tree) -> None:
    found = spoken.of(spoken.introduced)
    assert [(f.rule, f.name) for f in found] == [("redefinition", "PTE_SHIFT")]
    assert "arch/x86/include/asm/pgtable.h defines already" in found[0].message


def test_a_conversion_of_a_whole_file_and_of_half_a_file_is_clean(spoken: Tree) -> None:
    assert [f for f in spoken.of("HEAD^") if f.rule in ("new-use", "unit-error")] == []
    assert [f for f in spoken.of(spoken.half) if f.rule in ("new-use", "unit-error")] == []


def test_a_revert_of_half_a_file_is_a_finding_for_each_use(spoken: Tree) -> None:
    spoken.git("revert", "--no-edit", spoken.half)
    found = [f for f in spoken.of("HEAD") if f.rule == "new-use"]
    _, tail = spoken.text("mm/mincore.c").split(HALF, 1)
    in_code = mask(tail.encode()).decode()
    assert len(found) == len(WORD.findall(in_code)) > 3
    assert all("PTE" in f.replacement.upper() for f in found if f.replacement is not None)


def test_a_new_use_in_the_converted_file_is_found_through_a_rename(spoken: Tree) -> None:
    spoken.git("mv", "mm/mremap.c", "mm/moving.c")
    spoken.edit("mm: rename", "mm/moving.c", ("old_end = old_addr + len;", "old_end = old_addr + len + PAGE_SIZE;"))
    (found,) = [f for f in spoken.of("HEAD") if f.rule == "new-use"]
    assert (found.path, found.name) == ("mm/moving.c", "PAGE_SIZE")


def test_the_wrong_unit_is_an_error_on_its_line_alone(spoken: Tree) -> None:
    line = next(x for x in spoken.text("mm/mremap.c").split("\n") if ">> PTE_SHIFT" in x and "vm_pgoff" in x)
    spoken.edit("mm: wrong", "mm/mremap.c", (line, line.replace("PTE_SHIFT", "PG_SHIFT")))
    (found,) = spoken.of("HEAD")
    assert (found.rule, found.name, found.replacement) == ("unit-error", "PG_SHIFT", "PTE_SHIFT")


def test_a_count_that_goes_elsewhere_turns_uses_in_other_files(real: Tree) -> None:
    """What splice() allocates is pinned instead: the pipe's size now counts what GUP finds."""
    real.edit(
        "splice", "fs/splice.c", ("alloc_pages_bulk_array(GFP_USER, npages, ", "pin_user_pages(start, npages, 0, ")
    )
    found = [f for f in real.of("HEAD") if f.rule == "silent-change"]
    assert {"fs/pipe.c", "fs/splice.c", "mm/filemap.c"} <= {f.path for f in found}
    assert all(re.search("was PG and is PTE|was PG; with this commit both", f.message) for f in found)
    for f in found:
        assert any("pin_user_pages()" in step.why for step in f.evidence), f
        assert any("alloc_pages_bulk_array()" in step.why for step in f.against), f


def test_an_argument_that_another_file_passes_is_named_with_its_unit(real: Tree) -> None:
    """A helper of ext4 is called with an offset of a VMA where it had a page-cache index."""
    user = "\nunsigned long pgconv_bytes(unsigned long n)\n{\n\treturn use(n << PAGE_SHIFT);\n}\n"
    caller = (
        "\nvoid pgconv_call(struct folio *folio, struct vm_area_struct *vma)\n{\n\tpgconv_bytes(folio->index);\n}\n"
    )
    real.commit(
        "helper", {"fs/ext4/page-io.c": real.text("fs/ext4/page-io.c") + user,
                   "fs/ext4/readpage.c": real.text("fs/ext4/readpage.c") + caller},
    )  # fmt: skip
    real.edit("turn", "fs/ext4/readpage.c", ("pgconv_bytes(folio->index)", "pgconv_bytes(vma->vm_pgoff)"))
    (found,) = real.of("HEAD")
    assert (found.rule, found.path) == ("silent-change", "fs/ext4/page-io.c")
    assert found.message == "PAGE_SHIFT was PG and is PTE with this commit"
    assert found.evidence[-1].why.startswith("vm_area_struct.vm_pgoff is pte")
    assert found.against[-1].why == "file systems count and split what the page cache holds"


def test_what_is_no_edit_of_code_is_clean(spoken: Tree) -> None:
    start = spoken.git("rev-parse", "HEAD")
    (spoken.root / "mm/mremap.c").chmod(0o755)
    spoken.record("mode")
    spoken.commit("binary", {"mm/firmware.bin": bytes(range(256)) * 64})
    text = spoken.text("mm/mincore.c")
    spoken.put("crlf", "mm/mincore.c", text.replace("\n", "\r\n"))
    spoken.put("lf", "mm/mincore.c", text)
    spoken.git("rm", "-q", "mm/msync.c")
    spoken.record("deletion")
    body = spoken.text("mm/mlock.c")
    at = (
        body.index("static bool can_do_mlock")
        if "static bool can_do_mlock" in body
        else body.index("bool can_do_mlock")
    )
    end = body.index("\n}\n", at) + 3
    spoken.commit(
        "move a function",
        {"mm/mlock.c": body[:at] + body[end:], "mm/util.c": spoken.text("mm/util.c") + "\n" + body[at:end]},
    )
    spoken.git("checkout", "-q", "-b", "side", start)
    spoken.edit("side", "mm/mremap.c", ("#include", "/* side */\n#include"))
    spoken.git("checkout", "-q", "master")
    spoken.git("merge", "-q", "--no-edit", "side")
    judgement = spoken.judge(f"{start}..HEAD")
    assert len(judgement.commits) == 8
    assert brief([f for f in judgement.findings if f.rule != "silent-change"]) == []


def test_the_ratchet_holds_on_the_real_tree(real: Tree) -> None:
    known = real.baseline("HEAD")
    assert known.total > 2000
    real.edit(
        "mm: more",
        "mm/mmap.c",
        ("\nint ", "\nunsigned long pgconv_more(unsigned long pfn)\n{\n\treturn pfn << PAGE_SHIFT;\n}\n\nint "),
    )
    (found,) = [f for f in real.findings("HEAD^..HEAD", known=known) if f.rule == "new-use"]
    assert (found.name, found.replacement) == ("PAGE_SHIFT", "PTE_SHIFT")
    assert "pgconv_more() none, now 1" in found.message


def test_an_update_of_the_real_ratchet_lowers_and_never_raises(real: Tree) -> None:
    known = real.baseline("HEAD")
    more = "\nunsigned long pgconv_more(unsigned long pfn)\n{\n\treturn pfn << PAGE_SHIFT;\n}\n"
    before = known.files["mm/mlock.c"]
    real.put("mm: fewer", "mm/mlock.c", converted(real.text("mm/mlock.c")))
    real.put("mm: more", "mm/mmap.c", real.text("mm/mmap.c") + more)
    lowered = real.lowered(known, "HEAD~2..HEAD")
    assert sum(before.values()) > 3
    assert lowered.total == known.total - sum(before.values())
    assert {p: own for p, own in known.files.items() if p != "mm/mlock.c"} == lowered.files
    assert [f.path for f in real.findings("HEAD~2..HEAD", known=lowered) if f.rule == "new-use"] == ["mm/mmap.c"]
    assert real.lowered(lowered, "HEAD~2..HEAD").files == lowered.files


def test_git_takes_the_fix_ups_of_the_real_tree_and_nothing_is_left_to_find(spoken: Tree, tmp_path: Path) -> None:
    start = spoken.git("rev-parse", "HEAD")
    line = next(x for x in spoken.text("mm/mremap.c").split("\n") if ">> PTE_SHIFT" in x and "vm_pgoff" in x)
    old_end = ("old_end = old_addr + len;", "old_end = old_addr + len + PAGE_SIZE;")
    spoken.edit("mm: wrong", "mm/mremap.c", (line, line.replace("PTE_SHIFT", "PG_SHIFT")), old_end)
    spoken.git("revert", "--no-edit", spoken.half)
    done = spoken.outcome(f"{start}..HEAD", suggest=True)
    fixed = [f for f in done.judgement.findings if f.replacement is not None]
    assert len(fixed) > 5
    (tmp_path / "all.mbox").write_bytes(done.patches)
    spoken.git("am", "-q", str(tmp_path / "all.mbox"))
    assert spoken.git("diff", "--shortstat", "HEAD~2").startswith("2 files changed")
    spoken.git("-c", "sequence.editor=true", "rebase", "-q", "-i", "--autosquash", start)
    assert spoken.git("rev-list", "--count", f"{start}..HEAD") == "2"
    left = len(done.judgement.findings) - len(fixed)
    assert len(spoken.findings(f"{start}..HEAD")) <= left


def test_many_commits_are_quick(real: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a benchmark: that a commit costs its files, and not the tree."""
    start = real.git("rev-parse", "HEAD")
    real.findings("HEAD")
    for n in range(20):
        real.edit(f"edit {n}", "mm/mmap.c", ("\nint ", f"\nint pgconv_{n}(void) {{ return PAGE_SIZE; }}\nint "))
    began = time.perf_counter()
    judgement = real.judge(f"{start}..HEAD")
    took = time.perf_counter() - began
    with capsys.disabled():
        print(f"\n{len(judgement.commits)} commits of the real tree judged in {took:.1f} s")
    assert took < 30
