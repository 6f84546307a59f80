"""gcc as the judge of C semantics: many expressions in one program, run on many rows of inputs.

The program has no library: a word size for which only the compiler is installed can be asked too.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.lift.datamodel import DataModel
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
FLAGS = ("-std=gnu11", "-O0", "-w", "-fwrapv", "-fno-strict-overflow", "-ffreestanding", "-nostdlib", "-static")
"""As the kernel: signed arithmetic wraps."""

_SYSTEM = """
typedef _Bool bool;
#if __SIZEOF_LONG__ == 8
static long sys(long nr, long a, const void *b, long c)
{ long r; __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory"); return r; }
enum { WRITE = 1, EXIT = 60 };
#else
static long sys(long nr, long a, const void *b, long c)
{ long r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory"); return r; }
enum { WRITE = 4, EXIT = 1 };
/* What gcc calls for 64-bit division. */
static unsigned long long divided(unsigned long long n, unsigned long long d, unsigned long long *rest)
{
	unsigned long long q = 0, r = 0;
	for (int i = 63; i >= 0; i--) {
		unsigned long long carry = r >> 63;
		r = r << 1 | (n >> i & 1);
		if (carry || r >= d) { r -= d; q |= 1ULL << i; }
	}
	*rest = r;
	return q;
}
unsigned long long __udivdi3(unsigned long long n, unsigned long long d)
{ unsigned long long r; return divided(n, d, &r); }
unsigned long long __umoddi3(unsigned long long n, unsigned long long d)
{ unsigned long long r; divided(n, d, &r); return r; }
static unsigned long long size(long long v) { return v < 0 ? -(unsigned long long)v : v; }
long long __divdi3(long long n, long long d)
{ unsigned long long r, q = divided(size(n), size(d), &r); return (n < 0) != (d < 0) ? -q : q; }
long long __moddi3(long long n, long long d)
{ unsigned long long r; divided(size(n), size(d), &r); return n < 0 ? -r : r; }
#endif
static unsigned long long said[8192];
static int filled;
static void flush(void)
{
	const char *at = (const char *)said;
	long left = filled * 8;
	while (left > 0) {
		long done = sys(WRITE, 1, at, left);
		if (done <= 0) sys(EXIT, 1, 0, 0);
		at += done; left -= done;
	}
	filled = 0;
}
static void say(unsigned long long v) { said[filled++] = v; if (filled == 8192) flush(); }
"""


def required() -> str:
    """The compiler; skips where there is none, or fails where the run must be complete."""
    found = shutil.which("gcc")
    if found is None:
        if os.environ.get("PGCONV_REQUIRE_KERNEL") == "1":
            pytest.fail("no gcc: apt-get install gcc")
        pytest.skip("no gcc")
    return found


def runs(model: DataModel, work: Path) -> None:
    """Skips where this machine does not run programs of that word size."""
    try:
        evaluated(["1"], work, model)
    except OSError as error:
        pytest.skip(f"this kernel runs no {model.bits}-bit programs: {error.strerror}")


def inputs() -> dict[str, NDArray[np.uint64]]:
    """Rows of each parameter as 64 bits, of which its type takes what it holds."""
    edges = np.array(EDGES, np.uint64)
    rows = np.arange(ROWS)
    return {name: edges[(rows * (3 * i + 1) + 5 * i) % len(edges)] for i, name in enumerate(PARAMETERS)}


def evaluated(expressions: Sequence[str], work: Path, model: DataModel) -> list[tuple[int, bool, list[int]]]:
    """Of each expression: size and signedness of its type, and its value in each row as 64 bits. Raises OSError where
    the program cannot be run here."""
    arrays = inputs()
    names = list(PARAMETERS)
    lines = [_SYSTEM, f"static const unsigned long long in[{ROWS}][{len(names)}] = {{"]
    lines += ["{" + ",".join(f"{int(arrays[n][row])}ULL" for n in names) + "}," for row in range(ROWS)]
    lines += ["};", *_definitions(model)]
    parameters = ", ".join(f"{t} {n}" for n, t in PARAMETERS.items())
    for i, text in enumerate(expressions):
        lines.append(f"static void f{i}({parameters}) {{ say((unsigned long long)({text})); }}")
        lines.append(f"static void t{i}({parameters}) {{ say(sizeof({text})); say((typeof({text}))-1 < 0); }}")
    given = ", ".join(f"({t})in[r][{i}]" for i, t in enumerate(PARAMETERS.values()))
    first = given.replace("[r]", "[0]")
    lines.append("__attribute__((force_align_arg_pointer)) void _start(void) { int r;")
    lines += [f"t{i}({first}); for (r = 0; r < {ROWS}; r++) f{i}({given});" for i in range(len(expressions))]
    lines.append("flush(); sys(EXIT, 0, 0, 0); }")
    source, program = work / f"semantics{model.bits}.c", work / f"semantics{model.bits}"
    source.write_text("\n".join(lines))
    command: list[str | Path] = [required(), *FLAGS, f"-m{model.bits}", "-o", program, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[:2000]
    said = subprocess.run([program], check=True, capture_output=True, timeout=120).stdout
    values = struct.unpack(f"<{len(said) // 8}Q", said)
    found = []
    for i in range(len(expressions)):
        size, signed, *own = values[i * (ROWS + 2) : (i + 1) * (ROWS + 2)]
        found.append((size, signed == 1, own))
    return found


def _definitions(model: DataModel) -> list[str]:
    """The helpers of rules/lift/helpers.toml as macros, on a kernel with 4 KiB PTEs and 16 KiB pages."""
    mask = f"(({'int' if model.mask.signed else 'unsigned long'})~(PAGE_SIZE - 1))"
    lines = ["#define PAGE_SHIFT 12", "#define PAGE_SIZE (1UL << PAGE_SHIFT)", f"#define PAGE_MASK {mask}"]
    lines += ["#define PTE_SHIFT 12", "#define PG_SHIFT 14"]
    lines += ["static int log_of(unsigned long long n) { return n ? 63 - __builtin_clzll(n) : -1; }"]
    lines += ["#define __log2(n) (sizeof(n) <= 4 ? log_of((unsigned int)(n)) : log_of(n))"]
    lines += ["typedef unsigned int u32;", "typedef unsigned long long u64, phys_addr_t;", "typedef long long loff_t;"]
    lines += ["typedef __SIZE_TYPE__ size_t;"]
    for h in (p.helper for p in helpers().values()):
        if h.name in ("true", "false", "NULL"):
            continue
        parameters = f"({', '.join(h.params)})" if h.params is not None else ""
        lines.append(f"#define {h.name}{parameters} ({h.c})")
    lines += ["#define NULL ((void *)0)", "#define true 1", "#define false 0"]
    return lines
