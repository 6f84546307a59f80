"""One commit with everything that its rules look at: what changed, in which lines, and the units before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from converter.ci.finding import Finding
from converter.ci.opened import Opened
from converter.ci.policy import Reasons
from converter.classify.decide import Decider
from converter.classify.record import Evidence, Site
from converter.decided import decider
from converter.ledger import Ledger
from converter.tree.history import FileChange
from converter.units.facts import Facts
from converter.units.live import Exchanged
from converter.vocabulary import Scheme

FOLDED = b" "

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Changed:
    """A file that the commit adds or changes: facts and number before (None: not there) and after."""

    change: FileChange
    path: str
    added: frozenset[int]  # lines that are judged
    text: dict[int, bytes]  # these lines
    old: Facts | None
    new: Facts
    old_number: int | None
    number: int
    reasons: Reasons

    @cached_property
    def in_place(self) -> frozenset[int]:
        """Lines that come where the same line goes, but for white space."""
        hunks = ((h, {folded(line) for line in h.old}) for h in self.change.hunks)
        return frozenset(h.new_start + i for h, old in hunks for i, line in enumerate(h.new) if folded(line) in old)


@dataclass(frozen=True)
class View:
    """`spoken`: does the tree speak the scheme before the commit; `ledger` is that of the tree after it.

    content         the bytes of a file of that tree
    content_before  those of a file of the tree before it
    gone            of a merge: by path, the lines that go from each parent, white space folded
    """

    name: str
    changes: Sequence[FileChange]
    files: list[Changed]
    exchanged: Exchanged
    chosen: Scheme
    spoken: bool
    ledger: Ledger
    content: Callable[[str], bytes]
    content_before: Callable[[str], bytes]
    gone: Mapping[str, Counter[bytes]] | None = None

    @property
    def is_merge(self) -> bool:
        """Is what its parents did not to be judged?"""
        return self.gone is not None

    def goes(self, change: FileChange) -> dict[int, bytes]:
        """The lines of the parent that go, by number; of a merge those that it takes out itself."""
        lines = {h.old_start + i: line for h in change.hunks for i, line in enumerate(h.old)}
        if self.gone is None:
            return lines
        left = Counter(self.gone.get(change.new_path or change.old_path or "", {}))
        return {number: line for number, line in lines.items() if take(left, folded(line))}

    def uses_gone(self, change: FileChange) -> Counter[bytes]:
        """The lines with uses that go, white space folded."""
        number = self.exchanged.gone.get(change.old_path or "")
        if number is None:
            return Counter()
        used = {u.line for u in self.before.graph.facts[number].uses if not u.inert}
        return Counter(folded(line) for n, line in self.goes(change).items() if n in used)

    @cached_property
    def before(self) -> Decider:
        """Decides uses of the parent."""
        return decider(self.exchanged.before, self.chosen)

    @cached_property
    def after(self) -> Decider:
        """Decides uses of the commit."""
        return decider(self.exchanged.after, self.chosen)

    @cached_property
    def open_before(self) -> Opened:
        """The open uses of the parent."""
        return Opened(self.before)

    @cached_property
    def open_after(self) -> Opened:
        """The open uses of the commit."""
        return Opened(self.after)

    def finding(
        self, rule: str, path: str, line: int, col: int, name: str, message: str, fix: str, site: Site | None = None,
        replacement: str | None = None, evidence: tuple[Evidence, ...] = (), against: tuple[Evidence, ...] = (),
    ) -> Finding:  # fmt: skip
        """A finding on the commit; its level is for the policy to say. `site`: where the evidence is taken from."""
        if site is not None:
            evidence, against = site.evidence, site.against
        return Finding(self.name, path, line, col, rule, "", name, message, fix, replacement, evidence, against)


def take(left: Counter[T], what: T) -> bool:
    """Take one away, if there is one: each thing that goes accounts for one that comes."""
    there = left[what] > 0
    left[what] -= there
    return there


def folded(line: bytes) -> bytes:
    """A line without what re-indenting it changes."""
    return FOLDED.join(line.split())
