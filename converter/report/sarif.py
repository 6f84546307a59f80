"""SARIF 2.1.0 (OASIS, 2020), which code-scanning services and editors read.

A site is a result whose rule is its status; a decided one carries its rename as a fix. Columns are those of the site
record, bytes from 1, which are SARIF's for a line in ASCII.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from converter.classify.record import OPEN, STATUSES, Evidence, Report, Site
from converter.report import encode, words

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "SRCROOT"


def render(report: Report) -> bytes:
    run: dict[str, Any] = {
        "tool": {"driver": _driver(report)},
        "originalUriBaseIds": {ROOT: {"description": {"text": "top of the kernel tree"}}},
        "columnKind": "utf16CodeUnits",
        "properties": {"scheme": report.scheme, "tree": report.tree, "summary": report.summary},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {"level": "warning", "message": {"text": warning}} for warning in report.warnings
                ],
            }
        ],
    }
    head = encode.value({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}).removesuffix(b"}]}")
    # Each result is encoded at once: forty thousand of them as Python objects cost more than everything else.
    results = b",\n".join(encode.value(_result(site)) for site in report.sites)
    return head + b',"results":[\n' + results + b"\n]}]}\n"


def _driver(report: Report) -> dict[str, Any]:
    return {
        "name": report.tool["name"],
        "version": report.tool["version"],
        "properties": {"rules": report.tool["rules"]},
        "rules": [
            {
                "id": status,
                "shortDescription": {"text": words.STATUS[status]},
                "defaultConfiguration": {"level": _level(status)},
            }
            for status in STATUSES
        ],
    }


def _level(status: str) -> str:
    if status in OPEN:
        return "warning"
    return "note" if status == "decided" else "none"


def _result(site: Site) -> dict[str, Any]:
    level = _level(site.status)
    region = {"startLine": site.line, "startColumn": site.col, "endColumn": site.col + len(site.macro)}
    place = artifact(site.path)
    result: dict[str, Any] = {
        "ruleId": site.status,
        "ruleIndex": STATUSES.index(site.status),
        "kind": "informational" if level == "none" else "fail",
        "level": level,
        "message": {"text": words.message(site)},
        "locations": [{"physicalLocation": {"artifactLocation": place, "region": region}}],
        "properties": {
            "macro": site.macro,
            "unit": site.unit,
            "role": site.role,
            "policy": site.policy,
            "confidence": site.confidence,
            "rule": site.rule,
        },
    }
    if site.function:
        result["locations"][0]["logicalLocations"] = [{"name": site.function, "kind": "function"}]
    if places := related(*site.evidence, *site.against):
        result["relatedLocations"] = places
    if site.status == "decided" and site.replacement and site.replacement != site.macro:
        change = {"deletedRegion": region, "insertedContent": {"text": site.replacement}}
        result["fixes"] = [{"artifactChanges": [{"artifactLocation": place, "replacements": [change]}]}]
    return result


def related(*steps: Evidence) -> list[dict[str, Any]]:
    """The steps of chains as locations. Both chains of a use may begin with one step; the schema allows none twice."""
    return [_location(step) for step in dict.fromkeys(steps) if step.line > 0]


def _location(step: Evidence) -> dict[str, Any]:
    place = {"artifactLocation": artifact(step.path), "region": {"startLine": step.line}}
    return {"physicalLocation": place, "message": {"text": step.why}}


@lru_cache(maxsize=1024)
def artifact(path: str) -> dict[str, str]:
    """A file of the tree."""
    return {"uri": quote(words.encoded(PurePath(path).as_posix())), "uriBaseId": ROOT}
