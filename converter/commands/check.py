"""`pgconv check`: the unit checker for code that is converted, wholly or in part."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from converter.check.check import check as run
from converter.classify.record import summarise
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
    within,
)
from converter.decided import converted
from converter.errors import EXIT_FOUND
from converter.examine import examine
from converter.report import FORMATS, findings, render
from converter.report.output import write, write_text
from converter.vocabulary import scheme as load_scheme


def check(
    tree: TreePath = None,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Report only on these files and directories.")
    ] = None,
    rev: Revision = None,
    format_: Annotated[str, typer.Option("--format", help="text, json, jsonl, gcc or sarif.")] = "text",
    output: Output = None,
    scheme: SchemeName = "pte-pg",
    jobs: Jobs = None,
    no_cache: NoCache = False,
) -> None:
    """Find unit errors in converted code: PTE_* where the units say PG, PG_* where they say PTE, counts that meet the
    wrong count. Exit 1 if there is any.

    Example: pgconv check linux/ mm/
    """
    choose(format_, FORMATS, "--format")
    chosen = load_scheme(scheme)
    with opened(tree, rev, not no_cache) as (source, cache):
        places = chosen_paths(source, paths)
        with progress(source.name) as report_progress:
            analysis = examine(source, cache, scheme, jobs, report_progress)
        if not converted(analysis, chosen):
            analysis.warnings.append(
                f"no file defines {chosen.marker}: names of scheme {scheme} may mean something else here"
            )
        report = run(analysis, chosen)
    sites = tuple(s for s in report.sites if within(s.path, places))
    report = replace(report, sites=sites, summary=summarise(sites))
    if format_ == "text":
        write_text(output, findings.render(report))
    else:
        write(output, render(report, format_))
    if sites:
        raise typer.Exit(EXIT_FOUND)
