"""A report of some sites alone: what `scan` and `merge` let a person choose."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from converter.classify.record import OPEN, STATUSES, Report, Site, summarise
from converter.commands.common import choose, within

Status = Annotated[str | None, typer.Option("--status", help="Only sites of this status, or 'open'.")]


def check_status(status: str | None) -> None:
    """Raises InputError for a status that there is not."""
    if status is not None:
        choose(status, (*STATUSES, "open"), "--status")


def restricted(
    report: Report, paths: tuple[str, ...] = (), status: str | None = None, unit: str | None = None,
    role: str | None = None,
) -> Report:  # fmt: skip
    """The sites that are in these places and have this status, unit and role, and their sums; None is any."""

    def wanted(s: Site) -> bool:
        if not within(s.path, paths):
            return False
        if status == "open":
            if s.status not in OPEN:
                return False
        elif status is not None and s.status != status:
            return False
        return (unit is None or s.unit == unit) and (role is None or s.role == role)

    if not (paths or status or unit or role):
        return report
    sites = tuple(s for s in report.sites if wanted(s))
    return replace(report, sites=sites, summary=summarise(sites))
