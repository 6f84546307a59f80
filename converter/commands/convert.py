"""`pgconv convert`: a scan's decisions as a diff, as a patch series, or in the tree itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from converter.commands.common import (
    Jobs,
    NoCache,
    Revision,
    SchemeName,
    TreePath,
    inside,
    opened,
    progress,
    stoppable,
)
from converter.convert import inplace, repository, series
from converter.convert.conversion import Conversion, Options
from converter.convert.plan import BY, DEFAULT, step_macros
from converter.errors import InputError
from converter.report.output import say, write


def convert(
    tree: TreePath = None,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Only these files and directories of the tree.")
    ] = None,
    rev: Revision = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write a patch series for git am to DIR.")
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print a diff, write nothing (the default).")] = False,
    in_place: Annotated[bool, typer.Option("--in-place", help="Change the tree; git checkout undoes it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="With --in-place: tracked files may be changed.")] = False,
    scheme: SchemeName = "pte-pg",
    include: Annotated[list[str] | None, typer.Option(help="'review': best guesses too.")] = None,
    step: Annotated[
        list[str] | None, typer.Option(help="Too: vm-pteoff, vma-ptes, linear-pte-index, pte-order, pfn-count.")
    ] = None,
    by: Annotated[str, typer.Option(help="What parts the patches of a series: role, unit, subsystem.")] = ",".join(
        DEFAULT
    ),
    signoff: Annotated[
        str | None, typer.Option(metavar="'NAME <ADDRESS>'", help="Who signs the series; git's user by default.")
    ] = None,
    jobs: Jobs = None,
    no_cache: NoCache = False,
) -> None:
    """Rename every decided use of the page-size family: as a diff, as a patch series, or in place.

    Example: pgconv convert linux/ mm/mremap.c
    """
    if (output is not None) + diff + in_place > 1:
        raise InputError("one of -o, --diff and --in-place: a conversion goes to one place")
    if in_place and rev is not None:
        raise InputError("--in-place changes files, and --rev reads none; leave one of them out")
    for name in include or ():
        if name != "review":
            raise InputError(f"--include {name}: only 'review' can be included")
    parts = tuple(p for p in by.split(",") if p)
    for name in parts:
        if name not in BY:
            raise InputError(f"--by {name}: not one of {', '.join(BY)}")
    step_macros(step or ())
    with opened(tree, rev, not no_cache) as (source, cache):
        prefixes = tuple(inside(p) for p in paths or ())
        if in_place and not force and repository.is_dirty(source):
            raise InputError(f"{source.name}: tracked files are changed: commit them, or say --force")
        if output is not None:
            series.check_target(output)
            author = series.author(signoff, source)
        from converter.convert.decisions import decisions

        with progress(source.name) as report_progress:
            decided = decisions(source, cache, not no_cache, scheme, jobs, report_progress)
        for warning in (*decided.report.warnings, *cache.warnings):
            say(f"warning: {warning}")
    # With PATH, a diff is of those files; a series has to build, so it always brings what it needs.
    prepare = output is not None or not prefixes
    options = Options("review" in (include or ()), tuple(step or ()), tuple(p for p in prefixes if p), prepare)
    conversion = Conversion(source, decided, options)
    if output is not None:
        with stoppable():
            written = series.write(conversion, output, parts, author)
        say(f"{output}: {written.patches} patches, {written.uses} uses in {written.files} files")
    elif in_place:
        files = conversion.files()
        with stoppable():
            inplace.write(source, files)
        say(f"{source.name}: {len(conversion.sites)} uses converted, {len(files)} files changed")
    else:
        write(None, b"".join(f.diff() for f in conversion.files()))
