"""One self-contained HTML page: what a larger PG_SIZE would mean for one machine. No script, no reference outside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from converter.mmmodel import plots
from converter.mmmodel.footprint import CAUSES, Alignment, Held
from converter.mmmodel.geometry import MAX_PAGE_ORDER, Geometry, format_size
from converter.mmmodel.pagecache_cost import Bucket, Cost, Tree
from converter.mmmodel.procfs import Process, Skipped

_ROWS = 40
"""Processes in the table."""

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.3rem; margin-top: 2.5rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem; border-bottom: 1px solid #d9e2ec; text-align: right; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
thead th { border-bottom: 2px solid #829ab1; } tr.sub td:first-child { padding-left: 2rem; }
img { width: 100%; height: auto; } p.note { color: #52606d; font-size: .9rem; }
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the processes of a machine hold. each: every process, and what it holds at each size."""

    total: Sequence[Held]
    each: Sequence[tuple[Process, Sequence[Held]]]
    alignment: Sequence[Alignment]
    skipped: Skipped


@dataclass(frozen=True, slots=True)
class Files:
    """The page cache of a file tree."""

    tree: Tree
    costs: Sequence[Cost]
    buckets: Sequence[Bucket]


def render(ram: int, sizes: Sequence[Geometry], memory: Memory, files: Files) -> str:
    """The page. ram: bytes. Everything that comes from the machine (names, paths) is escaped."""
    sections = (
        "<h1>A larger PG_SIZE on this machine</h1>",
        f"<p>PTE_SIZE, what user space maps, stays {format_size(sizes[0].pte_size)}; PG_SIZE, what the kernel allocates"
        " and describes by one struct page, varies.</p>",
        _hardware(ram, sizes),
        _processes(sizes, memory),
        _page_cache(sizes, files),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>A larger PG_SIZE on this machine</title><style>{_STYLE}</style></head>\n"
        f"<body>{''.join(sections)}</body></html>\n"
    )


def _hardware(ram: int, sizes: Sequence[Geometry]) -> str:
    costs = [geometry.struct_page_bytes(ram) for geometry in sizes]
    base = Geometry().struct_page_bytes(ram)
    rows = [
        ("struct pages", [_mib(cost) for cost in costs]),
        ("saved against 4K", [_mib(base - cost) for cost in costs]),
        ("order of a 2M block", [str(geometry.order_of(2 << 20)) for geometry in sizes]),
        ("order of a 1G block", [str(geometry.order_of(1 << 30)) for geometry in sizes]),
        ("largest buddy block", [format_size(geometry.order_bytes(MAX_PAGE_ORDER)) for geometry in sizes]),
    ]
    return (
        f"<h2>Memory: {ram / (1 << 30):.1f} GiB</h2>"
        + _table(["", *_heads(sizes)], rows)
        + _image(plots.to_svg(plots.struct_pages(ram, sizes)), "Struct page cost and orders of huge blocks by PG_SIZE")
    )


def _processes(sizes: Sequence[Geometry], memory: Memory) -> str:
    total = memory.total
    rows = [
        ("held", [_mib(held.total) for held in total]),
        ("against 4K", [_factor(held.total, held.present) for held in total]),
        ("anonymous", [_mib(held.anon) for held in total]),
        ("file", [_mib(held.file) for held in total]),
        ("page tables, each in a page", [_mib(held.tables.whole_page) for held in total]),
        ("page tables, packed", [_mib(held.tables.packed) for held in total]),
        ("page tables, in batches", [_mib(held.tables.batch) for held in total]),
    ]
    causes = [(cause.replace("_", " "), [_mib(held.waste[cause]) for held in total]) for cause in CAUSES]
    by_waste = sorted(memory.each, key=lambda part: sum(part[1][-1].waste.values()), reverse=True)
    named = [
        (f"{process.name} {process.pid}", [_mib(size) for size in _wasted(each)]) for process, each in by_waste[:_ROWS]
    ]
    parts = [(f"{process.name} {process.pid}", [held.total for held in each]) for process, each in memory.each]
    wasted = [(f"{process.name} {process.pid}", [each[0].present, *_wasted(each)]) for process, each in memory.each]
    found, skipped = memory.alignment[-1], memory.skipped
    largest = format_size(sizes[-1].pg_size)
    return (
        f"<h2>{len(memory.each)} processes</h2>"
        + _table(["", *_heads(sizes)], rows)
        + _image(plots.to_svg(plots.footprint("Memory held by processes", total, parts)), "Memory held, by PG_SIZE")
        + f"<p>{found.off_grid} of {found.areas} mappings have an edge that is not {largest}-aligned; in"
        f" {found.incongruent} of {found.backed} file mappings address and offset differ modulo {largest}.</p>"
        + "<h3>Waste by cause</h3>"
        + _table(["", *_heads(sizes)], causes)
        + "<dl>"
        + "".join(f"<dt>{escape(cause.replace('_', ' '))}</dt><dd>{escape(why)}</dd>" for cause, why in CAUSES.items())
        + "</dl><h3>Waste by process</h3>"
        + _image(plots.to_svg(plots.waste("Waste by process", sizes, wasted)), "Waste by process and PG_SIZE")
        + _table(["process", *_heads(sizes)], named)
        + f'<p class="note">The {len(named)} of {len(by_waste)} processes that waste most;'
        f" {skipped.total} were skipped: {len(skipped.vanished)} gone, {len(skipped.unreadable)} not readable,"
        f" {len(skipped.without_memory)} without memory. A file page counts once in the sums above, whoever maps it,"
        " and here in each process. Anonymous pages that a fork still shares count in each process.</p>"
    )


def _wasted(each: Sequence[Held]) -> list[int]:
    return [sum(held.waste.values()) for held in each]


def _page_cache(sizes: Sequence[Geometry], files: Files) -> str:
    tree, costs = files.tree, files.costs
    rows = [
        ("page cache", [_mib(cost.total) for cost in costs]),
        ("over the content", [_factor(cost.total, tree.bytes) for cost in costs]),
        ("behind the ends of files", [_mib(cost.total_waste) for cost in costs]),
    ]
    figure = plots.pagecache("Page cache when all of it is cached", tree.bytes, costs, files.buckets)
    return (
        f"<h2>Page cache of {escape(_printable(tree.root))}</h2><p>{len(tree.sizes):,} files with {_mib(tree.bytes)},"
        " if all of them are cached.</p>"
        + _table(["", *_heads(sizes)], rows)
        + _image(plots.to_svg(figure), "Page cache and waste by file size, by PG_SIZE")
        + f'<p class="note">Not counted: {tree.links} symbolic links, {tree.again} further hard links,'
        f" {tree.mounts} file systems that the kernel makes up, {tree.unreadable} unreadable entries.</p>"
    )


def _heads(sizes: Sequence[Geometry]) -> list[str]:
    return [format_size(geometry.pg_size) for geometry in sizes]


def _table(head: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f"<tr><td>{escape(_printable(label))}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for label, cells in rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _image(svg: bytes, description: str) -> str:
    return f'<img alt="{escape(description)}" src="data:image/svg+xml;base64,{base64.b64encode(svg).decode()}">'


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MiB"


def _factor(size: int, base: int) -> str:
    return f"x{size / base:.2f}" if base else "-"
