"""`pgconv sim pagecache`: page cache of a file tree at each PG_SIZE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from converter.commands.sim_text import SIZES_HELP, count, geometries, heading, human, print_json, print_lines, row
from converter.mmmodel import plots
from converter.mmmodel.geometry import Geometry, format_size
from converter.mmmodel.pagecache_cost import Bucket, Cost, Tree, buckets, cost, walk


def pagecache(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The tree; symbolic links are never followed.")],
    pg: Annotated[str, typer.Option(help=SIZES_HELP)] = "4K,16K,64K",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON (schema pgconv.pagecache/1).")] = False,
    plot: Annotated[Path | None, typer.Option(help="Also write a plot: FILE.png or FILE.svg.")] = None,
) -> None:
    """Page cache that a file tree needs at each PG_SIZE when all of it is cached: bytes, waste, by file size.

    Example: pgconv sim pagecache /usr/share --plot cache.png

    Reads only the sizes of files. Hard links count once; directories that may not be read are counted.
    """
    sizes = geometries(pg)
    if plot is not None:
        plots.check_suffix(plot)
    tree = walk(directory)
    costs = [cost(tree, geometry) for geometry in sizes]
    found = buckets(tree)
    if as_json:
        print_json(_as_json(tree, costs, found))
    else:
        print_lines(_lines(tree, sizes, costs, found))
    if plot is not None:
        plots.save(draw(tree, costs, found), plot)


def draw(tree: Tree, costs: Sequence[Cost], found: Sequence[Bucket]) -> Any:
    """The plot of a tree."""
    return plots.pagecache(f"Page cache of {tree.root}, {len(tree.sizes):,} files", tree.bytes, costs, found)


def _lines(tree: Tree, sizes: Sequence[Geometry], costs: Sequence[Cost], found: Sequence[Bucket]) -> list[str]:
    lines = [
        f"{count(len(tree.sizes), 'file')}, {human(tree.bytes)}",
        f"not counted: {tree.links} symbolic links, {tree.again} further hard links,",
        f"{tree.mounts} mounts of file systems that the kernel makes up, {tree.unreadable} unreadable entries",
        "",
        heading("page cache", sizes),
        row("all files", [one.total for one in costs]),
        row("  over their content", [one.total for one in costs], lambda size: _factor(size, tree.bytes)),
        row("  behind the ends of files", [one.total_waste for one in costs]),
        "",
        "behind the ends of files, by file size",
        heading(f"  {'size':11}{'files':>9}{'bytes':>9}", sizes),
    ]
    for number, bucket in enumerate(found):
        label = f"  {_span(bucket):11}{bucket.files:>9}{human(bucket.bytes):>9}"
        lines.append(row(label, [one.waste[number] for one in costs]))
    return lines


def _factor(size: int, content: int) -> str:
    return f"x{size / content:.2f}" if content else "-"


def _span(bucket: Bucket) -> str:
    return f"up to {format_size(bucket.size)}" if bucket.size is not None else f"over {format_size(bucket.above)}"


def _as_json(tree: Tree, costs: Sequence[Cost], found: Sequence[Bucket]) -> dict[str, Any]:
    return {
        "schema": "pgconv.pagecache/1",
        "root": tree.root,
        "files": len(tree.sizes),
        "bytes": tree.bytes,
        "symbolic_links": tree.links,
        "further_hard_links": tree.again,
        "kernel_mounts": tree.mounts,
        "unreadable": tree.unreadable,
        "sizes": [{"pg_size": one.pg_size, "cached": one.total, "waste": one.total_waste} for one in costs],
        "by_file_size": [
            {
                "above": bucket.above,
                "up_to": bucket.size,
                "files": bucket.files,
                "bytes": bucket.bytes,
                "waste": {format_size(one.pg_size): one.waste[number] for one in costs},
            }
            for number, bucket in enumerate(found)
        ],
    }
