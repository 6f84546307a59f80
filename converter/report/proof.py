"""What the levels of proof found: for people, for programs (schema pgconv.verify/1), and for CI as JUnit XML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from converter.report import encode
from converter.report.words import encoded, printable
from converter.verify.result import FAILED, NOT_COVERED, OUTCOMES, PASSED, Item, Result

SCHEMA = "pgconv.verify/1"

_SHOWN = 40
_DETAIL = 60


def text(results: Sequence[Result]) -> bytes:
    """Each level's counts, figures, failures, and why the rest was not covered."""
    return encoded("".join(printable(line) + "\n" for line in _lines(results)))


def json(results: Sequence[Result]) -> bytes:
    """Every item of every level."""
    levels = [
        {
            "level": r.level,
            "counts": {outcome: r.count(outcome) for outcome in OUTCOMES},
            "not_covered": dict(r.reasons()),
            "assumed": dict(r.assumptions()),
            "figures": dict(r.figures),
            "notes": r.notes,
            "items": [asdict(item) for item in r.items],
        }
        for r in results
    ]
    return encode.value({"schema": SCHEMA, "levels": levels}) + b"\n"


def junit(results: Sequence[Result]) -> bytes:
    """One suite a level, one case an item; what is not covered is skipped."""
    xml = JUnitXml("pgconv verify")
    for r in results:
        suite = TestSuite(r.level)
        for name, value in r.figures:
            suite.add_property(printable(name), f"{value:g}")
        suite.add_testcases([_case(r.level, item) for item in r.items])
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    made: bytes = xml.tostring()  # type: ignore[no-untyped-call]
    return made + b"\n"


def _case(level: str, item: Item) -> TestCase:
    case = TestCase(_xml(f"{_place(item)}: {item.what}"), classname=_xml(f"{level}.{item.path}"))
    if item.outcome == FAILED:
        failure = Failure(_xml(item.why))
        failure.text = "\n".join(_xml(line) for line in item.detail.splitlines())
        case.result = failure
    elif item.outcome == NOT_COVERED:
        case.result = Skipped(_xml(item.why))
    if item.assumed:
        case.system_out = "\n".join(_xml(f"assumed: {what}: {why}") for what, why in item.assumed)
    return case


def _xml(content: str) -> str:
    """Text that XML can hold: no controls, no lone surrogates."""
    return printable(content).encode("utf-8", "backslashreplace").decode()


def _lines(results: Sequence[Result]) -> Iterator[str]:
    for r in results:
        failed = [item for item in r.items if item.outcome == FAILED]
        yield f"{r.level}: " + ", ".join(f"{r.count(outcome):,} {outcome}" for outcome in OUTCOMES)
        for name, value in r.figures:
            yield f"  {name}: {value:,.10g}"
        for item in failed[:_SHOWN]:
            yield f"  FAILED {_place(item)}: {item.what}: {item.why}"
            detail = item.detail.splitlines()
            yield from (f"    {line}" for line in detail[:_DETAIL])
            if len(detail) > _DETAIL:
                yield f"    and {len(detail) - _DETAIL:,} more lines (--format json has all)"
        if len(failed) > _SHOWN:
            yield f"  and {len(failed) - _SHOWN:,} more failures (--format json has all)"
        for why, count in r.reasons():
            yield f"  not covered: {count:,} {why}"
        for why, count in r.assumptions():
            yield f"  assumed: {count:,} {why}"
        yield from (f"  {note}" for note in r.notes)
        yield ""
    verdict = ", ".join(r.level for r in results if r.failed)
    unproved = ", ".join(r.level for r in results if not r.failed and not r.count(PASSED))
    if verdict:
        yield f"FAILED: {verdict}"
    elif unproved:
        yield f"nothing failed, and nothing was covered: {unproved}"
    else:
        yield f"passed: {', '.join(r.level for r in results)}"


def _place(item: Item) -> str:
    return f"{item.path}:{item.line}" if item.line else item.path


FORMATS: dict[str, Callable[[Sequence[Result]], bytes]] = {"text": text, "json": json, "junit": junit}
