"""For people: each commit with its findings, their evidence and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator

from converter.ci.finding import Finding, Judged, Judgement
from converter.report.words import counted, printable, steps


def render(judgement: Judgement) -> bytes:
    return os.fsencode("".join(printable(line) + "\n" for line in _lines(judgement)))


def _lines(judgement: Judgement) -> Iterator[str]:
    for commit in judgement.commits:
        if commit.findings:
            yield from _commit(commit)
    for warning in judgement.warnings:
        yield f"warning: {warning}"
    commits, found = counted(len(judgement.commits), "commit"), len(judgement.findings)
    bad = sum(bool(c.findings) for c in judgement.commits)
    if found:
        yield f"{commits} judged, {counted(found, 'finding')} in {bad}"
    else:
        yield f"{commits} judged, nothing found"


def _commit(commit: Judged) -> Iterator[str]:
    yield f"{short(commit.name)} {commit.subject}"
    for finding in commit.findings:
        yield from _finding(finding)
    yield ""


def _finding(f: Finding) -> Iterator[str]:
    yield f"  {f.path}:{f.line}:{f.col}: {f.level}: {f.message} [{f.rule}]"
    for line in (*steps("now" if f.rule == "silent-change" else "units", f.evidence),
                 *steps("was" if f.rule == "silent-change" else "but", f.against)):  # fmt: skip
        yield f"  {line}"
    yield f"      fix   {f.fix}"


def short(name: str) -> str:
    """A commit id as people write it; the name of a mail as it is."""
    return name[:12] if len(name) >= 40 and set(name) <= set("0123456789abcdef") else name
