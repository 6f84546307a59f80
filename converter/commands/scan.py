"""`pgconv scan`: options in, a report out."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from converter.classify.record import Report
from converter.classify.roles import rules
from converter.commands.common import (
    Jobs,
    NoCache,
    Output,
    Revision,
    SchemeName,
    TreePath,
    choose,
    chosen_paths,
    opened,
    progress,
)
from converter.commands.restrict import Status, check_status, restricted
from converter.errors import InputError
from converter.report import FORMATS, render
from converter.report.output import write, write_text
from converter.vocabulary import UNITS, vocabulary
from converter.vocabulary import scheme as load_scheme


def scan(
    tree: TreePath = None,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Print only these files and directories of the tree."),
    ] = None,
    rev: Revision = None,
    format_: Annotated[str, typer.Option("--format", help="text, json, jsonl, gcc or sarif.")] = "text",
    output: Output = None,
    scheme: SchemeName = "pte-pg",
    status: Status = None,
    unit: Annotated[str | None, typer.Option(help="Only sites of this unit: pte or pg.")] = None,
    role: Annotated[str | None, typer.Option(help="Only sites of this role.")] = None,
    what_if: Annotated[
        Path | None, typer.Option("--what-if", metavar="FILE", help="Signatures to try: says what they would decide.")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="K/N", help="Only the K-th of N shares, to the file of -o; see merge."),
    ] = None,
    jobs: Jobs = None,
    no_cache: NoCache = False,
    tree_macros: Annotated[
        bool, typer.Option("--tree-macros", help="A record too for each use of macros that the tree makes of them.")
    ] = False,
    show_vocabulary: Annotated[
        bool, typer.Option("--vocabulary", help="Show the names that are looked for; with TREE, its own macros too.")
    ] = False,
) -> None:
    """Find every use of the page-size family in a kernel tree and decide PTE or PG.

    Example: pgconv scan linux/ mm/mremap.c --format gcc
    """
    choose(format_, FORMATS, "--format")
    if show_vocabulary and format_ != "text":
        raise InputError(f"--format {format_}: --vocabulary prints a table, as text only; leave one of them out")
    if show_vocabulary and tree is None and shard is None:
        write_text(output, _vocabulary(scheme))
        return
    check_status(status)
    if unit is not None:
        choose(unit, UNITS, "--unit")
    if shard is not None:
        if output is None:
            raise InputError("--shard makes a part for pgconv merge: name its file with -o")
        others = {
            "PATH": paths, "--format": format_ != "text", "--status": status, "--unit": unit, "--role": role,
            "--what-if": what_if, "--tree-macros": tree_macros, "--vocabulary": show_vocabulary,
        }  # fmt: skip
        if named := [name for name, value in others.items() if value not in (None, False, [])]:
            raise InputError(
                f"--shard makes a part for pgconv merge, of the whole tree: leave out {', '.join(named)}; "
                "merge has --format and --status"
            )
        _share(tree, rev, shard, output, scheme, jobs, no_cache)
        return
    with opened(tree, rev, not no_cache, jobs) as (source, cache):
        from converter.examine import examine
        from converter.scan import scan as run
        from converter.treemacros import table, with_macros
        from converter.treemacros import tree_macros as find_macros

        places = chosen_paths(source, paths)
        with progress(source.name) as report_progress:
            report = run(source, cache, scheme, jobs, report_progress, None)
            tried = run(source, cache, scheme, jobs, report_progress, what_if) if what_if is not None else None
            if tree_macros or show_vocabulary:
                found = find_macros(examine(source, cache, scheme, jobs), report, jobs, report_progress)
                report = with_macros(report, found)
        if role is not None:
            choose(role, sorted({r.role for r in rules().rules.values()} | report.summary["role"].keys()), "--role")
        warnings = cache.warnings
    if show_vocabulary:
        write_text(output, f"{_vocabulary(scheme)}\nmacros of {source.name}\n\n{_columns(table(found))}")
        return
    if tried is not None:
        write_text(output, _difference(report, tried))
        return
    chosen = restricted(replace(report, warnings=(*report.warnings, *warnings)), places, status, unit, role)
    if format_ == "text" and output is None and sys.stdout.isatty():
        from rich.console import Console

        from converter.report.text import show

        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # as in a pipe, whatever the locale
        show(chosen, Console())
    else:
        write(output, render(chosen, format_))


def _share(
    tree: str | None, rev: str | None, shard: str, output: str, scheme: str, jobs: int | None, no_cache: bool
) -> None:
    """Write one share of a scan."""
    from converter import shard as shards

    number, of = shards.parse(shard)
    with opened(tree, rev, not no_cache) as (source, cache), progress(source.name) as report_progress:
        part = shards.share(source, cache, scheme, number, of, jobs, report_progress)
    write(output, shards.written(part))


def _difference(before: Report, after: Report) -> str:
    was = {s.order(): s for s in before.sites}
    gained = [s for s in after.sites if s.status == "decided" and was[s.order()].status != "decided"]
    lost = [s for s in after.sites if s.status != "decided" and was[s.order()].status == "decided"]
    turned = [
        s for s in after.sites
        if s.status == "decided" and was[s.order()].status == "decided" and s.unit != was[s.order()].unit
    ]  # fmt: skip
    lines = [f"would decide {len(gained)} more uses, open {len(lost)}, and turn {len(turned)} to the other unit"]
    for what, sites in (("decides", gained), ("opens", lost), ("turns", turned)):
        lines += [f"  {what} {s.path}:{s.line}:{s.col} {s.macro} -> {s.unit or '?'}" for s in sites[:20]]
    return "\n".join(lines) + "\n"


def _vocabulary(scheme_name: str) -> str:
    chosen = load_scheme(scheme_name)
    rows: list[tuple[str, ...]] = [("name", "kind", "pte", "pg", "group")]
    for n in vocabulary().names.values():
        becomes = chosen.names[n.name]
        rows.append((n.name, n.kind, becomes["pte"], becomes["pg"], "family" if n.family else "derived"))
    return f"scheme {chosen.scheme}: {chosen.why}\n\n{_columns(rows)}"


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() + "\n" for r in rows)
