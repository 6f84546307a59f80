"""Reports of whole trees, made once, and small trees to scan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run

MAKEFILE = b"VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n"

Site = dict[str, Any]
Files = dict[str, bytes]
Make = Callable[[Files], Path]


def scanned(pgconv: Run, tree: Path, *options: object) -> dict[str, Any]:
    """The JSON report of a scan that must succeed."""
    done = pgconv("scan", tree, "--format", "json", *options)
    assert (done.returncode, done.stderr) == (0, "")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def by_file(report: dict[str, Any]) -> dict[str, list[Site]]:
    """The report's sites of the family, by path."""
    sites: dict[str, list[Site]] = {}
    for site in report["sites"]:
        if not site["derived"]:
            sites.setdefault(site["path"], []).append(site)
    return sites


@pytest.fixture(scope="session")
def demo_report(pgconv: Run, demo_tree: Path) -> dict[str, Any]:
    return scanned(pgconv, demo_tree)


@pytest.fixture(scope="session")
def kernel_report(pgconv: Run, kernel: Path) -> dict[str, Any]:
    return scanned(pgconv, kernel)


@pytest.fixture
def make_tree(tmp_path: Path) -> Make:
    """Write a small kernel tree: path -> bytes."""

    def make(files: Files) -> Path:
        root = tmp_path / "linux"
        for name, content in {"Makefile": MAKEFILE, "mm/Makefile": b"", **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root

    return make
