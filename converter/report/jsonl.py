"""The sites alone as JSON lines, for tools that read a stream of equal records (jq, DuckDB, pandas)."""

from __future__ import annotations

from converter.classify.record import Report
from converter.report import encode


def render(report: Report) -> bytes:
    return encode.lines(report.sites)
