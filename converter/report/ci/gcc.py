"""`path:line:col: warning: ...`, the form of gcc(1); the commit stands behind the message."""

from __future__ import annotations

from converter.ci.finding import Judgement
from converter.report.words import encoded, printable, short


def render(judgement: Judgement) -> bytes:
    lines = (
        f"{f.path}:{f.line}:{f.col}: {f.level}: {f.message}; {f.fix} (commit {short(f.commit)}) [{f.rule}]"
        for f in judgement.findings
    )
    return encoded("".join(printable(line) + "\n" for line in lines))
