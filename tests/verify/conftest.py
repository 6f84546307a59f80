"""What the tests of verify share: a small tree of our own that make builds as it builds a kernel."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from converter import data
from converter.convert.conversion import Conversion, Options
from converter.convert.decisions import decisions
from converter.tree import Tree, open_tree
from converter.tree.cache import open_cache
from converter.verify import needs
from converter.verify.kbuild import Config, Workshop, workshop
from converter.verify.spelling import Renames
from converter.vocabulary import scheme

CONFIG = Config("x86_64_defconfig")


def builds_or_skip(level: str = "objects") -> None:
    """Skips where what a level needs is missing, or fails under PGCONV_REQUIRE_KERNEL=1."""
    missing = needs.missing([level])
    if missing:
        reason = f"builds need {', '.join(p.name for p in missing)}: run `make packages`"
        if os.environ.get("PGCONV_REQUIRE_KERNEL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The buildable tree, to change at will."""
    builds_or_skip()
    return Path(shutil.copytree(data.path("fixtures/kbuild"), tmp_path / "linux"))


@pytest.fixture
def tree(place: Path) -> Tree:
    return open_tree(str(place), None)


@pytest.fixture
def shop(tree: Tree, tmp_path: Path) -> Iterator[Workshop]:
    """A place to build the tree, with consent."""
    with workshop(tree, tmp_path / "builds", 2, lambda what: None) as made:
        yield made


@pytest.fixture
def converted(tree: Tree) -> Mapping[str, bytes]:
    """What the conversion makes of the tree's files."""
    return conversion(tree)


def conversion(tree: Tree) -> dict[str, bytes]:
    with open_cache(False) as cache:
        decided = decisions(tree, cache, False, "pte-pg", 1)
    return {f.path: f.new for f in Conversion(tree, decided, Options()).files()}


@pytest.fixture(scope="session")
def renames() -> Renames:
    """The names of the scheme pte-pg."""
    return frozenset((old, new) for old, units in scheme("pte-pg").names.items() for new in units.values())
