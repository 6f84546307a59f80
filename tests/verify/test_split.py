"""Level split: the compiler names what is not converted, and the scan knew each of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from converter.classify.record import Site
from converter.convert.decisions import decisions
from converter.tree import Tree, open_tree
from converter.tree.cache import open_cache
from converter.verify import left, split
from converter.verify.kbuild import Workshop
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item, Result
from converter.vocabulary import scheme
from tests.verify.conftest import CONFIG, conversion

LEFT = """
#include <linux/mm.h>

#define TWICE (2 * PAGE_SIZE)
#define NEVER PAGE_MASK
#if PAGE_SHIFT > 12
int large;
#endif

unsigned long of_many(unsigned long n)
{
	return PAGE_SIZE + n * PAGE_SIZE + TWICE + TWICE + PAGE_ALIGN(n + PAGE_ALIGN(n));
}

unsigned long of_another(unsigned long n)
{
	return PAGE_SIZE / n;
}
"""
PLACES = [
    (4, "PAGE_SIZE"), (6, "PAGE_SHIFT"), (12, "PAGE_SIZE"), (12, "PAGE_SIZE"), (12, "PAGE_ALIGN"), (12, "PAGE_ALIGN"),
    (17, "PAGE_SIZE"),
]  # fmt: skip


@pytest.fixture
def tree(place: Path) -> Tree:
    """The tree with a file of which nothing is converted."""
    (place / "mm/left.c").write_text(LEFT)
    makefile = place / "Makefile"
    makefile.write_text(makefile.read_text().replace("OBJECTS := ", "OBJECTS := mm/left.o "))
    return open_tree(str(place), None)


@pytest.fixture
def files(tree: Tree) -> Mapping[str, bytes]:
    return {path: content for path, content in conversion(tree).items() if path != "mm/left.c"}


def sites(shop: Workshop, files: Mapping[str, bytes]) -> tuple[Site, ...]:
    """What a scan says of the converted tree."""
    shop.state("converted", files)
    with open_cache(False) as cache:
        return decisions(open_tree(str(shop.copy.source), None), cache, False, "pte-pg", 1).report.sites


def run(shop: Workshop, tree: Tree, files: Mapping[str, bytes], known: tuple[Site, ...]) -> Result:
    return split.run(shop, tree, files, ("mm", "arch/x86"), CONFIG, (14, 16), scheme("pte-pg"), known)


def of(result: Result, outcome: str, path: str) -> list[Item]:
    return [i for i in result.items if (i.outcome, i.path) == (outcome, path)]


def test_every_use_that_is_left_is_named_where_it_is_written(
    shop: Workshop, tree: Tree, files: Mapping[str, bytes]
) -> None:
    result = run(shop, tree, files, sites(shop, files))
    assert [i for i in result.items if i.outcome == FAILED] == []
    assert [(i.line, i.what.split()[0]) for i in of(result, PASSED, "mm/left.c")] == PLACES
    figures = dict(result.figures)
    assert figures["uses left in mm/"] == len(PLACES)
    assert figures["files without a use left, PG_SHIFT 14"] == figures["files compiled with PG_SHIFT 14"] - 1


def test_a_converted_file_compiles(shop: Workshop, tree: Tree, files: Mapping[str, bytes]) -> None:
    result = run(shop, tree, files, sites(shop, files))
    assert [i.what for i in of(result, PASSED, "mm/mremap.c")] == ["compiles with PG_SHIFT 14 and 16"]


def test_a_use_that_nothing_compiles_is_not_covered(shop: Workshop, tree: Tree, files: Mapping[str, bytes]) -> None:
    result = run(shop, tree, files, sites(shop, files))
    assert [(i.line, i.why) for i in of(result, NOT_COVERED, "mm/left.c")] == [
        (5, "not compiled: another branch of an #if, or a macro that nothing uses")
    ]


def test_a_use_that_the_scan_did_not_know_is_a_failure(shop: Workshop, tree: Tree, files: Mapping[str, bytes]) -> None:
    known = tuple(s for s in sites(shop, files) if (s.path, s.line) != ("mm/left.c", 17))
    result = run(shop, tree, files, known)
    failed = [(i.line, i.why) for i in result.items if i.outcome == FAILED]
    assert failed == [(17, "a failure of pgconv: the scan does not know this use")]


def test_a_use_that_the_scan_took_for_a_comment_is_a_failure(
    shop: Workshop, tree: Tree, files: Mapping[str, bytes]
) -> None:
    known = tuple(replace(s, status="inert") if (s.path, s.line) == ("mm/left.c", 17) else s
                  for s in sites(shop, files))  # fmt: skip
    assert [i.line for i in run(shop, tree, files, known).items if i.outcome == FAILED] == [17]


def test_a_use_in_a_header_counts_once(shop: Workshop, tree: Tree, files: Mapping[str, bytes]) -> None:
    header = files["include/linux/mm.h"].removesuffix(b"#endif\n")
    header += b"static inline long one(void) { return PAGE_SIZE; }\n#endif\n"
    changed = {**files, "include/linux/mm.h": header}
    result = run(shop, tree, changed, sites(shop, changed))
    assert dict(result.figures)["uses left in include/linux/"] == 1


def test_a_use_that_a_macro_pastes_is_found_in_its_call(shop: Workshop, tree: Tree, files: Mapping[str, bytes]) -> None:
    text = b"#define LAST(a, ...) f(a, ## __VA_ARGS__)\nint f(long, long);\n"
    text += b"int g(void)\n{\n\treturn LAST(1,\n\t\t(7 - PAGE_SIZE));\n}\n"
    changed = {**files, "mm/mremap.c": b"#include <linux/mm.h>\n" + text}
    result = run(shop, tree, changed, sites(shop, changed))
    assert [(i.outcome, i.line) for i in result.items if i.path == "mm/mremap.c"] == [(PASSED, 7)]


ENTRY = """
#include "../entry/calling.h"
#if PAGE_SHIFT > 12
	nop
#endif
entry:
	mov $(USER_BIT), %eax
	mov $(USER_BIT), %ebx
"""


def test_what_is_left_in_assembler_is_found_where_it_is_written(
    place: Path, shop: Workshop, tree: Tree, files: Mapping[str, bytes]
) -> None:
    (place / "arch/x86/entry").mkdir()
    (place / "arch/x86/entry/entry.S").write_text(ENTRY)
    (place / "arch/x86/entry/calling.h").write_text("#define USER_BIT PAGE_SHIFT /* PAGE_SIZE */\n")
    makefile = place / "Makefile"
    makefile.write_text(makefile.read_text().replace("OBJECTS := ", "OBJECTS := arch/x86/entry/entry.o "))
    shop.copy.refresh()
    changed = {p: c for p, c in files.items() if not p.startswith("arch/x86/entry/")}
    result = run(shop, open_tree(str(place), None), changed, sites(shop, changed))
    assert [(i.outcome, i.path, i.line) for i in result.items if "/entry/" in i.path] == [
        (PASSED, "arch/x86/entry/calling.h", 1), (PASSED, "arch/x86/entry/entry.S", 3),
    ]  # fmt: skip


def test_a_use_in_a_header_for_user_space_is_known_to_need_a_rewrite(
    place: Path, shop: Workshop, files: Mapping[str, bytes]
) -> None:
    (place / "include/uapi/linux").mkdir(parents=True)
    (place / "include/uapi/linux/limits.h").write_text("#define LONGEST (PAGE_SIZE * 32)\n")
    text = b"#include <uapi/linux/limits.h>\nlong f(void)\n{\n\treturn LONGEST;\n}\n"
    shop.copy.refresh()
    changed = {**files, "mm/mremap.c": b"#include <linux/mm.h>\n" + text}
    result = run(shop, open_tree(str(place), None), changed, sites(shop, changed))
    assert [(i.outcome, i.line, i.what) for i in result.items if "/uapi/" in i.path] == [
        (PASSED, 1, "PAGE_SIZE is left: logic")
    ]


def test_a_scheme_that_keeps_the_family_has_nothing_to_name() -> None:
    assert left.vanishing(scheme("mmupage")) == []
    assert "PAGE_SIZE" in left.vanishing(scheme("pte-pg"))
