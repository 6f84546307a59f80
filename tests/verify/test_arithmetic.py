"""Level arithmetic: for each role the right unit passes and the wrong one fails."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from converter import data
from converter.classify.record import Report, Site
from converter.classify.roles import LOGIC, rules
from converter.examine import Analysis, examine
from converter.scan import scan
from converter.tree import open_tree
from converter.tree.cache import open_cache
from converter.verify import arithmetic
from converter.verify.inputs import WORDS, Situations, binds, column, situations
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item, Result
from converter.vocabulary import scheme

CHOSEN = scheme("pte-pg")
OTHER = {"pte": "pg", "pg": "pte"}


@dataclass(frozen=True)
class Scanned:
    analysis: Analysis
    report: Report

    def judged(self, report: Report | None = None, emit: Path | None = None) -> Result:
        return arithmetic.run(self.analysis, report or self.report, CHOSEN, (), 1, emit)

    def turned(self, site: Site) -> Report:
        """The report with one use converted to the other unit."""
        unit = OTHER[site.unit or ""]
        wrong = replace(site, unit=unit, replacement=CHOSEN.names[site.macro][unit])
        return replace(self.report, sites=tuple(wrong if s is site else s for s in self.report.sites))


def scanned(place: Path) -> Scanned:
    tree = open_tree(str(place))
    with open_cache() as cache:
        return Scanned(examine(tree, cache, CHOSEN.scheme), scan(tree, cache))


@cache
def fixture() -> Scanned:
    return scanned(data.path("fixtures/verify"))


def source(tmp_path: Path, code: str) -> Scanned:
    """A tree with one file."""
    (tmp_path / "mm").mkdir()
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n")
    (tmp_path / "mm/one.c").write_text(code)
    return scanned(tmp_path)


ROLES = sorted({r.role for r in rules().rules.values() if r.unit != LOGIC} | set(CHOSEN.policy))


@pytest.mark.parametrize("role", ROLES)
def test_the_right_unit_passes_and_the_wrong_one_fails(role: str) -> None:
    own = fixture()
    uses = [s for s in own.report.sites if s.role == role and s.status == "decided" and not s.derived]
    assert uses, f"fixtures/verify has no use of role {role}: add a function"
    for s in uses:
        assert {i.outcome for i in _at(own.judged(), s)} == {PASSED}, s
        assert FAILED in {i.outcome for i in _at(own.judged(own.turned(s)), s)}, s


def _at(result: Result, site: Site) -> list[Item]:
    return [i for i in result.items if (i.path, i.line) == (site.path, site.line) and i.what.startswith(site.macro)]


def test_a_failure_shows_the_expression_the_evidence_and_values() -> None:
    own = fixture()
    use = next(s for s in own.report.sites if s.role == "vma-offset")
    item = next(i for i in own.judged(own.turned(use)).items if i.outcome == FAILED)
    assert item.why == "differs from a kernel whose PAGE_SIZE is PTE_SIZE"
    expression, evidence, numbers = item.detail.split("\n")
    assert expression == "vma->vm_pgoff + (delta >> PAGE_SHIFT)  ->  return"
    assert evidence.startswith("PTE by its quantities")
    assert numbers.startswith("PTE_SIZE 4K, PG_SIZE 16K: vma_vm_pgoff = 0x")


CONVERTED = """
static unsigned long f(struct vm_area_struct *vma, unsigned long addr, struct folio *folio)
{
	unsigned long index = %s;

	return vma->vm_pgoff + index + (addr >> PAGE_SHIFT);
}
"""


def test_counts_of_both_units_meet_only_through_a_conversion(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bare = source(tmp_path / "a", CONVERTED % "folio->index")
    told = source(tmp_path / "b", CONVERTED % "PAGES_TO_PTES(folio->index)")
    for own, outcome in ((bare, FAILED), (told, PASSED)):
        sites = tuple(
            replace(s, status="decided", unit="pte", replacement="PTE_SHIFT") if s.macro == "PAGE_SHIFT" else s
            for s in own.report.sites
        )
        items = own.judged(replace(own.report, sites=sites)).items
        assert [i.outcome for i in items] == [outcome], items


def test_the_uses_of_one_idiom_are_asked_for_one_unit(tmp_path: Path) -> None:
    code = """
int pin(u64 data, u32 size, struct page **pages)
{
	unsigned long last = ((data + size - 1) & PAGE_MASK) >> PAGE_SHIFT;

	dma_map_page(0, pages[0], 0, size, 0);
	return get_user_pages_fast(data, last, 0, pages);
}
"""
    items = source(tmp_path, code).judged().items
    assert [(i.what, i.outcome) for i in items] == [
        ("PAGE_MASK -> PTE_MASK", PASSED),
        ("PAGE_SHIFT -> PTE_SHIFT", PASSED),
    ]


def test_types_that_are_assumed_are_told(tmp_path: Path) -> None:
    own = source(tmp_path, "unsigned long f(unsigned long pfn) { return pfn + (far() >> PAGE_SHIFT); }\n")
    assert [i.assumed for i in own.judged().items] == [
        (("far()", "unsigned long: a call of what is not declared in sight"),)
    ]


def test_what_no_unit_changes_is_not_called_proved(tmp_path: Path) -> None:
    own = source(tmp_path, "int f(void) { return PAGE_SIZE > 1; }\n")
    sites = tuple(replace(s, status="decided", unit="pg", replacement="PG_SIZE") for s in own.report.sites)
    items = own.judged(replace(own.report, sites=sites)).items
    assert [(i.outcome, i.why) for i in items] == [(NOT_COVERED, items[0].why)]


def test_emitted_pairs_run_by_themselves_and_say_the_same(tmp_path: Path) -> None:
    own = fixture()
    use = next(s for s in own.report.sites if s.role == "vma-offset")
    script = tmp_path / "pairs.py"
    result = own.judged(own.turned(use), script)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _alone(script)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stderr == ""
    assert f"{use.path}:{use.line}: PAGE_SHIFT -> PG_SHIFT" in done.stdout
    assert done.stdout.splitlines()[-1] == f"2 failed, {2 * result.count(PASSED)} passed", (
        "with words of 64 and 32 bits"
    )
    assert done.returncode == 1


def test_the_emitted_script_alone_catches_the_wrong_unit_of_each_role(tmp_path: Path) -> None:
    own = fixture()
    turned = {s: replace(s, unit=OTHER[s.unit or ""], replacement=CHOSEN.names[s.macro][OTHER[s.unit or ""]])
              for role in ROLES for s in own.report.sites
              if s.role == role and s.status == "decided" and not s.derived}  # fmt: skip
    script = tmp_path / "pairs.py"
    own.judged(replace(own.report, sites=tuple(turned.get(s, s) for s in own.report.sites)), script)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 1, done.stderr
    caught = {line.partition(": failed: ")[0] for line in done.stdout.splitlines() if ": failed: " in line}
    for s in turned.values():
        assert f"{s.path}:{s.line}: {s.macro} -> {s.replacement} ({s.role})" in caught
    assert {s.role for s in turned.values()} == set(ROLES)


def _alone(script: Path) -> str:
    """Runs a script with numpy alone: pgconv cannot be imported."""
    import numpy

    home = Path(numpy.__file__).parent.parent
    return (
        f"import sys, runpy; sys.path.append({str(home)!r}); sys.modules['converter'] = None; "
        f"runpy.run_path({str(script)!r}, run_name='__main__')"
    )


def test_emitted_scripts_need_numpy_alone(tmp_path: Path) -> None:
    script = tmp_path / "pairs.py"
    fixture().judged(emit=script)
    imported = {
        name
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module])
    }
    assert imported == {"numpy", "typing"}


def test_each_entry_of_inputs_binds_its_example() -> None:
    for entry, _ in binds():
        assert column(entry.example, entry.measure, entry.unit) == entry.column, entry


def test_both_sizes_are_one_or_the_larger_is_16k_or_64k() -> None:
    for bits in WORDS:
        assert {(s.pte, s.pg) for s in situations(bits)} == {(12, 12), (12, 14), (12, 16)}


STATES = pytest.mark.parametrize(
    "state", [s for bits in WORDS for s in situations(bits)], ids=lambda s: f"{s.bits}-{s.pte}-{s.pg}"
)


@STATES
def test_a_row_of_inputs_is_one_situation_of_the_machine(state: Situations) -> None:
    c, pte, pg = state.columns, state.pte, state.pg
    assert ((c["vm_start"] <= c["va"]) & (c["va"] < c["vm_end"])).all()
    assert (c["pteoff"] == c["vm_pteoff"] + ((c["va"] - c["vm_start"]) >> pte)).all()
    assert (c["page"] == c["pfn"] >> (pg - pte)).all()
    assert ((c["position"] <= c["file_end"]) & (c["index"] == c["position"] >> pg)).all()
    assert pg == pte or (c["vm_start"] % (1 << pg) != 0).any(), "some VMAs begin inside a page"
    assert ((c["phys"] >> pte == c["pfn"]) & (c["kaddr"] % (1 << pg) == c["phys"] % (1 << pg))).all()


@STATES
def test_addresses_fit_into_a_word_and_with_32_bits_some_physical_ones_do_not(state: Situations) -> None:
    c = state.columns
    for name in ("va", "vm_end", "kaddr", "pfn"):
        assert (c[name] <= (1 << state.bits) - 1).all(), name
    assert (c["phys"] >> 32 != 0).any() == (state.bits == 32)


def test_a_use_is_checked_with_the_words_of_the_kernels_that_its_file_is_a_part_of(tmp_path: Path) -> None:
    code = "static phys_addr_t f(unsigned long pfn) { return (phys_addr_t)pfn << PAGE_SHIFT; }\n"
    checked = {}
    for path in ("mm/one.c", "arch/arm64/mm/one.c", "arch/arm/mm/one.c", "arch/x86/mm/one_32.c"):
        place = tmp_path / path.replace("/", "-")
        (place / path).parent.mkdir(parents=True)
        (place / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n")
        (place / path).write_text(code)
        figures = dict(scanned(place).judged().figures)
        checked[path] = figures["checked with 64-bit words"], figures["checked with 32-bit words"]
    assert checked == {
        "mm/one.c": (1, 1), "arch/arm64/mm/one.c": (1, 0), "arch/arm/mm/one.c": (0, 1), "arch/x86/mm/one_32.c": (0, 1),
    }  # fmt: skip


def test_the_uses_of_the_real_tree_are_lifted_and_checked_and_no_decision_fails(kernel: Path) -> None:
    tree = open_tree(str(kernel))
    with open_cache() as cache:
        analysis, report = examine(tree, cache, CHOSEN.scheme), scan(tree, cache)
    items = arithmetic.run(analysis, report, CHOSEN, (), 2).items
    assert [(i.path, i.line, i.what, i.detail) for i in items if i.outcome == FAILED] == []
    assert all(i.why for i in items if i.outcome != PASSED)
    for of, least in ((items, 0.6), ([i for i in items if i.path.startswith("mm/")], 0.8)):
        assert sum(i.outcome != NOT_COVERED for i in of) >= least * len(of) > 0
