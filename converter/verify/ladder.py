"""The levels by name, and what they share: the decisions, the files that the conversion makes, the place to build.

Each is made when the first level asks for it. Nothing of the tree runs before a level that builds asks for a workshop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from converter.classify.record import Report
from converter.convert.conversion import Conversion, Options
from converter.convert.decisions import Decisions, decisions
from converter.convert.sources import read_any
from converter.errors import InputError
from converter.examine import Analysis, Progress, examine
from converter.lift.rewritten import Rewritten
from converter.tree import Tree, open_tree
from converter.tree.cache import Cache
from converter.verify import arithmetic, boot, definitions, objects, split, units
from converter.verify.kbuild import Config, Consent, Workshop, workshop
from converter.verify.left import vanishing
from converter.verify.needs import Kernel, builds
from converter.verify.renames import as_written, rewritten
from converter.verify.result import Item, Result, below
from converter.verify.series import patched
from converter.vocabulary import Scheme


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be proved of which tree. `paths`: of these files and directories alone; `series`: of the tree with
    these patches, not with the conversion that pgconv makes of it; `emit`: level arithmetic writes its pairs there."""

    tree: Tree
    cache: Cache
    cached: bool
    scheme: Scheme
    paths: tuple[str, ...]
    consent: Consent
    series: Path | None = None
    keep: Path | None = None
    jobs: int | None = None
    progress: Progress | None = None
    emit: Path | None = None


class Ladder:
    """Runs levels. A context manager: the place to build is held until it ends."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._stack = ExitStack()

    def __enter__(self) -> Ladder:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @cached_property
    def analysis(self) -> Analysis:
        """The facts of the tree."""
        asked = self.asked
        return examine(asked.tree, asked.cache, asked.scheme.scheme, asked.jobs, asked.progress)

    @cached_property
    def decided(self) -> Decisions:
        """The decisions on the tree's uses."""
        asked = self.asked
        return decisions(asked.tree, asked.cache, asked.cached, asked.scheme.scheme, asked.jobs, asked.progress)

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """Every file that the conversion changes, with its new content: what pgconv makes of the decided uses of the
        whole tree, or what the series makes."""
        if self.asked.series is not None:
            return patched(self.asked.tree, self.asked.series)
        return {f.path: f.new for f in Conversion(self.asked.tree, self.decided, Options()).files()}

    @property
    def prepared(self) -> Mapping[str, bytes]:
        """The files that define names of the scheme, as the series or the preparation of the conversion leaves them."""
        if self.asked.series is not None:
            return self.files
        made = Conversion(self.asked.tree, self.decided, Options()).preparation.workspace.files
        return {path: b"".join(file.now) for path, file in made.items()}

    @cached_property
    def series(self) -> Mapping[str, Rewritten] | None:
        """The files of the series, each with where what stood in the tree's file stands now."""
        return rewritten(self.asked.tree, self.files) if self.asked.series is not None else None

    @property
    def report(self) -> Report:
        """The uses with what becomes of them: the decisions of the scan, or those of the series."""
        return self._written[0]

    @property
    def lost(self) -> list[Item]:
        """Uses whose line the series rewrites: nothing but a build can say what became of them."""
        return [item for item in self._written[1] if below(item.path, self.asked.paths)]

    @cached_property
    def _written(self) -> tuple[Report, tuple[Item, ...]]:
        if self.series is None:
            return self.decided.report, ()
        return as_written(self.decided.report, self.asked.tree, self.series, self.asked.scheme)

    @cached_property
    def shop(self) -> Workshop:
        """The place to build. Asks for consent. Raises InputError."""
        asked = self.asked
        return self._stack.enter_context(workshop(asked.tree, asked.keep, asked.jobs, asked.consent))


Level = Callable[[Ladder], Result]


def _config(kernel: Kernel) -> Config:
    return Config(kernel.config, kernel.lines)


def _units(ladder: Ladder) -> Result:
    asked = ladder.asked
    result = units.run(ladder.analysis, ladder.report, asked.scheme, asked.paths, asked.jobs, ladder.series)
    return result.with_items(ladder.lost)


def _arithmetic(ladder: Ladder) -> Result:
    asked = ladder.asked
    result = arithmetic.run(
        ladder.analysis, ladder.report, asked.scheme, asked.paths, asked.jobs, asked.emit, ladder.series
    )
    after = {p: c for p, c in ladder.prepared.items() if below(p, asked.paths)}
    before = {p: read_any(asked.tree, p) or b"" for p in after}
    return result.with_items([*ladder.lost, *definitions.run(before, after, asked.scheme)])


def _objects(ladder: Ladder) -> Result:
    asked = ladder.asked
    renames = frozenset((old, new) for old, units in asked.scheme.names.items() for new in units.values())
    return objects.run(ladder.shop, asked.tree, ladder.files, asked.paths, _config(builds().objects), renames)


def _split(ladder: Ladder) -> Result:
    asked = ladder.asked
    if not vanishing(asked.scheme):
        raise InputError(f"level split: scheme {asked.scheme.scheme} keeps PAGE_SIZE, so no build tells what is left")
    ladder.shop.state("converted", ladder.files)
    converted = open_tree(str(ladder.shop.copy.source), None)
    left = decisions(converted, asked.cache, asked.cached, asked.scheme.scheme, asked.jobs, asked.progress)
    return split.run(
        ladder.shop, asked.tree, ladder.files, asked.paths, _config(builds().objects), builds().split.shifts,
        asked.scheme, left.report.sites,
    )  # fmt: skip


def _boot(ladder: Ladder) -> Result:
    return boot.run(ladder.shop, ladder.files, builds().boot)


LEVELS: dict[str, Level] = {
    "units": _units,
    "arithmetic": _arithmetic,
    "objects": _objects,
    "split": _split,
    "boot": _boot,
}
"""In the order of the ladder."""
