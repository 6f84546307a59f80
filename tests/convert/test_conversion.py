"""A conversion as a whole, where the command line cannot reach: files that change between scan and conversion."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from converter.convert import inplace, plan, series
from converter.convert.conversion import Conversion, Options
from converter.convert.decisions import Decisions, decisions
from converter.convert.lines import changed, split
from converter.convert.maintainers import Maintainers
from converter.convert.prepare import Preparation
from converter.convert.steps import prepare_steps
from converter.errors import InputError
from converter.tree import Tree, open_tree
from converter.tree.cache import open_cache
from converter.vocabulary import scheme
from tests.convert.conftest import WHO

Scanned = tuple[Tree, Decisions]


@pytest.fixture
def scanned(tmp_path: Path, demo_tree: Path) -> Scanned:
    shutil.copytree(demo_tree, tmp_path / "linux")
    tree = open_tree(tmp_path / "linux")
    with open_cache(False) as cache:
        return tree, decisions(tree, cache, False, "pte-pg", 1)


def test_a_file_that_changed_since_the_scan_is_named(scanned: Scanned) -> None:
    tree, decided = scanned
    file = Path(tree.root) / "mm/mremap.c"
    file.write_bytes(b"\n" + file.read_bytes())
    with pytest.raises(InputError, match=r"mm/mremap\.c .*changed since the scan"):
        Conversion(tree, decided, Options()).files()


def test_a_changed_file_of_the_preparation_is_named_too(scanned: Scanned) -> None:
    tree, decided = scanned
    conversion = Conversion(tree, decided, Options())
    assert conversion.preparation.patches
    file = Path(tree.root) / "arch/x86/include/asm/pgtable.h"
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(InputError, match=r"pgtable\.h"):
        conversion.files()


def test_no_series_is_left_of_a_tree_that_changed(scanned: Scanned, tmp_path: Path) -> None:
    tree, decided = scanned
    (Path(tree.root) / "mm/mmap.c").unlink()
    with pytest.raises(InputError, match=r"mm/mmap\.c"):
        series.write(Conversion(tree, decided, Options()), tmp_path / "out", plan.BY, WHO)
    assert sorted(os.listdir(tmp_path)) == ["linux"]


def test_a_series_that_cannot_be_written_leaves_nothing(
    scanned: Scanned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, decided = scanned

    def full(self: Path, data: bytes) -> int:
        if "0007" in self.name:
            raise OSError(28, "No space left on device")
        with open(self, "wb") as file:
            return file.write(data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        series.write(Conversion(tree, decided, Options()), tmp_path / "out", plan.BY, WHO)
    assert sorted(os.listdir(tmp_path)) == ["linux"]


def test_a_file_that_changes_while_it_is_converted_is_left(scanned: Scanned) -> None:
    tree, decided = scanned
    files = Conversion(tree, decided, Options()).files()
    target = Path(tree.root) / files[0].path
    target.write_bytes(b"mine\n")
    with pytest.raises(InputError, match="changed while"):
        inplace.write(tree, files)
    assert target.read_bytes() == b"mine\n"


def test_undoing_the_changes_gives_the_original_bytes(scanned: Scanned) -> None:
    tree, decided = scanned
    for file in Conversion(tree, decided, Options()).files():
        old = split(file.new)
        for c in file.changes:  # what comes before is undone already, so that places are those of the original
            assert tuple(old[c.lo : c.lo + len(c.new)]) == c.new
            old[c.lo : c.lo + len(c.new)] = file.old[c.lo : c.hi]
        assert b"".join(old) == b"".join(file.old)


def test_a_patch_over_the_limit_is_parted_by_files(scanned: Scanned, monkeypatch: pytest.MonkeyPatch) -> None:
    _, decided = scanned
    monkeypatch.setattr(plan, "LARGEST", 10)
    sites = list(plan.chosen(decided.report.sites, False, (), (), frozenset()))
    for part in plan.partition(sites, ("role",), Maintainers("", set[str]().__contains__), (), ()):
        churn = 2 * len({(s.path, s.line) for s in part.sites})
        assert churn <= 10 or len(part.paths) == 1


def test_definitions_of_the_scheme_s_names_stay(scanned: Scanned) -> None:
    _, decided = scanned
    some = next(s for s in decided.report.sites if s.status == "decided" and s.function)
    assert list(plan.chosen([some], False, (), (), frozenset()))
    assert not list(plan.chosen([some], False, (), (), frozenset([some.function or ""])))


def test_every_use_is_in_one_patch(scanned: Scanned) -> None:
    _, decided = scanned
    sites = list(plan.chosen(decided.report.sites, False, ("vm-pteoff",), (), frozenset()))
    parts = plan.partition(sites, plan.BY, Maintainers("", set[str]().__contains__), ("vm-pteoff",), ())
    assert sorted(s.order() for p in parts for s in p.sites) == sorted(s.order() for s in sites)


def test_a_step_gives_the_field_a_second_name(tmp_path: Path) -> None:
    (tmp_path / "mm").mkdir()
    (tmp_path / "include/linux").mkdir(parents=True)
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\n")
    header = tmp_path / "include/linux/mm_types.h"
    header.write_text("struct v {\n\tunsigned long vm_pgoff;\t/* in PAGE_SIZE\n\t\t\t\t   units */\n\tint x;\n};\n")
    tree = open_tree(tmp_path)
    with open_cache(False) as cache:
        report = decisions(tree, cache, False, "pte-pg", 1).report
    preparation = Preparation(tree, scheme("pte-pg"), report.sites, {})
    prepare_steps(preparation, ["vm-pteoff"], report.sites)
    text = b"".join(preparation.workspace.files["include/linux/mm_types.h"].now).decode()
    assert text == (
        "struct v {\n\tunion {\n\t\tunsigned long vm_pteoff;\n\t\tunsigned long vm_pgoff;\t/* in PAGE_SIZE\n"
        "\t\t\t\t   units */\n\t};\n\tint x;\n};\n"
    )


def test_changes_of_a_prepared_file_are_those_of_both(scanned: Scanned) -> None:
    tree, decided = scanned
    files = {f.path: f for f in Conversion(tree, decided, Options()).files()}
    made = files["arch/x86/include/asm/page_types.h"]
    assert b"".join(changed(made.old, made.changes)) == made.new
    assert b"#define IRQ_STACK_SIZE\t\t(PG_SIZE << 2)" in made.new
    assert b"#define PTE_SIZE" in made.new
