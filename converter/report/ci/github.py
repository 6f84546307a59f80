"""Workflow commands of GitHub Actions (::error file=...::...), which become annotations of the lines."""

from __future__ import annotations

from converter.ci.finding import Finding, Judgement
from converter.report.words import encoded, short

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = _DATA | {":": "%3A", ",": "%2C"}


def render(judgement: Judgement) -> bytes:
    lines = [_line(f) for f in judgement.findings]
    lines += [f"::warning::{_escaped(w, _DATA)}" for w in judgement.warnings]
    return encoded("".join(line + "\n" for line in lines))


def _line(f: Finding) -> str:
    about = {
        "file": f.path, "line": str(f.line), "col": str(f.col), "title": f"{f.rule} in {short(f.commit)}",
    }  # fmt: skip
    properties = ",".join(f"{key}={_escaped(value, _PROPERTY)}" for key, value in about.items())
    why = "".join(f"\n{e.path}:{e.line}: {e.why}" if e.line else f"\n{e.path}: {e.why}" for e in f.evidence)
    return f"::{f.level} {properties}::{_escaped(f'{f.message}; {f.fix}{why}', _DATA)}"


def _escaped(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(c) or (c if c.isprintable() else "?") for c in text)
