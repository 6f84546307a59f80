"""`pgconv merge`: the parts of a scan that was shared among machines, as one report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from converter.commands.common import Output, choose
from converter.commands.restrict import Status, check_status, restricted
from converter.report import FORMATS, render
from converter.report.output import write
from converter.vocabulary import scheme as load_scheme


def merge(
    parts: Annotated[
        list[Path] | None, typer.Argument(metavar="PART", help="What scan --shard K/N -o wrote, all N of them.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="text, json, jsonl, gcc or sarif.")] = "text",
    output: Output = None,
    status: Status = None,
) -> None:
    """Merge the shares of a scan: the report is the one of a scan that was not shared, byte for byte.

    Example: pgconv merge part-*.pgconv --format sarif -o pgconv.sarif
    """
    from converter import shard
    from converter.decided import decide

    choose(format_, FORMATS, "--format")
    check_status(status)
    analysis, scheme = shard.merged(parts or [])
    write(output, render(restricted(decide(analysis, load_scheme(scheme)), status=status), format_))
