"""A file's cost grows with its size: generated code holds thousands of uses in one function, list or condition."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from converter.analyse import analyse

SMALL = 500
TIMES = 8
SLACK = 3

SHAPES: dict[str, Callable[[int], str]] = {
    "statements": lambda n: "int f(void)\n{\n" + "\tx = PAGE_SIZE;\n" * n + "}\n",
    "initialiser": lambda n: "int a[] = {" + "PAGE_SIZE, " * n + "};\n",
    "arguments": lambda n: "int f(void)\n{\n\tg(" + ", ".join(["PAGE_SIZE"] * n) + ");\n}\n",
    "sum": lambda n: "int f(void)\n{\n\treturn " + " + ".join(["PAGE_SIZE"] * n) + ";\n}\n",
    "condition": lambda n: "#if " + " || ".join(["PAGE_SIZE == 1"] * n) + "\nint a;\n#endif\n",
    "macro": lambda n: "#define X \\\n" + "\tf(PAGE_SIZE); \\\n" * n + "\n",
    "branches": lambda n: "#ifdef A\nint f(void) { return PAGE_SIZE; }\n#else\n" * n + "#endif\n" * n,
}


def seconds(text: str) -> float:
    """Of CPU that the file takes."""
    before = time.process_time()
    facts = analyse("mm/x.c", text.encode(), "pte-pg")
    taken = time.process_time() - before
    assert facts is not None
    assert len(facts.uses) == text.count("PAGE_SIZE")
    return taken


@pytest.mark.parametrize("shape", SHAPES)
def test_cost_grows_with_the_file_and_not_with_its_square(shape: str) -> None:
    """A ratio of two runs, far from both: TIMES where cost is linear, its square where it is not."""
    made = SHAPES[shape]
    seconds(made(1))  # rules are compiled
    small = max(min(seconds(made(SMALL)) for _ in range(3)), 1e-3)
    assert min(seconds(made(SMALL * TIMES)) for _ in range(2)) < small * TIMES * SLACK
