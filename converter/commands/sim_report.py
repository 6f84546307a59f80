"""`pgconv sim report`: a page with plots for the machine at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from converter.commands.sim_text import SIZES_HELP, count, geometries, print_lines
from converter.errors import InputError
from converter.mmmodel.footprint import alignment, measure, measure_together
from converter.mmmodel.geometry import parse_size
from converter.mmmodel.pagecache_cost import buckets, cost, walk
from converter.mmmodel.procfs import all_pids, memory_total, read_processes
from converter.mmmodel.report import Files, Memory, render


def report(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.html", help="The page to write.")],
    ram: Annotated[
        str | None, typer.Option(help="Memory of the machine, such as 1T; this machine's if not given.")
    ] = None,
    pid: Annotated[
        list[int] | None, typer.Option(min=1, help="A process to measure; all that may be read if not given.")
    ] = None,
    directory: Annotated[Path, typer.Option("--dir", help="The file tree whose page cache is shown.")] = Path("/usr"),
    pg: Annotated[str, typer.Option(help=SIZES_HELP)] = "4K,16K,64K",
) -> None:
    """Write one self-contained HTML page: struct pages, huge blocks, processes, page cache.

    Example: pgconv sim report -o report.html --ram 1T --dir /srv
    """
    sizes = geometries(pg)
    size = parse_size(ram) if ram is not None else memory_total()
    processes, skipped = read_processes(pid or all_pids())
    if not processes:
        raise InputError(f"no process can be measured; skipped {skipped.total}")
    tree = walk(directory)
    memory = Memory(
        total=[measure_together(processes, geometry) for geometry in sizes],
        each=[(process, [measure(process, geometry) for geometry in sizes]) for process in processes],
        alignment=[alignment(processes, geometry) for geometry in sizes],
        skipped=skipped,
    )
    page = render(size, sizes, memory, Files(tree, [cost(tree, geometry) for geometry in sizes], buckets(tree)))
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from error
    print_lines([f"{count(len(processes), 'process', 'processes')} and {count(len(tree.sizes), 'file')} measured"])
