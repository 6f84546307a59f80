"""`path:line:col: note: ...`, the form of gcc(1) that editors and build logs understand."""

from __future__ import annotations

from converter.classify.record import Report, Site
from converter.report import words


def render(report: Report) -> bytes:
    return b"".join(map(_line, report.sites))


def _line(site: Site) -> bytes:
    rule = f" [{site.rule}]" if site.rule else ""
    text = f"{site.path}:{site.line}:{site.col}: note: {words.message(site)}{rule}"
    return words.encoded(words.printable(text)) + b"\n"
