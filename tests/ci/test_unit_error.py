"""Rule unit-error: a commit answers for the errors that its parent has not, and for no others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ci.conftest import FILES, PAGE_H, Repo, brief

NAME = "\treturn map(addr, pfn << PG_SHIFT);\n"
"""The units say PTE."""
MEETING = "\tif (page_to_pfn(page) == folio_nr_pages(folio))\n"
OLD = (
    "int first(unsigned long addr, unsigned long pfn)\n{\n" + NAME + "}\n\n"
    "int second(struct page *page, struct folio *folio)\n{\n" + MEETING + "\t\treturn 1;\n\treturn 0;\n}\n"
)
PATH = "mm/old.c"
KINDS = {"a name": NAME, "a meeting": MEETING}


@pytest.fixture
def old(make_repo: Callable[..., Repo]) -> Repo:
    """A repository with a file that has an error of each kind."""
    return make_repo({**FILES, PATH: OLD})


def errors(repo: Repo) -> list[tuple[str, int]]:
    """Path and line of what is found; nothing of another rule is."""
    found = repo.findings()
    assert {f.rule for f in found} <= {"unit-error"}
    return [(f.path, f.line) for f in found]


def test_the_file_has_an_error_of_each_kind(repo: Repo) -> None:
    repo.commit("mm: new", {PATH: OLD})
    assert errors(repo) == [(PATH, 3), (PATH, 8)]


@pytest.mark.parametrize(
    "changed",
    [
        OLD.replace("\t", "        "),
        OLD.replace("\n", "\r\n"),
        OLD.replace(";\n", "; \n").replace("))\n", ")) \n"),
        OLD.replace(";\n", "; /* why */\n").replace("))\n", ")) /* why */\n"),
        OLD.replace("(addr, ", "(addr,\n\t\t   ").replace(" == folio", " ==\n\t    folio"),
        OLD.replace("int first", "int one").replace("int second", "int two").replace("\t", "  "),
        "\n\n".join(reversed(OLD.rstrip("\n").split("\n\n"))) + "\n",
    ],
    ids=["indented anew", "CR LF", "a trailing blank", "a comment", "wrapped", "functions renamed", "moved"],
)
def test_an_error_of_the_parent_is_not_the_commits(old: Repo, changed: str) -> None:
    assert changed != OLD
    old.commit("mm: change", {PATH: changed})
    assert errors(old) == []


@pytest.mark.parametrize("text", [OLD, OLD.replace("\t", "    "), "int more;\n" + OLD.replace("(addr, ", "(addr,\n\t")])
def test_a_file_that_is_renamed_keeps_its_errors(old: Repo, text: str) -> None:
    old.commit("mm: rename", {PATH: None, "mm/another.c": text})
    assert errors(old) == []


@pytest.mark.parametrize("change", [("\t", "    "), ("(addr, ", "(addr,\n\t")], ids=["indented anew", "wrapped"])
def test_a_function_that_moves_to_another_file_keeps_its_errors(old: Repo, change: tuple[str, str]) -> None:
    first, second = (part.rstrip("\n") + "\n" for part in OLD.split("\n\n"))
    text = (old.root / "mm/converted.c").read_text()
    old.commit("mm: move", {PATH: first, "mm/converted.c": text + "\n" + second.replace(*change)})
    old.commit("mm: move", {PATH: "int nothing;\n", "mm/half.c": FILES["mm/half.c"] + "\n" + first.replace(*change)})
    assert errors(old) == []


def test_a_conversion_that_only_renames_brings_no_error(make_repo: Callable[..., Repo]) -> None:
    code = "int f(struct page *page)\n{\n\treturn page_to_pfn(page) > (page_to_pfn(page) + 1) << PAGE_SHIFT;\n}\n"
    repo = make_repo({**FILES, "mm/old.c": code})
    repo.edit("mm: convert", "mm/old.c", ("PAGE_SHIFT", "PTE_SHIFT"))
    assert errors(repo) == []
    repo.commit("mm: new", {"mm/new.c": code.replace("PAGE_SHIFT", "PTE_SHIFT")})
    assert errors(repo) == [("mm/new.c", 3)]


def test_a_conversion_to_the_wrong_unit_is_an_error(make_repo: Callable[..., Repo]) -> None:
    repo = make_repo({**FILES, PATH: OLD.replace("PG_SHIFT", "PAGE_SHIFT")})
    repo.edit("mm: convert", PATH, ("PAGE_SHIFT", "PG_SHIFT"))
    assert brief(repo.findings()) == [("unit-error", PATH, 3, "PTE_SHIFT")]


def copied(line: str) -> str:
    """A function with a copy of a line, which for git is another one."""
    head = "int copy(unsigned long addr, struct page *page, struct folio *folio)\n{\n"
    return f"{head}\t\t\t{line}\t\treturn 1;\n}}\n"


@pytest.mark.parametrize("line", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("before", [True, False], ids=["before it", "behind it"])
def test_a_second_copy_of_an_error_is_new(old: Repo, line: str, before: bool) -> None:
    """The one that was there is indented anew: the error of its function accounts for it, wherever the copy stands."""
    own = OLD.replace(line, "\t" + line)
    copy = copied(line)
    old.commit("mm: copy", {PATH: f"{copy}\n{own}" if before else f"{own}\n{copy}"})
    assert errors(old) == [(PATH, 3 if before else 15)]


@pytest.mark.parametrize("line", KINDS.values(), ids=KINDS)
def test_a_copy_in_another_file_is_new(old: Repo, line: str) -> None:
    """Also where that file comes first."""
    old.commit("mm: copy", {"mm/a.c": copied(line), PATH: OLD.replace(line, "\t" + line)})
    assert errors(old) == [("mm/a.c", 3)]


@pytest.mark.parametrize("line", KINDS.values(), ids=KINDS)
def test_an_error_on_a_line_that_stays_accounts_for_no_other(old: Repo, line: str) -> None:
    old.edit("mm: twice", PATH, (line, line + "\t\tcall();\n" + line))
    assert [path for path, _ in errors(old)] == [PATH]


@pytest.mark.parametrize("line", KINDS.values(), ids=KINDS)
def test_an_error_that_is_mended_makes_no_room_for_another(old: Repo, line: str) -> None:
    """In another function, on another line; of a meeting, also between the same two."""
    other = "int third(unsigned long pfn, struct page *page, struct folio *folio)\n{\n\treturn other() ?:\n"
    other += line.replace("\treturn map(addr,", "\t       (0,").replace("\tif (", "\t       (").replace("))\n", "));\n")
    mended = OLD.replace(NAME, NAME.replace("PG_", "PTE_")).replace(MEETING, "\tif (page)\n")
    old.commit("mm: other", {PATH: mended + "\n" + other + "}\n"})
    assert errors(old) == [(PATH, 16)]


def test_each_macro_has_errors_of_its_own(make_repo: Callable[..., Repo]) -> None:
    one = "#define one(pfn) \\\n\tmap(0, page_to_pfn(pfn) << PG_SHIFT)\n"
    repo = make_repo({**FILES, PATH: one})
    repo.commit("mm: wrapped", {PATH: one.replace("map(0, ", "map(0,\t\\\n\t    ")})
    assert errors(repo) == []
    two = one.replace("one", "two").replace("0", "1")
    repo.commit("mm: another", {PATH: one.replace("PG_", "PTE_") + two})
    assert errors(repo) == [(PATH, 4)]


def test_another_error_on_the_line_is_new(old: Repo) -> None:
    old.edit("mm: size", PATH, ("pfn << PG_SHIFT", "pfn * PG_SIZE"))
    assert brief(old.findings()) == [("unit-error", PATH, 3, "PTE_SIZE")]


def test_an_error_that_comes_with_the_operand_is_new_on_a_line_that_is_indented_anew(repo: Repo) -> None:
    code = "long f(struct folio *folio)\n{\n\tunsigned long n = folio_nr_pages(folio);\n\n\treturn n << PG_SHIFT;\n}\n"
    start = repo.commit("mm: start", {PATH: code})
    turned = code.replace("folio_nr_pages(folio)", "page_to_pfn(&folio->page)").replace("\treturn", "    return")
    repo.commit("mm: turn", {PATH: turned})
    assert brief(repo.findings(f"{start}..HEAD")) == [("unit-error", PATH, 5, "PTE_SHIFT")]


# What a name of the scheme is

LENT = "#define PTE_SIZE (__X_UL(1) << PTE_SHIFT)\n"
"""Macros are one for all architectures: by this one __X_UL() is a count of PTEs."""


def test_the_schemes_own_definitions_say_what_they_are(make_repo: Callable[..., Repo]) -> None:
    page_h = PAGE_H.replace("PG_SIZE (1UL", "PG_SIZE (__X_UL(1)")
    repo = make_repo({**FILES, "arch/x86/include/asm/page.h": page_h, "arch/xtensa/include/asm/page.h": LENT})
    repo.edit("x86: white space", "arch/x86/include/asm/page.h", ("#define PG_SIZE ", "#define PG_SIZE\t\t"))
    assert errors(repo) == []
    assert repo.outcome(f"{repo.base}..HEAD", suggest=True).patches == b""


def test_a_macro_that_is_not_the_schemes_is_judged(make_repo: Callable[..., Repo]) -> None:
    repo = make_repo({**FILES, "arch/xtensa/include/asm/page.h": LENT})
    repo.commit("x86: box", {"arch/x86/include/asm/box.h": "#define BOX_SIZE (__X_UL(1) << PG_SHIFT)\n"})
    assert errors(repo) == [("arch/x86/include/asm/box.h", 1)]


def test_a_line_that_is_mended_accounts_for_no_other_in_its_function(old: Repo) -> None:
    more = "\treturn map(0, (pfn + 1) << PG_SHIFT);\n"
    old.edit("mm: mend", PATH, (NAME, NAME.replace("PG_", "PTE_") + more))
    assert [path for path, _ in errors(old)] == [PATH]


@pytest.mark.parametrize("gone", [True, False])
def test_a_function_of_the_same_name_elsewhere_is_another_one(old: Repo, gone: bool) -> None:
    """Each driver has its own init()."""
    mended = "int nothing;\n" if gone else OLD.replace("PG_", "PTE_")
    other = "static int first(unsigned long pfn)\n{\n\treturn map(0, (pfn + 1) << PG_SHIFT);\n}\n"
    old.commit("mm: other", {PATH: mended, "drivers/other.c": other})
    assert errors(old) == [("drivers/other.c", 3)]


def test_what_a_side_branch_mends_accounts_for_nothing_in_the_merge(old: Repo) -> None:
    old.git("checkout", "-q", "-b", "side")
    old.edit("mm: mend", PATH, ("PG_", "PTE_"))
    old.git("checkout", "-q", "master")
    old.edit("mm: more", "mm/open.c", ("bytes", "octets"))
    old.git("merge", "-q", "--no-commit", "side")
    slipped = (old.root / "mm/half.c").read_text() + "\n" + OLD[: OLD.index("int second")]
    merge = old.commit("merge", {"mm/half.c": slipped})
    assert [(f.commit, f.path) for f in old.findings("HEAD^1..HEAD")] == [(merge, "mm/half.c")]
