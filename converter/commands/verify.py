"""`pgconv verify`: climbs the ladder of proof, from the units to a booted kernel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from converter.commands.common import (
    Jobs,
    NoCache,
    Output,
    SchemeName,
    TreePath,
    choose,
    chosen_paths,
    opened,
    progress,
    stoppable,
)
from converter.errors import EXIT_FOUND, InputError
from converter.report.output import say, write, write_text
from converter.vocabulary import scheme as load_scheme


def verify(
    tree: TreePath = None,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Only these files and directories of the tree.")
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option("--level", help="units, arithmetic, objects, split or boot; can be repeated; all by default."),
    ] = None,
    series: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prove this patch series, not what convert would make.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="text, json or junit.")] = "text",
    output: Output = None,
    emit: Annotated[
        Path | None, typer.Option(metavar="FILE.py", help="Also write what level arithmetic lifts, as a script.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Build below DIR and keep it; below the cache by default.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the tree's Makefile runs.")] = False,
    scheme: SchemeName = "pte-pg",
    jobs: Jobs = None,
    no_cache: NoCache = False,
) -> None:
    """Prove that the converted tree behaves the same as before. Exit 1 if a level fails.

    Example: pgconv verify linux/ --level objects mm
    """
    from converter.report.proof import FORMATS
    from converter.verify import needs
    from converter.verify.ladder import LEVELS, Asked, Ladder

    choose(format_, FORMATS, "--format")
    levels = list(dict.fromkeys(level or LEVELS))
    for name in levels:
        choose(name, LEVELS, "--level")
        needs.require(name)
    chosen = load_scheme(scheme)
    with opened(tree, None, not no_cache) as (source, cache), progress(source.name) as report_progress:
        places = chosen_paths(source, paths)
        wanted = () if "" in places else places
        asked = Asked(
            source, cache, not no_cache, chosen, wanted, _Consent(yes), series, keep, jobs, report_progress, emit
        )  # fmt: skip
        with stoppable(), Ladder(asked) as ladder:
            results = [LEVELS[name](ladder) for name in levels]
    (write_text if format_ == "text" else write)(output, FORMATS[format_](results))
    if any(r.failed for r in results):
        raise typer.Exit(EXIT_FOUND)


class _Consent:
    """Says what is about to run, and asks unless told not to."""

    def __init__(self, given: bool) -> None:
        self._given = given

    def __call__(self, what: str) -> None:
        say(what)
        if self._given:
            return
        if not sys.stdin.isatty():
            raise InputError("nothing was run: there is nobody to ask; say --yes to allow it")
        if not typer.confirm("Run it?", err=True):
            raise InputError("nothing was run")
