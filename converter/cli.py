"""The command line: registers the commands, turns errors into one line and an exit code."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

from converter import __version__, data
from converter.errors import EXIT_INPUT, EXIT_INTERRUPTED, InputError
from converter.lazy import group

COMMANDS = {
    "scan": ("converter.commands.scan:scan", "Find every use of the family, and decide PTE or PG."),
    "merge": ("converter.commands.merge:merge", "Merge the shares of a scan (scan --shard)."),
    "convert": ("converter.commands.convert:convert", "Rename the decided uses: a diff, a patch series, or in place."),
    "explain": ("converter.commands.explain:explain", "Say why a use is PTE or PG, step by step."),
    "gaps": ("converter.commands.explain:gaps_", "List the quantities whose unit would decide most open uses."),
    "check": ("converter.commands.check:check", "Find unit errors in converted code."),
    "verify": ("converter.commands.verify:verify", "Prove that the converted tree behaves as before."),
    "ci": ("converter.commands.ci:ci", "Judge commits or mails: does the family come back?"),
    "baseline": ("converter.commands.baseline:baseline", "Record what is still to be converted, for ci."),
    "report": ("converter.commands.report:report", "Write a page on a tree."),
    "progress": ("converter.commands.progress:progress", "Write a page on a history."),
    "rules": ("converter.commands.rules:rules", "List the rules, and how often their evidence was right."),
    "sim": ("converter.commands.sim:app", "Simulate memory with two page sizes."),
}
"""Name -> where the command is, and what the list of commands says of it."""

app = typer.Typer(
    cls=group(COMMANDS),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Split the kernel's PAGE_SIZE into PTE_SIZE (what one PTE maps) and PG_SIZE (what is allocated).",
    epilog="Exit codes: 0 done and nothing found, 1 done and something found, 2 could not do it, 130 interrupted.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pgconv {__version__} (rules {data.rules_version()})")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Version and rules.")
    ] = False,
) -> None:
    """Example: pgconv scan linux/"""


def main() -> None:
    """Entry point of `pgconv`."""
    try:
        code = app(standalone_mode=False)
    except InputError as error:
        _fail(str(error))
    except typer.Abort:  # a question that was not answered
        _fail("interrupted", EXIT_INTERRUPTED)
    except OSError as error:  # of --help and --version; what commands write goes through report/output.py
        if error.errno not in (errno.ENOSPC, errno.EBADF):
            raise
        from converter.report.output import unwritten

        _fail(str(unwritten(error)))
    except typer.TyperException as error:
        message = error.format_message()
        if message.startswith("Usage:"):  # a command without arguments that needs some: its help
            from converter.report.output import tell

            tell(message)
            sys.exit(EXIT_INPUT)
        _fail(f"{message} (--help shows what there is)")
    else:
        if code == EXIT_INTERRUPTED:  # what typer makes of a KeyboardInterrupt
            _fail("interrupted", EXIT_INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int = EXIT_INPUT) -> None:
    from converter.report.output import say  # brings the formats with it, which an error alone needs

    say(message)
    sys.exit(code)
