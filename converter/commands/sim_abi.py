"""`pgconv sim abi`: the model against the kernel of this machine."""

from __future__ import annotations

import errno
import os
import textwrap
from typing import Annotated, Any

import typer

from converter.commands import sim_progress
from converter.commands.sim_text import WIDTH, print_json, print_lines
from converter.errors import EXIT_FOUND, InputError
from converter.mmmodel import abi as oracle
from converter.mmmodel.abi_compare import Tally
from converter.mmmodel.abi_kernel import older_than_the_rules
from converter.mmmodel.abi_model import describe
from converter.mmmodel.abi_print import c_source, python_source
from converter.mmmodel.abi_program import OPERATIONS
from converter.mmmodel.geometry import Geometry, format_size
from converter.report.output import write


def abi(
    ops: Annotated[int, typer.Option(min=1, help="Operations to run, in equal parts at each PG_SIZE.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Where the random programs start; the same seed is the same run.")] = 1,
    pg: Annotated[str, typer.Option(help="PG_SIZEs of the model, such as 64K or 4K,16K,64K; or all.")] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON (schema pgconv.abi/1).")] = False,
) -> None:
    """Run random programs of memory system calls on this machine's Linux kernel and on the model, and compare.

    Example: pgconv sim abi --ops 100000 --seed 7 --pg 64K

    After each operation: the return value or errno, and in every process the bytes of each page, mincore(2) and
    /proc/PID/maps. The first difference is shrunk to a small program and printed as Python and as C. Exit code 1 if
    there is one, 2 if this machine cannot be the oracle.
    """
    sizes = _sizes(pg)
    with sim_progress.shown("sim abi", 100) as progress:
        report = oracle.run(ops, seed, sizes, lambda tally: progress(min(100, tally.operations * 100 // ops)))
    difference = report.difference
    if difference is not None:
        difference = oracle.shrink(difference)
    if as_json:
        print_json(_as_json(report, difference, sizes))
    else:
        print_lines(_lines(report, difference, sizes))
        if difference is not None:
            write(None, _programs(difference).encode())
    if difference is not None:
        raise typer.Exit(EXIT_FOUND)


def _sizes(pg: str) -> tuple[str, ...]:
    names = oracle.PG_SIZES if pg == "all" else tuple(pg.split(","))
    sizes = tuple(format_size(Geometry.parse(name).pg_size) for name in names)
    if not set(sizes) <= set(oracle.PG_SIZES):
        raise InputError(f"the oracle knows PG_SIZEs {', '.join(oracle.PG_SIZES)}, not {pg}")
    return sizes


def _lines(report: oracle.Report, difference: oracle.Difference | None, sizes: tuple[str, ...]) -> list[str]:
    tally = report.tally
    compared = max(tally.compared, 1)
    lines = [
        f"{tally.operations} operations in {report.programs} programs at PG_SIZE {', '.join(sizes)};"
        f" {tally.errors} failed alike on both sides",
        f"{tally.compared} comparisons of all that a process sees: maps equal without joining adjacent lines in"
        f" {tally.maps_equal_unjoined / compared:.2%}, mincore(2) equal in {tally.mincore_equal / compared:.2%}",
    ]
    if tally.in_swap:
        lines.append(f"{tally.in_swap} times a page was in the kernel's swap")
    lines += ["answers, the same on both sides:", *_answers(tally)]
    if not report.brk:
        lines.append("brk(2) was left out: this machine does not let a process move its heap (prctl PR_SET_MM_MAP)")
    if report.strays:
        lines.append(f"{report.strays} programs ended early: a mapping landed beside the interpreter's own memory")
    if older_than_the_rules():
        lines.append(f"the model does what Linux 6.18 does; here is {os.uname().release}: expect mremap(2) to differ")
    if difference is None:
        return [*lines, "no difference between the kernel and the model"]
    return [
        *lines,
        f"DIFFERENCE with {describe(difference.setup)}:",
        difference.said,
        "",
        *(f"    {op.process}: {op.name}{op.args}" for op in difference.program),
        "",
    ]


def _programs(difference: oracle.Difference) -> str:
    """The difference as programs to run: of code no line may be cut."""
    return (
        f"---- as a Python script ----\n{python_source(difference)}\n---- as a C program ----\n{c_source(difference)}\n"
    )


def _answers(tally: Tally) -> list[str]:
    """How often each call succeeded, and with which errors it failed."""
    return [
        line
        for name in OPERATIONS
        if (given := _named(tally, name))
        for line in textwrap.wrap(
            ", ".join(f"{answer} {count}" for answer, count in given.items()),
            WIDTH,
            initial_indent=f"  {name:9}",
            subsequent_indent=" " * 11,
        )
    ]


def _named(tally: Tally, name: str) -> dict[str, int]:
    """Answers of one call by the name of the error, "ok" first."""
    given = sorted((error, count) for (call, error), count in tally.answers.items() if call == name)
    return {errno.errorcode[error] if error else "ok": count for error, count in given}


def _as_json(report: oracle.Report, difference: oracle.Difference | None, sizes: tuple[str, ...]) -> dict[str, Any]:
    tally = report.tally
    found = None
    if difference is not None:
        found = {
            "said": difference.said,
            "setup": describe(difference.setup),
            "program": [list(op) for op in difference.program],
            "python": python_source(difference),
            "c": c_source(difference),
        }
    return {
        "schema": "pgconv.abi/1",
        "pg_sizes": list(sizes),
        "operations": tally.operations,
        "programs": report.programs,
        "failed_alike": tally.errors,
        "answers": {name: _named(tally, name) for name in OPERATIONS},
        "compared": tally.compared,
        "maps_equal_unjoined": tally.maps_equal_unjoined,
        "mincore_equal": tally.mincore_equal,
        "in_swap": tally.in_swap,
        "strays": report.strays,
        "brk": report.brk,
        "difference": found,
    }
