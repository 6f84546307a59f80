"""Level objects: equal code gives equal objects, and what is not equal is shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from converter.errors import InputError
from converter.tree import Tree, open_tree
from converter.verify import objects
from converter.verify.kbuild import Config, Workshop, workshop
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item, Result
from converter.verify.spelling import Renames, respell
from tests.verify.conftest import CONFIG, conversion

PATHS = ("mm", "arch/x86")


def item(result: Result, path: str) -> Item:
    return next(i for i in result.items if i.path == path)


def test_a_conversion_changes_no_object(
    shop: Workshop, tree: Tree, converted: Mapping[str, bytes], renames: Renames
) -> None:
    result = objects.run(shop, tree, converted, PATHS, CONFIG, renames)
    assert {i.path: i.outcome for i in result.items} == {
        "arch/x86/mm/levels.c": PASSED, "mm/check.c": PASSED, "mm/mremap.c": PASSED, "mm/unused.c": NOT_COVERED,
    }  # fmt: skip
    assert item(result, "mm/unused.c").why == "not part of this configuration"


def test_a_name_that_a_macro_prints_is_named_and_the_rest_compared(
    shop: Workshop, tree: Tree, converted: Mapping[str, bytes], renames: Renames
) -> None:
    result = objects.run(shop, tree, converted, ("mm/check.c",), CONFIG, renames)
    assert item(result, "mm/check.c").detail == '"vma->vm_start & ~PAGE_MASK" is "vma->vm_start & ~PTE_MASK"'


def test_a_name_in_a_text_excuses_nothing_else(
    shop: Workshop, tree: Tree, converted: Mapping[str, bytes], renames: Renames
) -> None:
    wrong = converted["mm/check.c"].replace(b"vm_end <", b"vm_end <=")
    result = objects.run(shop, tree, {**converted, "mm/check.c": wrong}, ("mm/check.c",), CONFIG, renames)
    assert item(result, "mm/check.c").outcome == FAILED


def test_a_changed_object_is_shown_as_its_functions(
    shop: Workshop, tree: Tree, converted: Mapping[str, bytes], renames: Renames
) -> None:
    wrong = converted["mm/mremap.c"].replace(b">> PTE_SHIFT", b">> (PTE_SHIFT + 1)")
    assert wrong != converted["mm/mremap.c"]
    result = objects.run(shop, tree, {**converted, "mm/mremap.c": wrong}, ("mm/mremap.c",), CONFIG, renames)
    found = item(result, "mm/mremap.c")
    assert (found.outcome, found.why) == (FAILED, "differs: vma_to_pgoff()")
    assert "-shr    $0xc" in found.detail
    assert "+shr    $0xd" in found.detail


def test_the_second_meaning_of_pte_shift_is_caught(
    shop: Workshop, tree: Tree, converted: Mapping[str, bytes], renames: Renames
) -> None:
    """On x86 PTE_SHIFT is ilog2(PTRS_PER_PTE): with the new meaning in its place it compiles, all levels off."""
    header = "arch/x86/include/asm/pgtable.h"
    trap = converted[header].replace(b"#define X86_PTE_SHIFT\tilog2(PTRS_PER_PTE)\n", b"\n")
    trap = trap.replace(b"X86_PTE_SHIFT", b"PTE_SHIFT")
    result = objects.run(shop, tree, {**converted, header: trap}, ("arch/x86",), CONFIG, renames)
    assert item(result, "arch/x86/mm/levels.c").why == "differs: level_size()"


def test_a_file_that_no_longer_builds_fails_with_what_the_compiler_says(
    shop: Workshop, tree: Tree, converted: Mapping[str, bytes], renames: Renames
) -> None:
    wrong = {**converted, "mm/mremap.c": converted["mm/mremap.c"].replace(b"PTE_SHIFT", b"NO_SUCH_SHIFT")}
    found = item(objects.run(shop, tree, wrong, ("mm",), CONFIG, renames), "mm/mremap.c")
    assert (found.outcome, found.why) == (FAILED, "does not build after the conversion")
    assert "NO_SUCH_SHIFT" in found.detail


def test_without_paths_only_touched_files_are_compared(
    shop: Workshop, tree: Tree, converted: Mapping[str, bytes], renames: Renames
) -> None:
    touched = {"mm/mremap.c": b"// another comment\n" + Path(tree.root, "mm/mremap.c").read_bytes()}
    result = objects.run(shop, tree, touched, (), CONFIG, renames)
    assert [i.path for i in result.items] == ["mm/mremap.c"]


def test_a_second_run_builds_on_the_first(
    place: Path, tmp_path: Path, converted: Mapping[str, bytes], renames: Renames
) -> None:
    for edit in (b"", b"int more;\n"):
        with open(place / "mm/mremap.c", "ab") as file:
            file.write(edit)
        tree = open_tree(str(place), None)
        with workshop(tree, tmp_path / "builds", 1, lambda what: None) as shop:
            result = objects.run(shop, tree, conversion(tree), PATHS, CONFIG, renames)
        assert not result.failed


ALOOF = """
made = gcc -c -o $@ $(CURDIR)/arch/x86/rm/aloof.c
noted = echo 'savedcmd_$@ := $(made)' > $(dir $@).aloof.o.cmd
arch/x86/rm/aloof.o:
	$(if $(wildcard $(O)/$@),true,mkdir -p $(O)/$(dir $@) && cd $(O) && $(made) && $(noted))
"""


def test_an_object_with_flags_of_its_own_is_compared_again_though_nothing_rebuilds_it(
    place: Path, tmp_path: Path, renames: Renames
) -> None:
    (place / "arch/x86/rm").mkdir()
    (place / "arch/x86/rm/aloof.c").write_text("int aloof;\n")
    makefile = place / "Makefile"
    makefile.write_text(makefile.read_text().replace("OBJECTS := ", "OBJECTS := arch/x86/rm/aloof.o ") + ALOOF)
    tree = open_tree(str(place), None)
    for _ in range(2):
        with workshop(tree, tmp_path / "builds", 1, lambda what: None) as shop:
            result = objects.run(shop, tree, conversion(tree), ("arch/x86",), CONFIG, renames)
        assert [i.outcome for i in result.items if i.path == "arch/x86/rm/aloof.c"] == [PASSED]


def test_a_tree_that_cannot_be_configured_is_told(shop: Workshop) -> None:
    with pytest.raises(InputError, match="CONFIG_MMU cannot be turned off"):
        shop.build("before", Config("x86_64_defconfig", ("# CONFIG_MMU is not set",)))


def test_two_runs_do_not_share_one_place(shop: Workshop, tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another build"), workshop(tree, tmp_path / "builds", 1, lambda what: None):
        pass


def test_builds_never_lie_in_the_tree(tree: Tree) -> None:
    with pytest.raises(InputError, match="inside the kernel tree"):
        workshop(tree, Path(tree.root, "build"), 1, lambda what: None).__enter__()


RENAMES: Renames = frozenset({("PAGE_SIZE", "PTE_SIZE"), ("PAGE_SIZE", "PG_SIZE")})


def test_strings_get_back_the_names_of_the_conversion_alone() -> None:
    made, texts = respell('f("PAGE_SIZE", "a");', 'f("PG_SIZE", "b");', RENAMES)
    assert made == 'f("PAGE_SIZE", "b");'
    assert texts == [('"PAGE_SIZE"', '"PG_SIZE"')]


def test_more_strings_are_respelt_nowhere() -> None:
    assert respell('f("PAGE_SIZE");', 'f("PG_SIZE", "PG_SIZE");', RENAMES) == ('f("PG_SIZE", "PG_SIZE");', [])
