"""A conversion as a whole, where the command line cannot reach: files that change between scan and conversion."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
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
Stepped = Callable[..., dict[str, tuple[str, str]]]


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


def test_every_file_that_changed_since_the_scan_is_named(scanned: Scanned) -> None:
    """One with other bytes, one that is gone, one whose bytes are the same and whose time is not."""
    tree, decided = scanned
    root = Path(tree.root)
    (root / "mm/mremap.c").write_bytes((root / "mm/mremap.c").read_bytes().replace(b"PAGE_SIZE", b"PAGE_SIZ_"))
    (root / "ipc/shm.c").unlink()
    os.utime(root / "mm/mmap.c")
    with pytest.raises(InputError) as told:
        Conversion(tree, decided, Options()).files()
    assert re.findall(r"[\w/]+\.[ch]\b", str(told.value)) == ["ipc/shm.c", "mm/mmap.c", "mm/mremap.c"]


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
        series.write(Conversion(tree, decided, Options()), tmp_path / "out", plan.DEFAULT, WHO)
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
        series.write(Conversion(tree, decided, Options()), tmp_path / "out", plan.DEFAULT, WHO)
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
    parts = plan.partition(sites, plan.DEFAULT, Maintainers("", set[str]().__contains__), ("vm-pteoff",), ())
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


STEPS_TREE = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 12\n",
    "include/linux/mm_types.h": "struct vm_area_struct {\n\tunsigned long vm_start;\n\tunsigned long vm_end;\n"
    "\tunsigned long vm_pgoff;\n};\n",
    "include/linux/mm.h": "static inline unsigned long vma_pages(struct vm_area_struct *vma)\n{\n"
    "\treturn (vma->vm_end - vma->vm_start) >> PAGE_SHIFT;\n}\n",
    "include/linux/pagemap.h": "static inline pgoff_t linear_page_index(struct vm_area_struct *vma,\n"
    "\t\t\t\t\tunsigned long address)\n{\n\tpgoff_t pgoff;\n\n"
    "\tpgoff = (address - vma->vm_start) >> PAGE_SHIFT;\n\tpgoff += vma->vm_pgoff;\n\treturn pgoff;\n}\n",
    "include/asm-generic/getorder.h": "static inline __attribute_const__ int get_order(unsigned long size)\n{\n"
    "\tsize--;\n\tsize >>= PAGE_SHIFT;\n\treturn fls64(size);\n}\n",
    "mm/use.c": """static int map(struct vm_area_struct *vma, struct folio *folio, unsigned long addr,
               unsigned long size, u64 bytes)
{
	unsigned long pfn = PFN_DOWN(vma->vm_start);

	if (vma->vm_pgoff + vma_pages(vma) > pfn)
		return -EINVAL;
	if (vma->vm_pgoff == linear_page_index(vma, addr))
		return 0;
	if (folio->index == PFN_DOWN(bytes))
		return 1;
	return (int)__get_free_pages(GFP_KERNEL, get_order(size));
}

static struct page *cached(struct vm_area_struct *vma, struct address_space *mapping, unsigned long at)
{
	return find_get_page(mapping, linear_page_index(vma, at));
}

static void account(struct loader *loader, unsigned long vm_pgoff)
{
	loader->vma_pages = vm_pgoff;
}
""",
}


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> Stepped:
    """What a step makes of each file that it changes: (before, after)."""
    return stepping(tmp_path_factory.mktemp("steps"), STEPS_TREE)


def stepping(place: Path, files: dict[str, str]) -> Stepped:
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    tree = open_tree(place)
    with open_cache(False) as cache:
        decided = decisions(tree, cache, False, "pte-pg", 1)

    def run(*steps: str) -> dict[str, tuple[str, str]]:
        plain = {f.path: f.new.decode() for f in Conversion(tree, decided, Options()).files()}
        made = {f.path: f.new.decode() for f in Conversion(tree, decided, Options(steps=steps)).files()}
        return {p: (plain.get(p, files[p]), t) for p, t in made.items() if t != plain.get(p)}

    return run


@pytest.mark.parametrize(
    ("step", "old", "new"),
    [
        ("vm-pteoff", "vma->vm_pgoff", "vma->vm_pteoff"),
        ("vma-ptes", "vma_pages(vma)", "vma_ptes(vma)"),
        ("linear-pte-index", "linear_page_index(vma, addr)", "linear_pte_index(vma, addr)"),
        ("pfn-count", "PFN_DOWN(bytes)", "PG_DOWN(bytes)"),
    ],
)
def test_a_step_renames_its_own_uses_and_nothing_else(stepped: Stepped, step: str, old: str, new: str) -> None:
    before, after = stepped(step)["mm/use.c"]
    assert old in before
    assert before.replace(old, new) == after


def test_a_pfn_keeps_its_name_where_struct_pages_are_counted_apart(stepped: Stepped) -> None:
    _, after = stepped("pfn-count")["mm/use.c"]
    assert "PFN_DOWN(vma->vm_start)" in after


def test_the_order_of_an_allocation_stays(stepped: Stepped) -> None:
    files = stepped("pte-order")
    assert "mm/use.c" not in files
    assert "__get_free_pages(GFP_KERNEL, get_order(size))" in STEPS_TREE["mm/use.c"]
    _, header = files["include/asm-generic/getorder.h"]
    assert "int get_pte_order(unsigned long size)\n{\n\tsize--;\n\tsize >>= PTE_SHIFT;" in header
    assert "int get_order(unsigned long size)" in header


def test_the_order_of_a_window_of_addresses_becomes_one_of_ptes(tmp_path: Path) -> None:
    window = (
        "static bool starts(phys_addr_t p, size_t size)\n{\n"
        "\tphys_addr_t window = 1ULL << (get_order(size) + PTE_SHIFT);\n\n\treturn p == window;\n}\n"
    )
    unsplit = window.replace("PTE_SHIFT", "PAGE_SHIFT")
    before, after = stepping(tmp_path, {**STEPS_TREE, "mm/use.c": unsplit})("pte-order")["mm/use.c"]
    assert (before, after) == (window, window.replace("get_order", "get_pte_order"))


def test_a_variable_or_member_of_the_name_stays(stepped: Stepped) -> None:
    for step in ("vm-pteoff", "vma-ptes"):
        _, after = stepped(step)["mm/use.c"]
        assert "struct loader *loader, unsigned long vm_pgoff)\n{\n\tloader->vma_pages = vm_pgoff;" in after


def test_an_index_of_the_page_cache_stays_one(stepped: Stepped) -> None:
    _, after = stepped("linear-pte-index")["mm/use.c"]
    assert "find_get_page(mapping, linear_page_index(vma, at))" in after


def test_a_copied_function_uses_the_field_s_name_in_this_series(stepped: Stepped) -> None:
    _, alone = stepped("linear-pte-index")["include/linux/pagemap.h"]
    assert "linear_pte_index(struct vm_area_struct *vma" in alone
    assert alone.count("\treturn pgoff;\n}\n") == 2
    assert "vm_pteoff" not in alone
    _, both = stepped("linear-pte-index", "vm-pteoff")["include/linux/pagemap.h"]
    assert "pgoff += vma->vm_pteoff;" in both


def test_later_kernels_get_both_sizes_in_one_header(tmp_path: Path) -> None:
    """There include/vdso/page.h defines the page size for all architectures."""
    header = tmp_path / "include/vdso/page.h"
    header.parent.mkdir(parents=True)
    (tmp_path / "Makefile").write_text("VERSION = 7\nPATCHLEVEL = 2\n")
    header.write_text(
        "#define PAGE_SHIFT      CONFIG_PAGE_SHIFT\n#define PAGE_SIZE\t(_AC(1,UL) << CONFIG_PAGE_SHIFT)\n"
        "#if defined(CONFIG_PHYS_ADDR_T_64BIT) && !defined(CONFIG_64BIT)\n"
        "#define PAGE_MASK\t(~((1 << CONFIG_PAGE_SHIFT) - 1))\n"
        "#else\n#define PAGE_MASK\t(~(PAGE_SIZE - 1))\n#endif\n"
    )
    (tmp_path / "arch").mkdir()
    (tmp_path / "arch/Kconfig").write_text("config PAGE_SHIFT\n\tint\n\tdefault 12\n")
    tree = open_tree(tmp_path)
    with open_cache(False) as cache:
        decided = decisions(tree, cache, False, "pte-pg", 1)
    files = {f.path: f.new.decode() for f in Conversion(tree, decided, Options()).files()}
    text = files["include/vdso/page.h"]
    assert "#define PTE_SIZE\t(_AC(1, UL) << CONFIG_PTE_SHIFT)\n" in text
    assert text.count("#define PG_MASK\t") == 2
    assert text.index("#if PTE_SHIFT == PG_SHIFT") < text.index("#define PAGE_SIZE")
    assert text.index("#endif\n\n") < text.index("#if PTE_SHIFT == PG_SHIFT")
    assert "\tdefault 12\n\nconfig PTE_SHIFT\n" in files["arch/Kconfig"]


def test_changes_of_a_prepared_file_are_those_of_both(scanned: Scanned) -> None:
    tree, decided = scanned
    files = {f.path: f for f in Conversion(tree, decided, Options()).files()}
    made = files["arch/x86/include/asm/page_types.h"]
    assert b"".join(changed(made.old, made.changes)) == made.new
    assert b"#define IRQ_STACK_SIZE\t\t(PG_SIZE << 2)" in made.new
    assert b"#define PTE_SIZE" in made.new
