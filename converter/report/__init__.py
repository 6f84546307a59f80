"""Reports: one module a format, each a pure function from a report to bytes. They know records and nothing else.

`render(report, format)` picks the module; the bytes depend on the report alone.
"""

from __future__ import annotations

from importlib import import_module

from converter.classify.record import Report

FORMATS = ("text", "json", "jsonl", "gcc", "sarif")


def render(report: Report, format_: str) -> bytes:
    """The report in one of FORMATS. Raises KeyError for any other."""
    if format_ not in FORMATS:
        raise KeyError(format_)
    made: bytes = import_module(f"converter.report.{'json_' if format_ == 'json' else format_}").render(report)
    return made
