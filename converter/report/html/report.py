"""A scan as a page: a treemap by open uses, tables that sort and filter, and every site with its evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from converter.classify.record import STATUSES, Report, places
from converter.report.html.columns import Columns, Lines
from converter.report.html.document import document
from converter.report.words import STATUS

_SCRIPTS = (
    "element.js", "data.js", "sites.js", "plain_table.js", "treemap.js", "site_table.js", "detail.js", "main.js",
)  # fmt: skip


def render(report: Report, lines: Lines) -> bytes:
    """The page. `lines`: the source lines of `shown_places`, as far as there are any."""
    family = [s for s in report.sites if not s.derived]
    counts = Counter(s.status for s in family)
    return document(
        "report.html",
        _SCRIPTS,
        Columns(lines).pack(report),
        report.warnings,
        report=report,
        statuses=[(status, counts[status], STATUS[status]) for status in STATUSES],
        code=sum(counts[s] for s in ("decided", "review", "logic")),
        counts=counts,
    )


def shown_places(report: Report) -> Iterator[tuple[str, int]]:
    """Path and line of everything that the page shows a source line of; some come more than once."""
    for site in report.sites:
        yield from places(site)
    for conflict in report.conflicts:
        yield conflict.path, conflict.line
