"""JUnit XML: a suite for the run, a case for each commit, a failure for each finding."""

from __future__ import annotations

import re
from html import escape

from converter.ci.finding import Finding, Judged, Judgement
from converter.report.words import encoded, short

_FORBIDDEN = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write, bytes that are no UTF-8 among them."""


def render(judgement: Judgement) -> bytes:
    bad = sum(bool(c.findings) for c in judgement.commits)
    counts = f'tests="{len(judgement.commits)}" failures="{bad}"'
    cases = "".join(map(_case, judgement.commits))
    notes = escape(_text("\n".join(judgement.warnings)))
    out = f"  <system-out>{notes}</system-out>\n" if notes else ""
    whole = f'<testsuite name="pgconv ci" {counts} errors="0">\n{cases}{out}</testsuite>\n'
    return encoded(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {counts}>\n{whole}</testsuites>\n')


def _case(commit: Judged) -> str:
    name = escape(_text(f"{short(commit.name)} {commit.subject}"))
    if not commit.findings:
        return f'  <testcase classname="pgconv.ci" name="{name}"/>\n'
    first = escape(_text(f"{len(commit.findings)} found; {commit.findings[0].message}"))
    body = escape(_text("\n".join(map(_line, commit.findings))))
    return (
        f'  <testcase classname="pgconv.ci" name="{name}">\n'
        f'    <failure message="{first}">{body}</failure>\n  </testcase>\n'
    )


def _line(f: Finding) -> str:
    return f"{f.path}:{f.line}:{f.col}: {f.level}: {f.message}; {f.fix} [{f.rule}]"


def _text(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
