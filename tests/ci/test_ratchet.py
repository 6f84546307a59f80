"""The baseline: what it holds, that it goes down and never up, and what ci makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from converter.ci import baseline
from converter.errors import InputError
from tests.ci.conftest import FILES, OPEN, Repo, brief

MORE = "\nlong more(unsigned long pfn)\n{\n\treturn pfn << PAGE_SHIFT;\n}\n"


def test_a_baseline_counts_uses_by_file_and_function(repo: Repo) -> None:
    made = repo.baseline()
    assert made.files == {
        "fs/open.c": {"fill": 1}, "mm/half.c": {"old_size": 1}, "mm/open.c": {"bytes": 1},
    }  # fmt: skip
    assert made.revision == repo.base
    assert made.total == 3


def test_a_use_more_is_found_and_lines_that_shift_are_not(repo: Repo) -> None:
    known = repo.baseline()
    repo.edit("mm: shift", "mm/open.c", ("unsigned long bytes", "/* a\n * comment\n */\nunsigned long bytes"))
    assert repo.findings(known=known) == []
    repo.edit("mm: more", "mm/open.c", ("}\n", "}\n" + MORE))
    (found,) = repo.findings(known=known)
    assert (found.path, found.line, found.replacement) == ("mm/open.c", 11, "PTE_SHIFT")
    assert found.message == "new use of PAGE_SHIFT: the baseline allows more() none, now 1"


def test_a_line_that_is_edited_is_not_a_use_more(repo: Repo) -> None:
    known = repo.baseline()
    repo.edit("mm: edit", "mm/open.c", ("vma->vm_pgoff << PAGE_SHIFT", "(vma->vm_pgoff + 1) << PAGE_SHIFT"))
    assert repo.findings(known=known) == []


def test_of_edited_and_new_lines_the_new_one_is_named(repo: Repo) -> None:
    known = repo.baseline()
    change = "\tif (!vma)\n\t\treturn PAGE_SIZE;\n\treturn (vma->vm_pgoff + 1) << PAGE_SHIFT"
    repo.edit("mm: both", "mm/open.c", ("\treturn vma->vm_pgoff << PAGE_SHIFT", change))
    (found,) = repo.findings(known=known)
    assert (found.line, found.name) == (4, "PAGE_SIZE")


def test_code_that_moves_to_another_file_is_not_new(repo: Repo) -> None:
    known = repo.baseline()
    repo.commit("mm: move", {"mm/open.c": "int nothing;\n", "mm/moved.c": OPEN})
    assert repo.findings(known=known) == []
    repo.git("mv", "fs/open.c", "fs/renamed.c")
    repo.record("fs: rename")
    repo.edit("fs: edit", "fs/renamed.c", ("0, PAGE_SIZE", "1, PAGE_SIZE"))
    assert repo.findings(known=known) == []
    repo.edit("fs: more", "fs/renamed.c", ("}\n", "}\n" + MORE))
    assert brief(repo.findings(known=known)) == [("new-use", "fs/renamed.c", 8, "PTE_SHIFT")]


def test_a_line_of_two_uses_moves_to_another_file_as_one(repo: Repo) -> None:
    two = "int two(void)\n{\n\treturn check(PAGE_SIZE, PAGE_MASK);\n}\n"
    start = repo.commit("mm: start", {"mm/two.c": two})
    known = repo.baseline()
    repo.commit("mm: move", {"mm/two.c": "int nothing;\n", "mm/other.c": "int before;\n\n" + two})
    assert repo.findings(f"{start}..HEAD", known=known) == []


def test_a_line_that_is_indented_anew_accounts_for_no_copy_in_another_file(repo: Repo) -> None:
    """Also where that file comes first."""
    known = repo.baseline()
    own = OPEN.replace("\treturn", "\t\treturn")
    repo.commit("mm: copy", {"mm/a.c": OPEN.replace("bytes", "more"), "mm/open.c": own})
    assert brief(repo.findings(known=known)) == [("new-use", "mm/a.c", 3, "PTE_SHIFT")]


def test_what_went_may_come_back_as_long_as_the_baseline_allows_it(repo: Repo) -> None:
    known = repo.baseline()
    gone = repo.edit("mm: away", "mm/open.c", (" << PAGE_SHIFT", " << 12"))
    repo.edit("mm: back", "mm/open.c", (" << 12", " << PAGE_SHIFT"))
    assert repo.findings(known=known) == []
    lowered = repo.lowered(known, f"{repo.base}..{gone}")
    assert "mm/open.c" not in lowered.files
    assert brief(repo.findings(f"{gone}..HEAD", known=lowered)) == [("new-use", "mm/open.c", 3, "PTE_SHIFT")]


def test_an_update_lowers_and_never_raises(repo: Repo) -> None:
    known = repo.baseline()
    repo.commit("mm: up and down", {"mm/half.c": "int nothing;\n", "mm/open.c": OPEN + MORE})
    lowered = repo.lowered(known)
    assert lowered.files == {"fs/open.c": {"fill": 1}, "mm/open.c": {"bytes": 1}}


def test_an_update_follows_renames(repo: Repo) -> None:
    known = repo.baseline()
    repo.git("mv", "mm/open.c", "mm/other.c")
    repo.record("mm: rename")
    lowered = repo.lowered(known)
    assert lowered.files["mm/other.c"] == {"bytes": 1}


def test_a_baseline_is_only_lowered_where_that_is_asked_for(repo: Repo) -> None:
    repo.commit("mm: down", {"mm/half.c": "int nothing;\n"})
    assert repo.outcome(f"{repo.base}..HEAD", known=repo.baseline()).lowered is None


# A scheme that keeps PAGE_SIZE for one unit: what is decided for that unit is right as it stands.

MMUPAGE = {
    "Makefile": FILES["Makefile"],
    "arch/x86/include/asm/page.h": (
        "#define PAGE_SHIFT 16\n#define PAGE_SIZE 65536\n#define MMUPAGE_SHIFT 12\n#define MMUPAGE_SIZE 4096\n"
    ),
    "mm/both.c": (
        "unsigned long clear(unsigned int o)\n{\n\treturn PAGE_SIZE << my_order(o);\n}\n\n"
        "unsigned long step(unsigned long addr, pte_t *pte)\n{\n\taddr += PAGE_SIZE;\n\tpte++;\n\treturn addr;\n}\n"
    ),
    "mm/right.c": (
        "void wipe(unsigned int o, unsigned long addr, pte_t *pte)\n{\n"
        "\tuse(PAGE_SIZE << my_order(o));\n\taddr += MMUPAGE_SIZE;\n\tpte++;\n}\n"
    ),
}
RIGHT = "\n\nunsigned long again(unsigned int o)\n{\n\treturn PAGE_SIZE << my_order(o);\n}\n"


def test_uses_that_a_scheme_keeps_are_not_in_its_baseline(make_repo: Callable[..., Repo]) -> None:
    repo = make_repo(MMUPAGE)
    assert repo.baseline(scheme="mmupage").files == {"mm/both.c": {"step": 1}}
    assert repo.baseline().files["mm/both.c"] == {"clear": 1, "step": 1}


def test_the_ratchet_lets_uses_in_that_a_scheme_keeps(make_repo: Callable[..., Repo]) -> None:
    repo = make_repo(MMUPAGE)
    known = repo.baseline(scheme="mmupage")
    repo.edit("mm: right", "mm/both.c", ("return addr;\n}\n", "return addr;\n}\n" + RIGHT))
    assert repo.findings(known=known, scheme="mmupage") == []
    repo.edit("mm: wrong", "mm/both.c", ("return addr;", "return addr + PAGE_SIZE;"))
    assert brief(repo.findings(known=known, scheme="mmupage")) == [("new-use", "mm/both.c", 10, "MMUPAGE_SIZE")]


def test_an_update_counts_what_a_scheme_has_left(make_repo: Callable[..., Repo]) -> None:
    repo = make_repo(MMUPAGE)
    known = repo.baseline(scheme="mmupage")
    repo.edit("mm: step", "mm/both.c", ("addr += PAGE_SIZE", "addr += MMUPAGE_SIZE"))
    assert repo.lowered(known, scheme="mmupage").files == {}


def test_code_whose_only_uses_are_right_is_converted(make_repo: Callable[..., Repo]) -> None:
    """A function that has names of the scheme and PAGE_SIZE where that is right; a new file beside it."""
    repo = make_repo({n: text for n, text in MMUPAGE.items() if n != "mm/both.c"})
    wrong = "unsigned long next(unsigned long addr, pte_t *pte)\n{\n\taddr += PAGE_SIZE;\n\tpte++;\n\treturn addr;\n}\n"
    repo.commit("mm: new", {"mm/new.c": wrong})
    repo.edit("mm: more", "mm/right.c", ("\tpte++;\n", "\tpte++;\n\taddr += PAGE_SIZE;\n"))
    assert brief(repo.findings(scheme="mmupage")) == [
        ("new-use", "mm/new.c", 3, "MMUPAGE_SIZE"), ("new-use", "mm/right.c", 6, "MMUPAGE_SIZE"),
    ]  # fmt: skip


def test_a_baseline_reads_back_as_it_was_written(repo: Repo, tmp_path: Path) -> None:
    made = repo.baseline()
    file = tmp_path / "baseline.json"
    file.write_bytes(made.encoded())
    assert baseline.load(file, "pte-pg") == made
    assert made.encoded() == baseline.load(file, "pte-pg").encoded()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "pgconv.baseline/9"}, "a baseline of version pgconv.baseline/9, not pgconv.baseline/1"),
        ({"schema": 3}, "not a baseline"),
        ({"scheme": "mmupage"}, "a baseline of scheme mmupage"),
        ({"files": {"a.c": {"f": "many"}}}, "a damaged baseline"),
        ({"files": {"a.c": {"f": -1}}}, "a damaged baseline: Expected `int` >= 0 .*; make it anew with pgconv"),
        ({"files": {"a.c": {"f": 1.5}}}, "a damaged baseline: Expected `int`, got `float`"),
        ({"files": {"a.c": {"f": True}}}, "a damaged baseline: Expected `int`, got `bool`"),
    ],
)
def test_a_baseline_that_cannot_be_used_is_refused(
    repo: Repo, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps({**json.loads(repo.baseline().encoded()), **change}))
    with pytest.raises(InputError, match=said):
        baseline.load(file, "pte-pg")


def test_a_baseline_of_another_pgconv_is_read_where_the_format_is_the_same(repo: Repo, tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    made = repo.baseline()
    file.write_bytes(msgspec.structs.replace(made, pgconv="9.9").encoded())
    assert baseline.load(file, "pte-pg").files == made.files


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"{"])
def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "baseline.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match="not a baseline"):
        baseline.load(file, "pte-pg")
    with pytest.raises(InputError, match="cannot be read"):
        baseline.load(tmp_path / "nothing.json", "pte-pg")
