"""The report for people: a table by directory and status, what it means, and how to look closer. 80 columns.

`render` is plain text. `show` writes the same to a terminal, with colour for what is still open.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from converter.classify.record import OPEN, Report, Site
from converter.report import table, words
from converter.report.terminal import NARROWEST, fit

if TYPE_CHECKING:
    from rich.console import Console

_COUNTS = [max(len(" 23,157"), len(column) + 1) for column in table.COLUMNS]
_LABEL = NARROWEST - sum(_COUNTS)
_WARNINGS = 10
_STYLES = {"decided": "green", "review": "yellow", "logic": "red", "defin.": "dim", "inert": "dim"}

Line = list[tuple[str, str]]
"""Pieces of one line, each with its rich style ("" for none)."""


def render(report: Report) -> bytes:
    lines = ("".join(words.printable(piece) for piece, _ in line).rstrip() + "\n" for line in _lines(report))
    return words.encoded("".join(lines))


def show(report: Report, console: Console) -> None:
    """The same on a terminal: rich decides what colours it has."""
    from rich.text import Text

    for line in _lines(report):
        pieces = [(words.printable(piece), style) for piece, style in line]
        if len(pieces) == 1:  # not a row of the table, whose pieces fit
            pieces = [("\n".join(fit(pieces[0][0], max(NARROWEST, console.width))), pieces[0][1])]
        console.print(Text.assemble(*pieces), soft_wrap=True)


def _lines(report: Report) -> Iterator[Line]:
    family = [site for site in report.sites if not site.derived]
    rows, total = table.rows(family)
    yield [(_head(report), "bold")]
    yield []
    yield _row("directory", table.COLUMNS)
    for row in rows:
        yield _row(row.label, map("{:,}".format, row.counts))
    yield [("-" * NARROWEST, "dim")]
    yield _row(total.label, map("{:,}".format, total.counts))
    yield []
    yield from _meaning(report, family)
    yield from _warnings(report.warnings)
    yield from _closer(family)


def _head(report: Report) -> str:
    tree = report.tree
    revision = f" at {words.short(tree['revision'])}" if tree["revision"] else ""
    return f"{tree['name']}{revision}: Linux {tree['kernel']}, {tree['files']:,} files, scheme {report.scheme}"


def _row(label: str, cells: Iterable[str]) -> Line:
    line: Line = [(_short(label).ljust(_LABEL), "")]
    for column, width, cell in zip(table.COLUMNS, _COUNTS, cells, strict=True):
        line.append((cell.rjust(width), "dim" if cell == "0" else _STYLES.get(column, "")))
    return line


def _short(label: str) -> str:
    """The label in its column: of a long path the end says more."""
    return label if len(label) < _LABEL else "..." + label[-(_LABEL - 4) :]


def _meaning(report: Report, family: list[Site]) -> Iterator[Line]:
    code = [site for site in family if site.status in ("decided", *OPEN)]
    decided = sum(site.status == "decided" for site in code)
    if code:
        yield [(f"decided: {decided:,} of {len(code):,} uses in kernel code ({decided / len(code):.1%})", "")]
    for status in OPEN:
        if any(site.status == status for site in code):
            yield [(f"{status}: {words.STATUS[status]}", "")]
    if policy := sum(site.policy for site in family):
        yield [(f"policy: {policy:,} of these uses take the unit that the policy file chooses", "")]
    if derived := len(report.sites) - len(family):
        yield [(f"not in the table: {derived:,} uses of names made from the family (PFN_UP, vm_pgoff, ...)", "")]


def _warnings(warnings: tuple[str, ...]) -> Iterator[Line]:
    if not warnings:
        return
    yield []
    yield [(f"warnings: {len(warnings):,}", "yellow")]
    for warning in warnings[:_WARNINGS]:
        yield [(f"  {warning}", "")]
    if len(warnings) > _WARNINGS:
        yield [(f"  and {len(warnings) - _WARNINGS:,} more (--format json has all)", "")]


def _closer(family: list[Site]) -> Iterator[Line]:
    opened = [site for site in family if site.status in OPEN]
    if not opened:
        return
    # The first of a status is as good as any; logic is what a person looks for first.
    status = "logic" if any(site.status == "logic" for site in opened) else "review"
    first = next(site for site in opened if site.status == status)
    yield []
    yield [("to look closer:", "bold")]
    yield [(f"  pgconv scan TREE {shlex.quote(first.path)} --status {status} --format gcc", "")]
