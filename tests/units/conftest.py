from __future__ import annotations

from collections.abc import Callable

import pytest

from converter.analyse import analyse
from converter.classify.record import Report, Site
from converter.decided import decide
from converter.examine import Analysis
from converter.tree.entry import Tree
from converter.vocabulary import scheme


class _NoReader:
    """A tree in memory: what is asked of it is known already."""


def analysis_of(files: dict[str, str], scheme_name: str = "pte-pg") -> Analysis:
    """Facts of a tree in memory."""
    facts = {p: analyse(p, text.encode(), scheme_name) for p, text in sorted(files.items())}
    known = {p: f for p, f in facts.items() if f is not None}
    tree = Tree("memory", "/", None, "6.12.0", (), (), 0, _NoReader())  # type: ignore[arg-type]
    return Analysis(tree, list(known), list(known.values()), {}, [])


def report_of(files: dict[str, str], scheme_name: str = "pte-pg") -> Report:
    return decide(analysis_of(files, scheme_name), scheme(scheme_name))


@pytest.fixture
def sites() -> Callable[..., list[Site]]:
    """Sites of C code in the file mm/x.c."""

    def run(code: str, path: str = "mm/x.c", scheme_name: str = "pte-pg") -> list[Site]:
        return list(report_of({path: code}, scheme_name).sites)

    return run


@pytest.fixture
def units(sites: Callable[..., list[Site]]) -> Callable[..., list[str | None]]:
    """Units of the family uses of C code, in order."""

    def run(code: str, path: str = "mm/x.c", scheme_name: str = "pte-pg") -> list[str | None]:
        return [s.unit for s in sites(code, path, scheme_name) if not s.derived]

    return run
