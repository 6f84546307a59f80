"""`pgconv baseline`: the ratchet that `pgconv ci` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from converter.commands.common import Jobs, NoCache, Output, Repository, SchemeName, progress
from converter.errors import InputError
from converter.report.output import say, write
from converter.tree.cache import open_cache


def baseline(
    repository: Repository = None,
    rev: Annotated[str, typer.Argument(metavar="REV", help="The revision to count.")] = "HEAD",
    output: Output = None,
    update: Annotated[
        bool, typer.Option("--update", help="Lower the file that -o names to what REV has; never raise it.")
    ] = False,
    scheme: SchemeName = "pte-pg",
    jobs: Jobs = None,
    no_cache: NoCache = False,
) -> None:
    """Record the uses that are still to be converted, by file and function: what ci then finds is only what is new.

    Example: pgconv baseline linux/ v6.12 -o pgconv-baseline.json
    """
    if repository is None:
        raise InputError("no repository named; say which one to read, e.g. pgconv baseline linux/ v6.12")
    if update and output is None:
        raise InputError("--update needs the file to lower: name it with -o")
    from converter.ci import baseline as ratchet
    from converter.ci.session import lower, of, record

    old = ratchet.load(Path(output), scheme) if update and output is not None else None
    with open_cache(not no_cache) as cache, progress(repository) as shown:
        opened, tree, commit = record(repository, rev, scheme, cache, jobs, shown)
        for warning in tree.warnings:
            say(f"warning: {warning}")
        made = of(tree, commit.name) if old is None else lower(opened, old, tree, commit.name)
    write(output, made.encoded())
