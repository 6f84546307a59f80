"""gcc as the judge of C semantics: many expressions in one program, run on many rows of inputs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.lift import ctypes
from converter.lift.helpers import helpers

PARAMETERS = {
    "a": "signed char", "b": "unsigned char", "c": "short", "d": "unsigned short", "e": "int", "f": "unsigned int",
    "g": "long", "h": "unsigned long", "m": "long long", "n": "unsigned long long", "p": "bool", "q": "char",
}  # fmt: skip
EDGES = (
    0, 1, 2, 3, 7, 31, 63, 127, 128, 255, 256, 4095, 4096, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1,
    2**32, 2**52, 2**63 - 1, 2**63, 2**64 - 4096, 2**64 - 2, 2**64 - 1, 0x12345678, 0xFEDCBA9876543210,
)  # fmt: skip
ROWS = 128
FLAGS = ("-std=gnu11", "-O0", "-w", "-fwrapv", "-fno-strict-overflow")
"""As the kernel: signed arithmetic wraps."""


def required() -> str:
    """The compiler; skips where there is none, or fails where the run must be complete."""
    found = shutil.which("gcc")
    if found is None:
        if os.environ.get("PGCONV_REQUIRE_KERNEL") == "1":
            pytest.fail("no gcc: apt-get install gcc")
        pytest.skip("no gcc")
    return found


def inputs() -> dict[str, NDArray[np.uint64]]:
    """Rows of each parameter as 64 bits, of which its type takes what it holds."""
    edges = np.array(EDGES, np.uint64)
    rows = np.arange(ROWS)
    return {name: edges[(rows * (3 * i + 1) + 5 * i) % len(edges)] for i, name in enumerate(PARAMETERS)}


def evaluated(expressions: Sequence[str], work: Path) -> list[tuple[int, bool, list[int]]]:
    """Of each expression: size and signedness of its type, and its value in each row as 64 bits."""
    arrays = inputs()
    names = list(PARAMETERS)
    lines = [
        "#include <stdio.h>",
        "#include <stdbool.h>",
        f"static const unsigned long long in[{ROWS}][{len(names)}] = {{",
    ]
    lines += ["{" + ",".join(f"{int(arrays[n][row])}ULL" for n in names) + "}," for row in range(ROWS)]
    lines += ["};", *_definitions()]
    parameters = ", ".join(f"{t} {n}" for n, t in PARAMETERS.items())
    for i, text in enumerate(expressions):
        lines.append(f'static void f{i}({parameters}) {{ printf("%llx\\n", (unsigned long long)({text})); }}')
        lines.append(
            f'static void t{i}({parameters}) {{ printf("%d %d\\n", (int)sizeof({text}), (typeof({text}))-1 < 0); }}'
        )
    given = ", ".join(f"({t})in[r][{i}]" for i, t in enumerate(PARAMETERS.values()))
    first = given.replace("[r]", "[0]")
    lines.append("int main(void) { int r;")
    lines += [f"t{i}({first}); for (r = 0; r < {ROWS}; r++) f{i}({given});" for i in range(len(expressions))]
    lines.append("return 0; }")
    source, program = work / "semantics.c", work / "semantics"
    source.write_text("\n".join(lines))
    command: list[str | Path] = [required(), *FLAGS, "-o", program, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[:2000]
    said = subprocess.run([program], check=True, capture_output=True, text=True, timeout=120).stdout.split("\n")
    found = []
    for i in range(len(expressions)):
        own = said[i * (ROWS + 1) : (i + 1) * (ROWS + 1)]
        size, signed = own[0].split()
        found.append((int(size), signed == "1", [int(v, 16) for v in own[1:]]))
    return found


def _definitions() -> list[str]:
    """The helpers of rules/lift/helpers.toml as macros, on a kernel with 4 KiB PTEs and 16 KiB pages."""
    lines = ["#define PAGE_SHIFT 12", "#define PAGE_SIZE (1UL << PAGE_SHIFT)", "#define PAGE_MASK (~(PAGE_SIZE - 1))"]
    lines += ["#define PTE_SHIFT 12", "#define PG_SHIFT 14"]
    lines += ["static int __log2(unsigned long n) { return n ? 63 - __builtin_clzl(n) : -1; }"]
    lines += ["typedef unsigned int u32;", "typedef unsigned long long u64, phys_addr_t;", "typedef long long loff_t;"]
    for h in (p.helper for p in helpers().values()):
        if h.name in ("true", "false", "NULL"):
            continue
        parameters = f"({', '.join(h.params)})" if h.params is not None else ""
        lines.append(f"#define {h.name}{parameters} ({h.c})")
    lines.append("#define NULL ((void *)0)")
    return lines


def type_of(name: str) -> ctypes.CType:
    found = ctypes.parse(PARAMETERS[name])
    assert found is not None
    return found
