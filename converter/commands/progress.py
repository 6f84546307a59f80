"""`pgconv progress`: the uses of a repository over its history, as one page for a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from converter.commands.common import Jobs, NoCache, Repository, SchemeName
from converter.commands.common import progress as bar
from converter.errors import InputError
from converter.report.output import write
from converter.tree.cache import open_cache


def progress(
    repository: Repository = None,
    revs: Annotated[
        str, typer.Option("--revs", metavar="A..B", help="The history: from A to B, or all up to B.")
    ] = "HEAD",
    step: Annotated[
        str, typer.Option("--step", help="Look at: week, month, quarter, year, tag, or every N commits.")
    ] = "month",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Write here; - is standard output.")
    ] = "progress.html",
    scheme: SchemeName = "pte-pg",
    jobs: Jobs = None,
    no_cache: NoCache = False,
) -> None:
    """Write one HTML page on a history: uses by status and unit, by directory and subsystem, as trends, and the newest
    uses with the commits that brought them. What was looked at once is cached.

    Example: pgconv progress linux/ --revs v6.1..HEAD --step month -o progress.html
    """
    if repository is None:
        raise InputError("no repository named; say which one to read, e.g. pgconv progress linux/ --revs v6.1..HEAD")
    from converter.progress.history import history
    from converter.report.html.progress import render

    with open_cache(not no_cache) as cache, bar(repository) as shown:
        found = history(repository, revs, step, cache, scheme, jobs, shown)
    write(output, render(found))
