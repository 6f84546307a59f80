"""`pgconv ci`: options in, findings on commits out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from converter.commands.common import Jobs, NoCache, Output, Repository, SchemeName, choose, progress
from converter.errors import EXIT_FOUND, InputError
from converter.report.ci import FORMATS, render
from converter.report.output import write, write_text
from converter.tree.cache import open_cache
from converter.vocabulary import scheme as load_scheme


def ci(
    repository: Repository = None,
    range_: Annotated[
        str | None, typer.Argument(metavar="RANGE", help="Commits A..B, 'A..B ^C', or one commit.")
    ] = None,
    mbox: Annotated[
        Path | None, typer.Option("--mbox", metavar="FILE", help="Judge the mails of a series, not commits.")
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="REV", help="What the mails apply to; their base-commit, else HEAD.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="Only what is new against this ratchet is found.")
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Lower the baseline to the end of the range.")] = False,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="Which code is converted, which rules count.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="text, gcc, sarif, junit or github.")] = "text",
    output: Output = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Print a fix-up patch for each commit; the report then only with -o.")
    ] = False,
    scheme: SchemeName = "pte-pg",
    jobs: Jobs = None,
    no_cache: NoCache = False,
) -> None:
    """Judge commits: does the family come back, do units break? Only lines that are added or changed, in the whole
    file's context. Exit 0 clean, 1 something found, 2 it could not be done.

    Example: pgconv ci linux/ v6.12..HEAD --baseline pgconv-baseline.json
    """
    if repository is None:
        raise InputError("no repository named; say which one to read, e.g. pgconv ci linux/ v6.12..HEAD")
    from converter.ci import baseline as ratchet
    from converter.ci import policy as policies
    from converter.ci.session import Options, needs, run

    choose(format_, FORMATS, "--format")
    load_scheme(scheme)
    options = Options(repository, range_, mbox, base, scheme, jobs, suggest, update)
    needs(options)
    if base is not None and mbox is None:
        raise InputError(f"--base {base}: what the mails of --mbox apply to; a range names its own base, as A..B")
    if update and (baseline is None or mbox is not None):
        raise InputError("--update lowers a baseline to the end of a range; name one with --baseline, and no --mbox")
    chosen = policies.load(policy)
    known = ratchet.load(baseline, scheme) if baseline is not None else None
    with open_cache(not no_cache) as cache, progress(repository) as shown:
        outcome = run(options, chosen, known, cache, shown)
    report = render(outcome.judgement, format_)
    if suggest:
        write(None, outcome.patches)
    if not suggest or output is not None:
        (write_text if format_ == "text" else write)(output, report)
    if update and outcome.lowered is not None:
        write(baseline, outcome.lowered.encoded())
    if outcome.judgement.findings:
        raise typer.Exit(EXIT_FOUND)
