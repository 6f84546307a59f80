"""The whole report as one JSON document (schema pgconv.scan/1), one site a line so that two reports can be compared."""

from __future__ import annotations

from converter.classify.record import Report
from converter.report import encode


def render(report: Report) -> bytes:
    head = {
        "schema": report.schema,
        "tool": report.tool,
        "tree": report.tree,
        "scheme": report.scheme,
        "summary": report.summary,
        "warnings": report.warnings,
        "conflicts": report.conflicts,
    }
    # JSON strings hold no raw newline, so each one here ends a site.
    sites = encode.lines(report.sites).rstrip(b"\n").replace(b"\n", b",\n")
    return encode.value(head)[:-1] + b',"sites":[\n' + sites + b"\n]}\n"
