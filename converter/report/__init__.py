"""Reports: one module a format, each a pure function from a report to bytes. They know records and nothing else.

`render(report, format)` picks the module; the bytes depend on the report alone.
"""

from __future__ import annotations

from collections.abc import Callable

from converter.classify.record import Report
from converter.report import gcc, json_, jsonl, sarif, text

FORMATS: dict[str, Callable[[Report], bytes]] = {
    "text": text.render,
    "json": json_.render,
    "jsonl": jsonl.render,
    "gcc": gcc.render,
    "sarif": sarif.render,
}


def render(report: Report, format_: str) -> bytes:
    """The report in one of FORMATS. Raises KeyError for any other."""
    return FORMATS[format_](report)
