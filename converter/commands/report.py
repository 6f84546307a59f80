"""`pgconv report`: a scan as one page for a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from converter.commands.common import Jobs, NoCache, Revision, SchemeName, TreePath, opened, progress
from converter.report.html.report import render, shown_places
from converter.report.output import write
from converter.scan import scan
from converter.tree.lines import source_lines


def report(
    tree: TreePath = None,
    rev: Revision = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Write here; - is standard output.")
    ] = "report.html",
    scheme: SchemeName = "pte-pg",
    jobs: Jobs = None,
    no_cache: NoCache = False,
) -> None:
    """Write one HTML page on a tree: a treemap by open uses, tables, and every use with its evidence. It opens from
    disk, and needs no network.

    Example: pgconv report linux/ -o report.html
    """
    with opened(tree, rev, not no_cache) as (source, cache):
        with progress(source.name) as report_progress:
            found = scan(source, cache, scheme, jobs, report_progress)
        write(output, render(found, source_lines(source, shown_places(found))))
