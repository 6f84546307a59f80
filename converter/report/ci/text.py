"""For people: each commit with its findings, their evidence and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from converter.ci.finding import Finding, Judged, Judgement
from converter.classify.record import Evidence
from converter.report.words import counted, encoded, printable, short, steps


def render(judgement: Judgement) -> bytes:
    return encoded("".join(printable(line) + "\n" for line in _lines(judgement)))


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
    turned = f.rule == "silent-change"
    against = f.against[_shared(f.evidence, f.against) :] if turned else f.against
    for line in (*steps("now" if turned else "units", f.evidence), *steps("was" if turned else "but", against)):
        yield f"  {line}"
    yield f"      fix   {f.fix}"


def _shared(one: Sequence[Evidence], other: Sequence[Evidence]) -> int:
    """Steps that two chains begin with alike; the last of the other is never one."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other[:-1], strict=False))
    return sum(1 for _ in same)
