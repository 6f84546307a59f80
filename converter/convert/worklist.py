"""What a rename cannot do: the open uses by file, with their evidence and the question that each asks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from converter.classify.record import OPEN, Evidence, Report, Site
from converter.convert.plan import by_path, doubtful, step_macros
from converter.convert.together import Place
from converter.report import encode
from converter.tree import shown

SCHEMA = "pgconv.worklist/1"

_MEANING = {"pte": "what one PTE maps", "pg": "an order-0 allocation"}
_EITHER = " or ".join(_MEANING.values())
_UNKNOWN = re.compile(r"the unit of (.+) is unknown$", re.S)
_NUMBER = re.compile(r"\(?(\d|sizeof\b)")
"""What has no unit of its own to ask about."""


def open_sites(
    report: Report, done: Sequence[Site], prefixes: Sequence[str], steps: Sequence[str] = (),
    held: Mapping[Place, Site] = MappingProxyType({}),
) -> list[Site]:  # fmt: skip
    """Uses with status `logic` or `review` that the series leaves, of these paths, those that a step left, and those
    `held` for the open use of their expression."""
    finished = {s.order() for s in done}
    macros = step_macros(steps)
    found = []
    for s in report.sites:
        if s.order() in finished or (prefixes and not any(s.path == p or s.path.startswith(p + "/") for p in prefixes)):
            continue
        if s.macro in macros and doubtful(s):
            found.append(
                replace(
                    s, status="review", missing=f"its result meets the other unit: {s.macro}() or {s.replacement}()?"
                )
            )
        elif (other := held.get(s.order())) is not None:
            asked = f"{other.macro} in {other.line}:{other.col} is open, in the same expression: what do both mean?"
            found.append(replace(s, status="review", missing=asked))
        elif s.status in OPEN:
            found.append(s)
    return found


def as_json(report: Report, sites: Sequence[Site]) -> bytes:
    files: dict[str, list[dict[str, Any]]] = {}
    for path, own in by_path(sites).items():
        files[path] = [
            {
                "line": s.line, "col": s.col, "macro": s.macro, "function": s.function, "status": s.status,
                "guess": s.unit, "role": s.role, "expression": s.expression, "question": question(s),
                "evidence": s.evidence, "against": s.against,
            }
            for s in own
        ]  # fmt: skip
    whole = {"schema": SCHEMA, "tree": report.tree, "scheme": report.scheme, "counts": _counts(sites), "files": files}
    return encode.value(whole, indent=1) + b"\n"


def as_markdown(report: Report, sites: Sequence[Site]) -> str:
    counts = _counts(sites)
    lines = [
        "# What needs thought",
        "",
        f"{counts['logic']} uses where a rename is not enough (logic) and {counts['review']} that nothing decided "
        f"(review), in {len({s.path for s in sites})} files. "
        f"Scheme {report.scheme}, Linux {report.tree.get('kernel', '?')}.",
    ]
    for path, own in by_path(sites).items():
        lines += ["", f"## {_code(shown(path))}"]
        for s in own:
            where = f" in {_code(s.function)}" if s.function else ""
            guess = f", perhaps {s.replacement}" if s.replacement and s.replacement != s.macro else ""
            lines += ["", f"- [ ] **{s.line}:{s.col}** {_code(s.macro)}{where} ({s.status}{guess}):"]
            lines += [f"  {_code(s.expression)}", f"  - {question(s)}"]
            lines += [f"  - for: {_step(e)}" for e in s.evidence]
            lines += [f"  - against: {_step(e)}" for e in s.against]
    return "\n".join(lines) + "\n"


def question(site: Site) -> str:
    """What a person has to answer before the use can change, and why nothing else answered it."""
    missing = site.missing or ""
    if site.status == "logic" and not missing:
        return "Both units meet here: where does the code have to convert from one to the other?"
    if site.status == "logic" or missing.endswith("?"):
        return _sentence(missing)
    unknown = _UNKNOWN.match(missing)
    if unknown is not None and not _NUMBER.match(unknown[1]):
        return f"What is {unknown[1]} measured in: {_EITHER}? Its unit is unknown."
    asked = f"Is it {_MEANING[site.unit]}?" if site.unit in _MEANING else f"Which size is meant: {_EITHER}?"
    return f"{asked} {_sentence(missing)}".strip()


def _sentence(text: str) -> str:
    """The text with a full stop, and with a capital letter unless it begins with a name of the code."""
    word = text.split(" ", 1)[0]
    named = not word.isalpha() or text.startswith(f"{word} is used in")
    return (text if named else text[:1].upper() + text[1:]) + ("" if not text or text.endswith(("?", ".")) else ".")


def _counts(sites: Sequence[Site]) -> dict[str, int]:
    found = Counter(s.status for s in sites)
    return {status: found[status] for status in OPEN}


def _step(e: Evidence) -> str:
    return f"{e.path}:{e.line}: {e.why}" if e.line else f"{e.path}: {e.why}"


def _code(text: str) -> str:
    """Text as Markdown code, whatever it holds."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"
