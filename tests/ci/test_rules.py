"""What each rule finds, and what it leaves alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from converter import data
from converter.ci import policy
from converter.errors import RulesError
from tests.ci.conftest import FILES, OPEN, PAGE_H, Repo, brief

# new-use


def test_a_new_use_in_a_converted_file_is_found_with_its_replacement_and_evidence(repo: Repo) -> None:
    commit = repo.edit("mm: back", "mm/converted.c", ("\tpte++;", "\taddr += PAGE_SIZE;\n\tpte++;"))
    (found,) = repo.findings()
    assert (found.commit, found.path, found.line, found.col) == (commit, "mm/converted.c", 13, 10)
    assert (found.rule, found.level, found.replacement) == ("new-use", "error", "PTE_SIZE")
    assert found.fix == "write PTE_SIZE: page-table-step"
    assert "was converted before" in found.message
    assert found.evidence


def test_a_new_function_in_a_converted_file_is_converted_code_too(repo: Repo) -> None:
    repo.edit(
        "mm: more", "mm/converted.c", ("unsigned long step", OPEN.replace("bytes", "more") + "\nunsigned long step")
    )
    assert brief(repo.findings()) == [("new-use", "mm/converted.c", 12, "PTE_SHIFT")]


def test_in_a_file_that_is_half_converted_the_function_counts(repo: Repo) -> None:
    repo.edit("mm: one", "mm/half.c", ("folio) << PG_SHIFT", "folio) << PAGE_SHIFT"))
    assert brief(repo.findings()) == [("new-use", "mm/half.c", 3, "PG_SHIFT")]


def test_a_new_use_beside_open_ones_is_no_news(repo: Repo) -> None:
    repo.edit("mm: more", "mm/half.c", ("folio) << PAGE_SHIFT", "folio) << PAGE_SHIFT << PAGE_SHIFT"))
    repo.edit("mm: new", "mm/open.c", ("}\n", "}\n\nlong f(unsigned long pfn)\n{\n\treturn pfn << PAGE_SHIFT;\n}\n"))
    assert repo.findings() == []


def test_a_new_file_belongs_to_its_directory(make_repo: Callable[..., Repo]) -> None:
    files = {p: t for p, t in FILES.items() if p not in ("mm/open.c", "mm/half.c")}
    repo = make_repo(files)
    repo.commit("two files", {"mm/new.c": OPEN, "fs/new.c": OPEN})
    assert brief(repo.findings()) == [("new-use", "mm/new.c", 3, "PTE_SHIFT")]


@pytest.mark.parametrize(
    ("path", "text", "named"),
    [
        ("arch/x86/kernel/head_64.S", "\t.balign PTE_SIZE\n\tshrq\t$PTE_SHIFT, %rdx\n", "PTE_SIZE"),
        ("arch/x86/kernel/vmlinux.lds.S", "SECTIONS {\n\t. = ALIGN(PTE_SIZE);\n}\n", "PTE_SIZE"),
        ("arch/x86/boot/compressed/mkpiggy.lds", ". = ALIGN(PTE_SIZE);\n", "PTE_SIZE"),
    ],
)
def test_assembler_and_linker_scripts_are_converted_as_c_is(repo: Repo, path: str, text: str, named: str) -> None:
    start = repo.commit("x86: assembler", {path: text})
    line = text[: text.index(named)].count("\n") + 1
    repo.edit("back", path, (named, "PAGE_SIZE"))
    repo.edit("right again", path, ("PAGE_SIZE", named))
    repo.edit("wrong", path, (named, "PG_SIZE"))
    back, wrong = repo.findings(f"{start}..HEAD")
    assert brief([back, wrong]) == [("new-use", path, line, "PTE_SIZE"), ("unit-error", path, line, "PTE_SIZE")]
    assert "was converted before" in back.message
    assert wrong.message == "PG_SIZE, but the units say PTE"


def test_a_use_that_only_moves_within_its_file_is_not_new(repo: Repo) -> None:
    first, second = (repo.root / "mm/half.c").read_text().split("\n\n")
    chosen = msgspec.structs.replace(policy.load(), converted=policy.Converted(paths=("mm/",)))
    repo.commit("mm: other way round", {"mm/half.c": second.rstrip() + "\n\n" + first + "\n"})
    repo.edit(
        "mm: indent",
        "mm/half.c",
        ("\treturn folio_nr_pages(folio) << PAGE", "\t\treturn folio_nr_pages(folio) << PAGE"),
    )
    assert repo.findings(chosen=chosen) == []


@pytest.mark.parametrize("before", [True, False], ids=["before it", "behind it"])
def test_a_line_that_moves_accounts_for_one_that_comes(repo: Repo, before: bool) -> None:
    """A copy of a line that is indented anew is new, wherever it stands."""
    chosen = msgspec.structs.replace(policy.load(), converted=policy.Converted(paths=("mm/",)))
    copy = OPEN.replace("bytes", "more").replace("\treturn", "    return")  # for git, another line
    own = OPEN.replace("\treturn", "\t\treturn")
    repo.commit("mm: copy", {"mm/open.c": f"{copy}\n{own}" if before else f"{own}\n{copy}"})
    assert brief(repo.findings(chosen=chosen)) == [("new-use", "mm/open.c", 3 if before else 8, "PTE_SHIFT")]


def test_a_line_of_two_uses_moves_as_one(repo: Repo) -> None:
    chosen = msgspec.structs.replace(policy.load(), converted=policy.Converted(paths=("mm/",)))
    line = "\treturn check(PAGE_SIZE, PAGE_MASK);\n"
    start = repo.commit("mm: start", {"mm/two.c": "int two(void)\n{\n" + line + "}\n"})
    repo.edit("mm: indent", "mm/two.c", (line, "\t" + line))
    assert repo.findings(f"{start}..HEAD", chosen=chosen) == []


def test_a_name_of_the_scheme_is_not_defined_by_a_word_that_is_suggested(repo: Repo) -> None:
    """PTE_SHIFT there would be the unit of all PG_SIZE; and `#define PTE_SHIFT PTE_SHIFT` is none."""
    chosen = msgspec.structs.replace(policy.load(), converted=policy.Converted(paths=("arch/",)))
    repo.edit("x86: back", "arch/x86/include/asm/page.h", ("(1UL << PTE_SHIFT)", "(_AC(1, UL) << PAGE_SHIFT)"))
    found, changed = sorted(repo.findings(chosen=chosen), key=lambda f: f.rule)
    assert (found.rule, found.line, found.replacement) == ("new-use", 4, None)
    assert changed.rule == "redefinition"
    assert found.fix == "PTE_SIZE is to be defined without it"


def test_a_comment_that_goes_accounts_for_no_use(repo: Repo) -> None:
    use, said = "\tcheck(PAGE_SIZE);\n", "#include <linux/mm.h>\n/*\n\tcheck(PAGE_SIZE);\n */\n"
    start = repo.edit("mm: say", "mm/converted.c", ("#include <linux/mm.h>\n", said))
    text = (repo.root / "mm/converted.c").read_text().replace(said, "#include <linux/mm.h>\n")
    repo.commit("mm: do", {"mm/converted.c": text.replace("\tpte++;\n", f"\tpte++;\n{use}")})
    assert [f.rule for f in repo.findings(f"{start}..HEAD")] == ["new-use"]


def test_comments_and_strings_are_no_uses(repo: Repo) -> None:
    repo.edit("mm: say", "mm/converted.c", ("\tpte++;", '\t/* PAGE_SIZE */\n\tpr_info("PAGE_SIZE");\n\tpte++;'))
    assert repo.findings() == []


@pytest.mark.parametrize("test", ["#ifdef PAGE_SIZE", "#ifndef PAGE_SIZE", "#if A && defined(PAGE_SIZE)"])
def test_to_ask_whether_a_name_is_defined_is_a_use_in_converted_code(repo: Repo, test: str) -> None:
    repo.edit("mm: ask", "mm/converted.c", ("\nunsigned long step", f"\n{test}\nint x;\n#endif\nunsigned long step"))
    repo.edit("mm: move", "mm/converted.c", ("#include <linux/mm.h>\n", "#include <linux/mm.h>\n\n"))
    repo.edit("mm: open code", "mm/open.c", ("unsigned long bytes", f"{test}\nint x;\n#endif\nunsigned long bytes"))
    (found,) = repo.findings()
    assert brief([found]) == [("new-use", "mm/converted.c", 10, None)]
    assert found.message == "new use of PAGE_SIZE: the file was converted before this commit"
    assert found.fix == "ask for PTE_SIZE or PG_SIZE, whichever the code below it means"


def test_a_baseline_that_allows_a_file_none_allows_it_no_test(repo: Repo) -> None:
    known = repo.baseline()
    for path, at in (("mm/converted.c", "unsigned long step"), ("mm/open.c", "unsigned long bytes")):
        repo.edit("mm: ask", path, (at, f"#ifdef PAGE_SIZE\nint x;\n#endif\n{at}"))
    (found,) = repo.findings(known=known)
    assert (found.path, found.message) == ("mm/converted.c", "new use of PAGE_SIZE: the baseline allows the file none")


def test_where_a_file_defines_the_family_it_may_ask_for_it(repo: Repo) -> None:
    more = "#undef PAGE_SIZE\n#ifndef PAGE_SIZE\n#endif\n#if PTE_SHIFT"
    repo.edit("x86: ask", "arch/x86/include/asm/page.h", ("#if PTE_SHIFT", more))
    repo.edit("mm: undef", "mm/converted.c", ("#include", "#undef PAGE_SIZE\n#include"))
    assert repo.findings() == []


def test_the_policy_names_converted_code_by_path(repo: Repo) -> None:
    chosen = msgspec.structs.replace(policy.load(), converted=policy.Converted(paths=("lib/",)))
    repo.commit("lib: new", {"lib/odd.c": "int odd(int n)\n{\n\treturn n % strange(PAGE_SIZE);\n}\n"})
    (found,) = repo.findings(chosen=chosen)
    assert found.path == "lib/odd.c"
    assert "lib/" in found.message


def test_a_use_that_the_evidence_leaves_open_gets_the_question(repo: Repo) -> None:
    repo.edit("mm: odd", "mm/converted.c", ("\tpte++;", "\tpte = strange(pte, nr % PAGE_SIZE);"))
    (found,) = repo.findings()
    assert found.replacement is None
    assert found.fix.startswith("decide between PTE_SIZE or PG_SIZE: ")


def test_a_rule_can_be_turned_off_or_weigh_less(repo: Repo) -> None:
    repo.edit("mm: back", "mm/converted.c", ("\tpte++;", "\taddr += PAGE_SIZE;\n\tpte++;"))
    shipped = policy.load()
    for level, expected in (("off", []), ("warning", ["warning"])):
        rules = {**shipped.rules, "new-use": policy.Rule(level=level, what="x")}  # type: ignore[arg-type]
        found = repo.findings(chosen=msgspec.structs.replace(shipped, rules=rules))
        assert [f.level for f in found] == expected


def test_patterns_of_the_policy_match_what_their_examples_say() -> None:
    shipped = policy.load()
    assert shipped.example
    for e in shipped.example:
        patterns = policy.Converted(paths=e.paths, besides=e.besides)
        assert [p for p in e.is_converted if patterns.pattern(p) is None] == []
        assert [p for p in e.is_not if patterns.pattern(p) is not None] == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[rules.new-use]", "[rules.new-uses]", r":LINE: new-uses: no such rule; there are new-use, unit-error, "),
        ("[rules.unit-error]", "[evidence.unit-error]", r"policy.toml:\d+: "),
        ("steps =", "paces =", r":LINE: evidence: Object contains unknown field `paces`"),
        ("steps =", "steps = 'x' #", r":LINE: evidence: steps: Expected `int`, got `str`"),
        ("[evidence]", "[evidence", r":LINE: not TOML: "),
    ],
)
def test_a_broken_policy_is_named_with_file_line_and_entry(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = data.path("rules/ci.toml").read_text()
    assert text.count(old) == 1
    file = tmp_path / "policy.toml"
    file.write_text(text.replace(old, new))
    line = text[: text.index(old)].count("\n") + 1
    with pytest.raises(RulesError, match=f"^{re.escape(str(file))}:") as error:
        policy.load(file)
    assert re.search(said.replace("LINE", str(line)), str(error.value)), error.value
    assert "\n" not in str(error.value)


def test_a_policy_without_a_rule_is_refused(tmp_path: Path) -> None:
    text = data.path("rules/ci.toml").read_text()
    begin = text.index("[rules.unit-error]")
    file = tmp_path / "policy.toml"
    file.write_text(text[:begin] + text[text.index("\n[", begin) + 1 :])
    with pytest.raises(RulesError, match=r"policy.toml: \[rules.unit-error\] is missing"):
        policy.load(file)


# unit-error


def test_a_name_that_the_units_contradict_is_found(repo: Repo) -> None:
    repo.edit("mm: wrong", "mm/converted.c", ("pfn << PTE_SHIFT", "pfn << PG_SHIFT"))
    (found,) = repo.findings()
    assert (found.rule, found.line, found.replacement) == ("unit-error", 7, "PTE_SHIFT")
    assert found.message == "PG_SHIFT, but the units say PTE"
    assert found.evidence


def test_an_error_that_was_there_before_is_not_the_commits(make_repo: Callable[..., Repo]) -> None:
    files = dict(FILES)
    files["mm/converted.c"] = files["mm/converted.c"].replace("pfn << PTE_SHIFT", "pfn << PG_SHIFT")
    repo = make_repo(files)
    repo.edit("mm: a line above", "mm/converted.c", ("#include", "#include <linux/fs.h>\n#include"))
    assert repo.findings() == []


def test_a_count_that_meets_the_other_count_is_found(repo: Repo) -> None:
    line = "\tif (page_to_pfn(page) == folio_nr_pages(folio))\n\t\treturn 1;\n"
    repo.edit("mm: meet", "mm/converted.c", ("\tpte++;\n", "\tpte++;\n" + line))
    (found,) = repo.findings()
    assert (found.rule, found.line) == ("unit-error", 14)
    assert found.message == "two measures meet: page_to_pfn(page) and folio_nr_pages(folio)"


def test_in_a_tree_without_the_scheme_its_names_mean_something_else(make_repo: Callable[..., Repo]) -> None:
    page_h = "#define PAGE_SHIFT 12\n#define PAGE_SIZE (1UL << PAGE_SHIFT)\n#define PTE_SHIFT 9\n"
    repo = make_repo({**FILES, "arch/x86/include/asm/page.h": page_h, "mm/converted.c": OPEN})
    repo.edit("mm: x", "mm/converted.c", ("return", "return page_index(p) << PTE_SHIFT ?:"))
    assert repo.findings() == []


# silent-change


def test_a_callee_that_changes_turns_the_use_in_the_caller(repo: Repo) -> None:
    callee = "static unsigned long far(struct folio *folio, unsigned long n)\n{\n\treturn use(n << PTE_SHIFT);\n}\n"
    caller = "\nvoid call(struct vm_area_struct *vma)\n{\n\tfar(NULL, vma->vm_pgoff);\n}\n"
    start = repo.commit("mm: start", {"mm/far.c": callee + caller})
    repo.edit("mm: turn", "mm/far.c", ("far(NULL, vma->vm_pgoff)", "far(NULL, folio_nr_pages(vma->folio))"))
    (found,) = repo.findings(f"{start}..HEAD")
    assert (found.rule, found.level, found.path, found.line) == ("silent-change", "warning", "mm/far.c", 3)
    assert found.message == "PTE_SHIFT was PTE and is PG with this commit"
    assert found.evidence
    assert found.against
    assert found.fix.startswith("write PG_SHIFT")


def test_a_use_in_a_file_that_is_not_touched_counts_too(repo: Repo) -> None:
    one = "unsigned long far_call(unsigned long n)\n{\n\treturn use(n << PAGE_SHIFT);\n}\n"
    other = "void call(struct vm_area_struct *vma)\n{\n\tfar_call(vma->vm_pgoff);\n}\n"
    start = repo.commit("mm: start", {"mm/far.c": one, "mm/call.c": other})
    repo.edit("mm: turn", "mm/call.c", ("vma->vm_pgoff", "folio_nr_pages(vma->folio)"))
    assert brief(repo.findings(f"{start}..HEAD")) == [("silent-change", "mm/far.c", 3, None)]


def test_the_type_of_an_operand_counts(repo: Repo) -> None:
    """A struct that the use goes through is declared in another file, and that file alone changes."""
    user = "void user(struct box *b)\n{\n\tuse(b->what->pgoff << PAGE_SHIFT);\n}\n"
    box = "struct box {\n\tstruct vm_fault *what;\n};\n"
    start = repo.commit("mm: start", {"include/linux/box.h": box, "mm/user.c": user})
    turned = repo.edit("box: other", "include/linux/box.h", ("struct vm_fault", "struct page_vma_mapped_walk"))
    (found,) = repo.findings(f"{start}..HEAD")
    assert (found.commit, found.rule, found.path, found.line) == (turned, "silent-change", "mm/user.c", 3)
    assert found.message == "PAGE_SHIFT was PTE and is PG with this commit"


def test_lines_that_move_are_not_changed(repo: Repo) -> None:
    repo.edit("mm: lines above", "mm/converted.c", ("#include", "/* one */\n/* two */\n#include"))
    repo.git("mv", "mm/converted.c", "mm/renamed.c")
    repo.record("mm: rename")
    assert repo.findings() == []


def test_evidence_from_far_away_is_not_believed(repo: Repo) -> None:
    """The same turn, through more steps than the policy allows."""
    one = "unsigned long far_call(unsigned long n)\n{\n\treturn use(n << PAGE_SHIFT);\n}\n"
    other = "void call(struct vm_area_struct *vma)\n{\n\tfar_call(vma->vm_pgoff);\n}\n"
    start = repo.commit("mm: start", {"mm/far.c": one, "mm/call.c": other})
    repo.edit("mm: turn", "mm/call.c", ("vma->vm_pgoff", "folio_nr_pages(vma->folio)"))
    shipped = policy.load()
    for steps, expected in ((shipped.evidence.steps, 1), (1, 0)):
        chosen = msgspec.structs.replace(shipped, evidence=policy.Chains(steps=steps))
        assert len(repo.findings(f"{start}..HEAD", chosen=chosen)) == expected


# redefinition


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("drivers/char/x.c", True),
        ("include/linux/x.h", True),
        ("arch/x86/include/asm/y.h", True),
        ("arch/arm/include/asm/page.h", False),
    ],
)
def test_a_second_definition_of_a_name_is_found(repo: Repo, path: str, expected: bool) -> None:
    first = "#define PAGE_SHIFT 12" if path.endswith("page.h") else "int x;"
    repo.commit("define", {path: f"{first}\n#define PG_SIZE 4096\nint y;\n"})
    found = [f for f in repo.findings() if f.rule == "redefinition"]
    assert [(f.path, f.line, f.col, f.name) for f in found] == ([(path, 2, 9, "PG_SIZE")] if expected else [])


@pytest.mark.parametrize(
    ("path", "code", "at", "said"),
    [
        ("drivers/x.c", "static const unsigned long PG_SIZE = 4096;\n", (1, 28), "declares PG_SIZE"),
        ("drivers/x.c", "void f(void)\n{\n\tsize_t PTE_SIZE;\n}\n", (3, 9), "declares PTE_SIZE"),
        ("drivers/x.h", "static inline u64 PTE_ALIGN(u64 x)\n{\n\treturn x;\n}\n", (1, 19), "declares PTE_ALIGN"),
        (
            "drivers/x.c",
            "enum size {\n\tSMALL, /* a, b */\n\tPG_SIZE = 4096,\n};\n",
            (3, 2),
            "has an enumerator PG_SIZE",
        ),
        ("drivers/x.c", "enum { ONE, PG_SHIFT };\n", (1, 13), "has an enumerator PG_SHIFT"),
        ("drivers/x.c", "enum {\n#ifdef A\n\tONE = f(1, 2),\n#else\n\tPG_SHIFT,\n#endif\n};\n", (5, 2),
         "has an enumerator PG_SHIFT"),
        ("drivers/x.c", "void f(long a,\n       unsigned int PTE_SIZE);\n", (2, 21), "has a parameter PTE_SIZE"),
        ("arch/x86/x.S", "\t.set PTE_SIZE, 4096\n", (1, 7), "sets the symbol PTE_SIZE"),
        ("arch/x86/x.S", "PTE_SIZE = 4096\n", (1, 1), "sets the symbol PTE_SIZE"),
    ],
)
def test_a_second_meaning_that_is_no_macro_is_found(
    repo: Repo, path: str, code: str, at: tuple[int, int], said: str
) -> None:
    repo.commit("mean", {path: code})
    (found,) = [f for f in repo.findings() if f.rule == "redefinition"]
    assert (found.path, found.line, found.col) == (path, *at)
    assert found.message == f"{said}, a name of scheme pte-pg"


@pytest.mark.parametrize(
    "code",
    [
        "unsigned long f(unsigned long x)\n{\n\treturn PTE_ALIGN(x);\n}\n",
        "/* static const int PG_SIZE = 1; */\nint x = PG_SIZE;\n",
        "void f(void)\n{\n\tsize_t len = PG_SIZE, n[PG_SIZE];\n\tlen = PG_SIZE;\n}\n",
        "enum { ONE = PG_SIZE };\n",
        "enum { ONE, TWO = ONE + max(3, PTE_SIZE), THREE = sizeof((int[]){ 1, PG_SIZE }) };\n",
        "void f(long a)\n{\n\tg((unsigned long)PTE_SIZE, (long)a, PG_SIZE);\n\th(sizeof(long), PTE_SIZE);\n}\n",
        "void f(long a)\n{\n\tif (a == PTE_SIZE ||\n\t    PG_SIZE == a)\n\t\tcall(a,\n\t\t     PG_SIZE);\n}\n",
    ],
)
def test_a_use_of_a_name_is_no_second_meaning(repo: Repo, code: str) -> None:
    repo.commit("use", {"drivers/x.c": code})
    assert [f for f in repo.findings() if f.rule == "redefinition"] == []


def test_an_enumerator_that_was_there_can_be_edited(repo: Repo) -> None:
    start = repo.commit("mean", {"drivers/x.c": "enum size {\n\tPG_SIZE = 4096,\n};\n"})
    repo.edit("more", "drivers/x.c", ("4096", "8192"))
    assert repo.findings(f"{start}..HEAD") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("PG_SIZE (1UL << PG_SHIFT)", "PG_SIZE (_AC(1,UL) << PG_SHIFT)"),
        ("PG_SIZE (1UL << PG_SHIFT)", "PG_SIZE\t( 1 <<\\\n\tPG_SHIFT ) /* bytes */"),
        ("PG_MASK (~(PG_SIZE - 1))", "PG_MASK ((long)~((1UL << PG_SHIFT) - 1))"),
        ("PTE_SHIFT 12", "PTE_SHIFT CONFIG_PTE_SHIFT"),
    ],
)
def test_the_schemes_own_definitions_can_be_spelled_otherwise(repo: Repo, old: str, new: str) -> None:
    repo.edit("x86: spell", "arch/x86/include/asm/page.h", (old, new))
    assert repo.findings() == []


def test_a_new_architecture_defines_the_scheme_alone(repo: Repo) -> None:
    text = "#define PTE_SHIFT 12\n#define PTE_SIZE (_AC(1, UL) << PTE_SHIFT)\n#define PG_SHIFT 14\n"
    repo.commit("riscv: new", {"arch/riscv/include/asm/page.h": text})
    assert repo.findings() == []
    repo.commit("riscv: wrong", {"arch/riscv/include/asm/box.h": "#define PG_MASK (PG_SIZE - 1)\n"})
    repo.commit("mm: twice", {"include/linux/box.h": text})
    assert [(f.rule, f.path) for f in repo.findings()] == [
        ("redefinition", "arch/riscv/include/asm/box.h"), *[("redefinition", "include/linux/box.h")] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("PTE_SIZE (1UL << PTE_SHIFT)", "PTE_SIZE (1UL << 13)", 4),
        ("PTE_SIZE (1UL << PTE_SHIFT)", "PTE_SIZE \\\n\t(1UL << PG_SHIFT)", 4),
        ("PTE_SHIFT 12", "PTE_SHIFT 13", 3),
        ("PG_MASK (~(PG_SIZE - 1))", "PG_MASK (~PG_SIZE - 1)", 8),
        ("#define PTE_MASK", "#undef PTE_SIZE\n#define PTE_MASK", 5),
    ],
)
def test_they_cannot_be_given_another_value(repo: Repo, old: str, new: str, line: int) -> None:
    repo.edit("x86: other", "arch/x86/include/asm/page.h", (old, new))
    found = [f for f in repo.findings() if f.rule == "redefinition"]
    assert [(f.path, f.line) for f in found] == [("arch/x86/include/asm/page.h", line)]


def test_of_a_body_on_several_lines_each_counts(repo: Repo) -> None:
    page_h = "arch/x86/include/asm/page.h"
    start = repo.edit("x86: break", page_h, ("PTE_SIZE (1UL << PTE_SHIFT)", "PTE_SIZE \\\n\t(1UL << PTE_SHIFT)"))
    repo.edit("x86: other", page_h, ("(1UL << PTE_SHIFT)", "(1UL << 13)"))
    (found,) = repo.findings(f"{start}..HEAD")
    assert (found.rule, found.line, found.col, found.name) == ("redefinition", 5, 1, "PTE_SIZE")


@pytest.mark.parametrize(
    ("code", "at"),
    [
        ("#define\\\n PTE_SIZE 7\n", (2, 2)),
        ("/* x */ #define PTE_SIZE 4\n", (1, 17)),
        ("# /* x */ define PTE_SIZE 4\n", (1, 18)),
        ("#ifndef PTE_SIZE\n#define PTE_SIZE 4096\n#endif\n", (2, 9)),
    ],
)
def test_a_definition_is_found_however_it_is_laid_out(repo: Repo, code: str, at: tuple[int, int]) -> None:
    repo.commit("define", {"drivers/x.c": code})
    (found,) = repo.findings()
    assert (found.rule, found.line, found.col) == ("redefinition", *at)


# Files with a size of their own, in a tree before the scheme, and as the scheme leaves them.
PLAIN_H = """#define PAGE_SHIFT CONFIG_PAGE_SHIFT
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
"""
BOTH_H = PAGE_H.replace("PTE_SHIFT 12", "PTE_SHIFT CONFIG_PTE_SHIFT")
OWN_SIZE = {
    "arch/sparc/include/asm/page_32.h": (PLAIN_H, BOTH_H),
    "arch/sparc/include/asm/page_64.h": (PLAIN_H, BOTH_H),
    "include/asm-generic/page.h": (PLAIN_H, BOTH_H),
    "arch/arc/include/asm/page.h": (
        "#include <uapi/asm/page.h>\n", "#include <uapi/asm/page.h>\n#define PTE_SIZE\tPAGE_SIZE\n",
    ),
    "include/linux/raid/pq.h": (
        "#ifndef PAGE_SIZE\n# define PAGE_SIZE 4096\n#endif\n",
        "#ifndef PAGE_SIZE\n# define PAGE_SIZE 4096\n#endif\n#ifndef PG_SIZE\n# define PG_SIZE 4096\n#endif\n",
    ),
    "arch/sparc/kernel/vmlinux.lds.S": (
        "#define PAGE_SIZE _PAGE_SIZE\n", "#define PAGE_SIZE _PAGE_SIZE\n#define PTE_SIZE _PAGE_SIZE\n",
    ),
    "arch/sparc/boot/page.h": (
        "#define PAGE_SIZE (ASM_CONST(1) << PAGE_SHIFT)\n",
        "#define PAGE_SIZE (ASM_CONST(1) << PAGE_SHIFT)\n#define PTE_SIZE\t(ASM_CONST(1) << PTE_SHIFT)\n",
    ),
    "lib/vdso/getrandom.c": (
        "#undef PAGE_MASK\n#define PAGE_MASK (~(PAGE_SIZE - 1))\n",
        "#undef PAGE_MASK\n#undef PTE_MASK\n#define PAGE_MASK (~(PAGE_SIZE - 1))\n#define PTE_MASK (~(PTE_SIZE - 1))\n",
    ),
    "include/linux/vma.h": (
        "static inline unsigned long vma_pages(const struct vm_area_struct *vma)\n{\n\treturn 1;\n}\n",
        "static inline unsigned long vma_pages(const struct vm_area_struct *vma)\n{\n\treturn 1;\n}\n\n"
        "static inline unsigned long vma_ptes(const struct vm_area_struct *vma)\n{\n\treturn 1;\n}\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("speaks", [True, False])
def test_what_has_a_size_of_its_own_gets_both_names_of_it(
    make_repo: Callable[..., Repo], together: bool, speaks: bool
) -> None:
    """In one commit and in one each, in a tree whose x86 speaks the scheme and in one that does not yet."""
    page_h = PAGE_H if speaks else PLAIN_H
    before = {path: old for path, (old, _) in OWN_SIZE.items()}
    repo = make_repo({"Makefile": FILES["Makefile"], "arch/x86/include/asm/page.h": page_h, **before})
    after = {path: new for path, (_, new) in OWN_SIZE.items()}
    for files in [after] if together else [{path: new} for path, new in after.items()]:
        repo.commit("both", files)
    assert [(f.path, f.message) for f in repo.findings() if f.rule == "redefinition"] == []


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("arch/sparc/boot/page.h", "#define PAGE_SIZE 4096\n", "#define PAGE_SIZE 4096\n#define PTE_SIZE 8192\n"),
        ("drivers/x.h", "int x;\n", "#define PTE_SIZE PAGE_SIZE\n"),
        ("arch/x86/include/asm/y.h", "int x;\n", "#define PG_SIZE PAGE_SIZE\n"),
        ("arch/x86/include/asm/y.h", "int x;\n", "#define PAGE_SIZE PTE_SIZE\n#define PTE_SIZE 4096\n"),
        ("include/linux/y.h", "#define PAGE_ALIGN(x) (x)\n", "#define PAGE_ALIGN(x) (x)\n#define PTE_SIZE 4096\n"),
        ("include/linux/y.h", "long vma_pages(long x);\n", "long vma_pages(long x);\nlong PTE_SIZE;\n"),
        ("drivers/x.h", "long vma_pages(long x);\n", "long vma_pages(long x);\nlong vma_ptes(long x);\n"),
    ],
)
def test_a_meaning_of_its_own_is_none_of_the_schemes(repo: Repo, path: str, old: str, new: str) -> None:
    start = repo.commit("before", {path: old})
    repo.commit("after", {path: new})
    line = new.count("\n")
    assert [(f.path, f.line) for f in repo.findings(f"{start}..HEAD") if f.rule == "redefinition"] == [(path, line)]


def test_to_undefine_a_name_is_to_take_it_away(repo: Repo) -> None:
    repo.edit("mm: undef", "mm/converted.c", ("#include <linux/mm.h>", "#include <linux/mm.h>\n#undef PTE_SIZE"))
    assert brief(repo.findings()) == [("redefinition", "mm/converted.c", 2, None)]


def test_a_name_in_a_comment_is_no_definition(repo: Repo) -> None:
    repo.edit("mm: say", "mm/converted.c", ("#include", "/*\n#define PG_SIZE 1\n*/\n#include"))
    assert repo.findings() == []


# schemes


def test_a_scheme_that_keeps_a_name_does_not_find_it_where_it_is_right(make_repo: Callable[..., Repo]) -> None:
    page_h = "#define PAGE_SHIFT 16\n#define PAGE_SIZE 65536\n#define MMUPAGE_SHIFT 12\n#define MMUPAGE_SIZE 4096\n"
    step = (
        "unsigned long step(unsigned long addr, pte_t *pte)\n{\n\taddr += MMUPAGE_SIZE;\n\tpte++;\n\treturn addr;\n}\n"
    )
    repo = make_repo({**FILES, "arch/x86/include/asm/page.h": page_h, "mm/converted.c": step})
    more = "\taddr += PAGE_SIZE;\n\tpte++;\n\tuse(PAGE_SIZE << my_order(o));\n"
    repo.edit("mm: both", "mm/converted.c", ("\tpte++;\n", more))
    assert brief(repo.findings(scheme="mmupage")) == [("new-use", "mm/converted.c", 4, "MMUPAGE_SIZE")]
