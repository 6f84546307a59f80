"""A history of the real tree, written here: a move, a merge, a deletion, CR LF, half a conversion, its revert."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from converter.csource.text import mask
from converter.progress import walk
from converter.progress.record import LEFT, History
from converter.tree.entry import Entry
from converter.tree.git import GitReader
from tests.ci.test_kernel_history import HALF, NAMES, WORD, converted
from tests.conftest import Run
from tests.progress.conftest import Repo, total

PARTS = ("mm", "ipc", "include/linux", "include/asm-generic", "arch/x86/include", "arch/x86/mm")
HEADER = "arch/x86/include/asm/page_types.h"
LINE = "#define PAGE_MASK\t\t(~(PAGE_SIZE-1))\n"
MORE = "\nunsigned long pgconv_more(unsigned long pfn)\n{\n\treturn pfn << PAGE_SHIFT;\n}\n"


class Real(Repo):
    """The history, with text of the tree that need not be UTF-8."""

    header = ""
    """Where the page size is defined."""

    def text(self, path: str) -> str:
        return (self.root / path).read_bytes().decode("utf-8", "surrogateescape")

    def put(self, day: str, subject: str, path: str, text: str) -> str:
        return self.commit(day, {path: text.encode("utf-8", "surrogateescape")}, subject)


@pytest.fixture(scope="module")
def real(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    repo = Real(tmp_path_factory.mktemp("months") / "linux")
    for part in PARTS:
        shutil.copytree(kernel / part, repo.root / part, symlinks=True)
    for name in ("Makefile", "MAINTAINERS", ".gitignore"):
        shutil.copy(kernel / name, repo.root)
    repo.commit("2024-01-10", {}, "Linux 6.12")
    # February: nothing that adds or takes a use.
    repo.git("mv", "mm/mremap.c", "mm/moving.c")
    (repo.root / "mm/mlock.c").chmod(0o755)
    repo.commit("2024-02-01", {"mm/firmware.bin": bytes(range(256)) * 64}, "mm: a move, a mode, a binary file")
    repo.put("2024-02-02", "mm: crlf", "mm/vmalloc.c", repo.text("mm/vmalloc.c").replace("\n", "\r\n"))
    # March: a merge brings a use, a file goes.
    repo.git("checkout", "-q", "-b", "side")
    repo.put("2024-03-01", "side: more", "mm/moving.c", repo.text("mm/moving.c") + MORE)
    repo.git("checkout", "-q", "master")
    repo.commit("2024-03-02", {"mm/msync.c": None}, "mm: away with msync")
    repo.git("merge", "-q", "--no-ff", "-m", "Merge side", "side", day="2024-03-15")
    # April: the scheme's names, and half a file that speaks them. May: that is taken back.
    repo.header = HEADER if LINE in repo.text(HEADER) else "include/vdso/page.h"
    repo.put("2024-04-01", "x86: the names", repo.header, repo.text(repo.header).replace(LINE, LINE + NAMES))
    head, tail = repo.text("mm/mincore.c").split(HALF, 1)
    half = repo.put("2024-04-02", "mm: half of mincore", "mm/mincore.c", head + HALF + converted(tail))
    repo.git("revert", "--no-edit", half, day="2024-05-01")
    yield repo
    shutil.rmtree(repo.root)


@pytest.fixture(scope="module")
def months(real: Real) -> History:
    return real.history("HEAD", "month")


def test_each_month_has_the_uses_of_a_scan_of_its_tree(real: Real, months: History, pgconv: Run) -> None:
    """File by file; a walk may leave a few uses in review that a scan decides, or the reverse (docs/report.md)."""
    assert [s.label for s in months.steps] == ["2024-01", "2024-02", "2024-03", "2024-04", "2024-05"]
    apart = 0
    for step, files in zip(months.steps, months.files, strict=True):
        done = pgconv("scan", real.root, "--rev", step.commit, "--format", "json")
        assert done.returncode == 0, done.stderr
        sites = [s for s in json.loads(done.stdout)["sites"] if not s["derived"]]
        in_code = [s for s in sites if s["status"] in ("decided", "review", "logic")]
        assert {p: total({p: c}) for p, c in files.items() if total({p: c})} == Counter(s["path"] for s in in_code)
        for status in ("definition", "inert"):
            assert total(files, status) == sum(s["status"] == status for s in sites)
        units = Counter(s["unit"] if s["status"] == "decided" else s["status"] for s in in_code)
        apart += sum(abs(total(files, name) - units[name]) for name in LEFT)
        assert sum(units.values()) > 1500
    assert apart <= 5 * len(months.steps)


def test_what_is_no_edit_of_code_changes_no_count(months: History) -> None:
    january, february = months.files[:2]
    assert january["mm/mremap.c"] == february["mm/moving.c"]
    assert "mm/mremap.c" not in february
    assert january["mm/vmalloc.c"] == february["mm/vmalloc.c"]
    assert total(january) == total(february)


def test_a_merge_and_a_deletion_count_once(real: Real, months: History) -> None:
    february, march = months.files[1:3]
    gone = total({"": february["mm/msync.c"]})
    assert gone > 0
    assert total(march) == total(february) + 1 - gone
    assert total({"": march["mm/moving.c"]}) == total({"": february["mm/moving.c"]}) + 1


def test_half_a_file_is_converted_and_taken_back(real: Real, months: History) -> None:
    march, april, may = (files["mm/mincore.c"] for files in months.files[2:])
    in_code = mask(real.text("mm/mincore.c").split(HALF, 1)[1].encode()).decode()
    assert total({"": april}, "converted pte") == len(WORD.findall(in_code)) > 3
    assert total({"": april}) == total({"": march}) - len(WORD.findall(in_code))
    assert may == march


def test_the_newest_uses_name_the_commits_that_brought_them(real: Real, months: History) -> None:
    """What a revert brings back is new in its month: the month before had not got it."""
    turned = total({"": months.files[3]["mm/mincore.c"]}, "converted pte")
    came = [
        (u.path, u.source if u.path != "mm/mincore.c" else "", u.origin and u.origin.subject) for u in months.newest
    ]
    assert came == [
        *[("mm/mincore.c", "", 'Revert "mm: half of mincore"')] * turned,
        (real.header, "#define PTE_SHIFT\t\tPAGE_SHIFT", "x86: the names"),
        ("mm/moving.c", "return pfn << PAGE_SHIFT;", "side: more"),
    ]


def test_a_second_run_reads_nothing_of_the_tree(real: Real, months: History, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: GitReader, entries: Sequence[Entry]) -> None:
        raise AssertionError(f"read again: {entries}")

    monkeypatch.setattr(GitReader, "read_many", refuse)
    monkeypatch.setattr(walk, "whole", refuse)
    assert real.history("HEAD", "month") == months


def test_every_subsystem_is_a_section_of_maintainers(real: Real, months: History) -> None:
    sections = set(real.text("MAINTAINERS").split("\n"))
    assert months.subsystems["mm/vmalloc.c"] in sections
    assert months.subsystems["arch/x86/mm/fault.c"].startswith("X86 ")
    assert set(months.subsystems.values()) <= sections
