"""Reports on commits: one module a format, each a pure function from a judgement to bytes."""

from __future__ import annotations

from importlib import import_module

from converter.ci.finding import Judgement

FORMATS = ("text", "gcc", "sarif", "junit", "github")


def render(judgement: Judgement, format_: str) -> bytes:
    """The judgement in one of FORMATS. Raises KeyError for any other."""
    if format_ not in FORMATS:
        raise KeyError(format_)
    made: bytes = import_module(f"converter.report.ci.{format_}").render(judgement)
    return made
