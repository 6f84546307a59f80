"""Uses whose name an object shows, since a macro turns its argument into text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from converter.classify.record import Site
from converter.convert.lines import split
from converter.convert.stringified import printing, stringified
from converter.tree import open_tree

ASSERT = "#define CHECK(cond) \\\n\tdo { if (!(cond)) fail(#cond); } while (0)\n"


def shown(place: Path, files: dict[str, str]) -> list[tuple[str, int, str]]:
    """(path, line, macro) of the uses of PAGE_SIZE in the .c files that are shown."""
    sites: dict[str, list[Site]] = {}
    (place / "Makefile").write_text("VERSION = 7\nPATCHLEVEL = 2\n")
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
        for n, line in enumerate(text.split("\n"), 1):
            at = line.find("PAGE_SIZE")
            if path.endswith(".c") and at >= 0:
                site = Site(path, n, at + 1, "PAGE_SIZE", None, "decided", "pg", "PG_SIZE", None, False, 1.0, "x", ())
                sites.setdefault(path, []).append(site)
    tree = open_tree(place)
    return [
        (s.path, s.line, s.macro) for s in stringified(tree, sites, lambda path: split((place / path).read_bytes()))
    ]  # fmt: skip


def test_a_use_in_an_assertion_is_named(tmp_path: Path) -> None:
    files = {"include/linux/check.h": ASSERT, "mm/a.c": "void f(int n)\n{\n\tCHECK(n <\n\t      PAGE_SIZE);\n}\n"}
    assert shown(tmp_path, files) == [("mm/a.c", 4, "CHECK")]


def test_a_macro_of_the_same_file_counts(tmp_path: Path) -> None:
    assert shown(tmp_path, {"mm/a.c": f"{ASSERT}void f(int n)\n{{\n\tCHECK(g(n) < PAGE_SIZE);\n}}\n"}) == [
        ("mm/a.c", 5, "CHECK")
    ]


def test_a_macro_of_another_architecture_does_not(tmp_path: Path) -> None:
    files = {"arch/x86/include/asm/check.h": ASSERT, "arch/arm/a.c": "void f(int n)\n{\n\tCHECK(n < PAGE_SIZE);\n}\n"}
    assert shown(tmp_path, files) == []


def test_an_argument_that_is_not_printed_does_not(tmp_path: Path) -> None:
    text = "#define SHOW(name, value) show(#name, value)\nint a = SHOW(x, PAGE_SIZE);\n"
    assert shown(tmp_path, {"mm/a.c": text}) == []


def test_a_use_after_the_call_does_not(tmp_path: Path) -> None:
    assert shown(tmp_path, {"mm/a.c": f"{ASSERT}void f(int n)\n{{\n\tCHECK(n); n = PAGE_SIZE;\n}}\n"}) == []


@pytest.mark.parametrize(
    ("macro", "arguments"),
    [
        ("#define A(x, y) f(#y)", {1}),
        ("#  define A(x, y) f(# x, #y)", {0, 1}),
        ("#define A(x) x ## _end", set()),
        ('#define A(x) f("#x", x)', set()),
        ("#define BUILD_BUG_ON(x) stop(x, #x)", set()),
        ('#define BUILD_BUG_ON_ZERO(e, ...) stop(e, ##__VA_ARGS__, #e " is true")', set()),
    ],
)
def test_which_arguments_a_macro_prints(macro: str, arguments: set[int]) -> None:
    found = printing(macro.encode() + b"\n")
    assert set().union(*found.values()) == arguments


def test_what_a_macro_hands_on_is_expanded_before_it_is_printed(tmp_path: Path) -> None:
    """The text of the size is the same before and after; only the macro that the source names sees the name."""
    header = f"{ASSERT}#define VM_CHECK(cond) CHECK(cond)\n"
    files = {"include/linux/check.h": header, "mm/a.c": "void f(int n)\n{\n\tVM_CHECK(n < PAGE_SIZE);\n}\n"}
    assert shown(tmp_path, files) == []


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
@pytest.mark.parametrize(("macro", "same"), [("VM_CHECK", True), ("CHECK", False)])
def test_the_preprocessor_says_so_too(macro: str, same: bool) -> None:
    told = []
    for name in ("PAGE_SIZE", "PG_SIZE"):
        text = f"#define {name} (1UL << 12)\n{ASSERT}#define VM_CHECK(cond) CHECK(cond)\n{macro}(n < {name})\n"
        done = subprocess.run(["cc", "-E", "-P", "-"], input=text, capture_output=True, text=True, check=True)
        told.append(done.stdout)
    assert (told[0] == told[1]) == same
