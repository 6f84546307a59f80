"""SARIF 2.1.0 of findings on commits: a result a finding, with its replacement as a fix."""

from __future__ import annotations

from typing import Any

from converter.ci.finding import Finding, Judgement
from converter.report import encode
from converter.report.sarif import ROOT, SCHEMA, artifact, related
from converter.report.words import short


def render(judgement: Judgement) -> bytes:
    ids = list(judgement.rules)
    run = {
        "tool": {"driver": _driver(judgement)},
        "originalUriBaseIds": {ROOT: {"description": {"text": "top of the kernel tree"}}},
        "columnKind": "utf16CodeUnits",
        "properties": {"scheme": judgement.scheme, "range": judgement.range, "commits": len(judgement.commits)},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {"level": "warning", "message": {"text": warning}} for warning in judgement.warnings
                ],
            }
        ],
        "results": [_result(f, ids) for f in judgement.findings],
    }
    return encode.value({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}) + b"\n"


def _driver(judgement: Judgement) -> dict[str, Any]:
    return {
        "name": judgement.tool["name"],
        "version": judgement.tool["version"],
        "properties": {"rules": judgement.tool["rules"]},
        "rules": [
            {"id": rule, "shortDescription": {"text": what}, "defaultConfiguration": {"level": _level(level)}}
            for rule, (what, level) in judgement.rules.items()
        ],
    }


def _level(level: str) -> str:
    return "none" if level == "off" else level


def _result(f: Finding, ids: list[str]) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": f.line, "startColumn": f.col}
    if f.name:
        region["endColumn"] = f.col + len(f.name)
    place = artifact(f.path)
    result: dict[str, Any] = {
        "ruleId": f.rule,
        "ruleIndex": ids.index(f.rule),
        "level": f.level,
        "message": {"text": f"{f.message}; {f.fix} (commit {short(f.commit)})"},
        "locations": [{"physicalLocation": {"artifactLocation": place, "region": region}}],
        "properties": {"commit": f.commit, "replacement": f.replacement},
    }
    if places := related(*f.evidence, *f.against):
        result["relatedLocations"] = places
    if f.replacement:
        change = {"deletedRegion": region, "insertedContent": {"text": f.replacement}}
        result["fixes"] = [{"artifactChanges": [{"artifactLocation": place, "replacements": [change]}]}]
    return result
