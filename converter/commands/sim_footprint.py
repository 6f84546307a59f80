"""`pgconv sim footprint`: memory that real processes hold at each PG_SIZE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from converter.commands import sim_smaps
from converter.commands.sim_text import SIZES_HELP, count, geometries, heading, human, print_json, print_lines, row
from converter.errors import InputError
from converter.mmmodel import plots
from converter.mmmodel.footprint import CAUSES, Held, alignment, measure, measure_together, shared_anonymous
from converter.mmmodel.geometry import Geometry, format_size
from converter.mmmodel.procfs import Process, Skipped, all_pids, read_processes

_ROWS = 20
"""Processes or mappings in the table; JSON has all of them."""


def footprint(
    pids: Annotated[list[int] | None, typer.Argument(metavar="PID", help="More processes.", min=1)] = None,
    pid: Annotated[
        list[int] | None, typer.Option("--pid", metavar="PID...", help="Processes to measure.", min=1)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every process that may be read.")] = False,
    smaps: Annotated[Path | None, typer.Option(help="A saved /proc/PID/smaps: gives bounds only.")] = None,
    pg: Annotated[str, typer.Option(help=SIZES_HELP)] = "4K,16K,64K",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON (schema pgconv.footprint/1).")] = False,
    plot: Annotated[Path | None, typer.Option(help="Also write a plot: FILE.png or FILE.svg.")] = None,
) -> None:
    """How much memory processes hold at each PG_SIZE, by mapping and by cause of waste.

    Example: pgconv sim footprint --pid 1234 5678 --plot held.svg

    Reads /proc/PID/smaps and pagemap, whose presence bits need no privilege for one's own processes. Processes that
    end meanwhile or may not be read are skipped and counted. Exit code 2 if none is left.
    """
    sizes = geometries(pg)
    wanted = [*(pid or []), *(pids or [])]
    if bool(wanted) + everything + (smaps is not None) != 1:
        raise InputError("say whose memory: one of --pid PID..., --all or --smaps FILE")
    if plot is not None:
        plots.check_suffix(plot)
    if smaps is not None:
        sim_smaps.show(smaps, sizes, as_json, plot)
        return
    processes, skipped = read_processes(all_pids() if everything else dict.fromkeys(wanted))
    if not processes:
        raise InputError(f"no process can be measured; {_skipped_line(skipped)}")
    total = [measure_together(processes, geometry) for geometry in sizes]
    each = [(process, [measure(process, geometry) for geometry in sizes]) for process in processes]
    if as_json:
        print_json(_as_json(processes, skipped, sizes, total, each))
    else:
        print_lines(_lines(processes, skipped, sizes, total, each))
    if plot is not None:
        plots.save(draw(_title(processes), each, total), plot)


def draw(title: str, each: Sequence[tuple[Process, Sequence[Held]]], total: Sequence[Held]) -> Any:
    """The plot of some processes; of one process by its mappings."""
    if len(each) == 1:
        held = each[0][1]
        parts = [(label, [one.by_label[label] for one in held]) for label in held[0].by_label]
    else:
        parts = [(f"{process.name} {process.pid}", [one.total for one in held]) for process, held in each]
    return plots.footprint(title, total, parts)


def summary(sizes: Sequence[Geometry], total: Sequence[Held]) -> list[str]:
    """What is held, page tables and struct pages, and the waste by cause: the part that processes and traces share."""
    lines = [
        heading("memory", sizes, factor=True),
        row("held", [held.total for held in total], base=total[-1].present),
        row("  anonymous", [held.anon for held in total]),
        row("  file", [held.file for held in total]),
        row("page tables, each in a page", [held.tables.whole_page for held in total]),
        row("page tables, packed", [held.tables.packed for held in total]),
        row("page tables, in batches", [held.tables.batch for held in total]),
        row("struct pages of what is held", [held.struct_pages for held in total]),
        "",
        heading("waste by cause", sizes),
    ]
    lines += [row(f"  {cause.replace('_', ' ')}", [held.waste[cause] for held in total]) for cause in CAUSES]
    return [
        *lines,
        row("  all of held", [sum(held.waste.values()) for held in total]),
        row("  tables, each in a page", [held.tables.whole_page - held.tables.needed for held in total]),
        row("  tables, packed", [held.tables.packed - held.tables.needed for held in total]),
        row("  tables, in batches", [held.tables.batch - held.tables.needed for held in total]),
    ]


def _lines(
    processes: Sequence[Process],
    skipped: Skipped,
    sizes: Sequence[Geometry],
    total: Sequence[Held],
    each: Sequence[tuple[Process, Sequence[Held]]],
) -> list[str]:
    areas = sum(len(process.areas) for process in processes)
    lines = [
        f"{count(len(processes), 'process', 'processes')}, {count(areas, 'mapping')}",
        _skipped_line(skipped),
        "",
        *summary(sizes, total),
        "",
    ]
    lines += _alignment_lines(processes, sizes[-1])
    if shared := shared_anonymous(processes, sizes[-1]):
        lines.append(f"{human(shared)} anonymous (at 4K) is still shared after fork and counted in each process")
    return [*lines, "", *table(each, sizes)]


def _title(processes: Sequence[Process]) -> str:
    if len(processes) == 1:
        return f"Memory held by {processes[0].name} (pid {processes[0].pid})"
    return f"Memory held by {len(processes)} processes"


def table(each: Sequence[tuple[Process, Sequence[Held]]], sizes: Sequence[Geometry]) -> list[str]:
    """The largest processes; of one process the largest mappings."""
    if len(each) == 1:
        held = each[0][1]
        named = {label: [one.by_label[label] for one in held] for label in held[0].by_label}
        return _table("mapping", "mappings", named, sizes)
    named = {f"{process.name} {process.pid}": [one.total for one in held] for process, held in each}
    return _table("process", "processes", named, sizes)


def _table(title: str, many: str, named: dict[str, list[int]], sizes: Sequence[Geometry]) -> list[str]:
    largest = sorted((name for name in named if named[name][-1]), key=lambda name: (-named[name][-1], name))
    lines = [heading(f"{title} (largest first)", sizes, factor=True)]
    lines += [row(name, named[name], base=named[name][0]) for name in largest[:_ROWS]]
    if more := len(largest) - _ROWS:
        lines += [f"and {more} more {many}; --json has all"] if more > 0 else []
    return lines


def _alignment_lines(processes: Sequence[Process], geometry: Geometry) -> list[str]:
    found, size = alignment(processes, geometry), format_size(geometry.pg_size)
    return [
        f"{found.off_grid} of {found.areas} mappings have an edge that is not {size}-aligned",
        f"{found.incongruent} of {found.backed} file mappings: address and offset differ modulo {size}",
    ]


def _skipped_line(skipped: Skipped) -> str:
    return (
        f"skipped {skipped.total} ({len(skipped.vanished)} gone, {len(skipped.unreadable)} not readable,"
        f" {len(skipped.without_memory)} without memory)"
    )


def as_record(held: Held) -> dict[str, Any]:
    """Held as JSON has it; bytes everywhere."""
    return {
        "pg_size": held.pg_size,
        "held": held.total,
        "anon": held.anon,
        "file": held.file,
        "waste": held.waste,
        "tables": {
            "count": held.tables.count,
            "whole_page": held.tables.whole_page,
            "packed": held.tables.packed,
            "batch": held.tables.batch,
        },
        "struct_pages": held.struct_pages,
    }


def _as_json(
    processes: Sequence[Process],
    skipped: Skipped,
    sizes: Sequence[Geometry],
    total: Sequence[Held],
    each: Sequence[tuple[Process, Sequence[Held]]],
) -> dict[str, Any]:
    aligned = [alignment(processes, geometry) for geometry in sizes]
    return {
        "schema": "pgconv.footprint/1",
        "skipped": {
            "vanished": list(skipped.vanished),
            "unreadable": list(skipped.unreadable),
            "without_memory": list(skipped.without_memory),
        },
        "total": [
            {
                **as_record(held),
                "mappings": found.areas,
                "mappings_off_grid": found.off_grid,
                "file_mappings": found.backed,
                "file_mappings_incongruent": found.incongruent,
            }
            for held, found in zip(total, aligned, strict=True)
        ],
        "shared_after_fork": shared_anonymous(processes, sizes[-1]),
        "processes": named_parts(each),
    }


def named_parts(each: Sequence[tuple[Process, Sequence[Held]]]) -> list[dict[str, Any]]:
    """Processes as JSON has them, with their mappings."""
    return [
        {
            "pid": process.pid,
            "name": process.name,
            "sizes": [{**as_record(one), "mappings": one.by_label} for one in held],
        }
        for process, held in each
    ]
