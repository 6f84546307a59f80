"""Reports on commits: one module a format, each a pure function from a judgement to bytes."""

from __future__ import annotations

from collections.abc import Callable

from converter.ci.finding import Judgement
from converter.report.ci import gcc, github, junit, sarif, text

FORMATS: dict[str, Callable[[Judgement], bytes]] = {
    "text": text.render,
    "gcc": gcc.render,
    "sarif": sarif.render,
    "junit": junit.render,
    "github": github.render,
}
