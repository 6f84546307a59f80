"""The way of a commit: its diff, the tree with it and without it, the rules, findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import and_

from converter.ci import newuse, redefine, silent, uniterror
from converter.ci.baseline import Baseline
from converter.ci.finding import Finding, Judged
from converter.ci.moving import MovingTree
from converter.ci.opened import Opened
from converter.ci.policy import Policy, Reasons
from converter.ci.view import Changed, View, folded
from converter.tree.history import Commit, FileChange, Repository
from converter.units.facts import Facts

AT_ONCE = 100
"""Commits whose blobs are read together."""

Said = Callable[[int, int], None]
"""Called with commits judged and commits in all."""


@dataclass(frozen=True, slots=True)
class Step:
    """A commit and what it changes.

    lines  of a merge, by path: the lines that are in none of its parents
    gone   the text of those that go from each of them
    """

    commit: Commit
    parent: str  # tree
    changes: Sequence[FileChange]
    lines: dict[str, frozenset[int]] | None = None
    gone: dict[str, Counter[bytes]] | None = None


class Judge:
    """Judges commits one after the other, in the order in which they apply."""

    def __init__(
        self, repository: Repository, tree: MovingTree, policy: Policy, baseline: Baseline | None
    ) -> None:  # fmt: skip
        self._repository = repository
        self._tree = tree
        self._policy = policy
        self._baseline = baseline
        self._origin: dict[str, str] = {}
        self._trees: dict[str, str] = {}

    def run(self, commits: Sequence[Commit], said: Said | None = None) -> Iterator[Judged]:
        """Every commit with its findings."""
        done = 0
        self._trees |= {c.name: c.tree for c in commits}
        for start in range(0, len(commits), AT_ONCE):
            steps = [self._step(c) for c in commits[start : start + AT_ONCE]]
            self._tree.fetch(change for s in steps for change in s.changes)
            for step in steps:
                yield Judged(step.commit.name, step.commit.subject, tuple(self._judged(step)))
                done += 1
                if said is not None:
                    said(done, len(commits))

    # what changes

    def _step(self, commit: Commit) -> Step:
        trees = [self._tree_of(p) for p in commit.parents]
        if len(trees) == 1:
            return Step(commit, trees[0], self._repository.diff(trees[0], commit.tree))
        return self._merge(commit, trees)

    def _tree_of(self, commit: str) -> str:
        return self._trees.get(commit) or self._repository.tree_of(commit)  # a mail is in no repository

    def _merge(self, commit: Commit, trees: list[str]) -> Step:
        """Of a merge, what differs from every parent: how conflicts were resolved, and what was slipped in."""
        short = [{c.new_path for c in self._repository.diff(t, commit.tree, lines=False)} for t in trees]
        own = {p for p in set.intersection(*short) if p is not None}
        if not own:
            return Step(commit, trees[0], ())
        by_parent = [self._repository.diff(t, commit.tree) for t in trees]
        lines = {
            p: frozenset.intersection(*(c.added for changes in by_parent for c in changes if c.new_path == p))
            for p in own
        }
        removed = [{c.new_path or c.old_path or "": _removed(c) for c in changes} for changes in by_parent]
        gone = {p: reduce(and_, (own[p] for own in removed)) for p in set.intersection(*map(set, removed))}
        return Step(commit, trees[0], by_parent[0], lines, gone)

    # what is found

    def _judged(self, step: Step) -> list[Finding]:
        for c in step.changes:
            if c.old_path is not None and c.new_path is not None and c.old_path != c.new_path:
                self._origin[c.new_path] = self._origin.get(c.old_path, c.old_path)
        if not step.changes:
            return []
        self._tree.move(step.parent)
        view = self._view(step)
        found = self._found(view)
        levels = {rule: self._policy.level(rule) for rule in self._policy.rules}
        kept = [replace(f, level=levels[f.rule]) for f in found if levels[f.rule] != "off"]
        return sorted(kept, key=Finding.order)

    def _found(self, view: View) -> Iterator[Finding]:
        yield from newuse.find(view, self._baseline, self._origin)
        yield from uniterror.find(view)
        yield from silent.find(view, self._policy.evidence.steps)
        yield from redefine.find(view)

    def _beside(self, opened: Opened, path: str) -> tuple[int, int]:
        """Open uses, and names of the scheme, in the other files of a file's directory."""
        number = self._tree.live.number
        own = [(opened.total(number[p], family), written) for p, family, written in self._tree.ledger.beside(path)]
        return sum(n for n, _ in own), sum(n for _, n in own)

    def _view(self, step: Step) -> View:
        tree = self._tree
        spoken = tree.ledger.speaks(tree.scheme)
        before = []
        opened = tree.opened()
        for c in step.changes:
            if c.new_path is None or (step.lines is not None and c.new_path not in step.lines):
                continue
            old = tree.facts(c.old_path) if c.old_path is not None else None
            known = None if c.old_path is None else old or Facts()
            counts = opened.by_function(tree.live.number.get(c.old_path) if c.old_path is not None else None)
            beside = partial(self._beside, opened, c.new_path)
            before.append((c, old, Reasons(self._policy, c.new_path, known, counts, beside, spoken)))
        exchanged = tree.step(step.changes, step.commit.tree)
        files = []
        for c, old, reasons in before:
            assert c.new_path is not None
            new = tree.facts(c.new_path)
            if new is None:
                continue
            added = c.added if step.lines is None else step.lines[c.new_path]
            text = {h.new_start + i: line for h in c.hunks for i, line in enumerate(h.new)}
            number = exchanged.gone.get(c.old_path) if c.old_path is not None else None
            files.append(
                Changed(c, c.new_path, added, text, old, new, number, exchanged.come[c.new_path], reasons)
            )  # fmt: skip
        content, content_before = (partial(self._repository.file, t) for t in (step.commit.tree, step.parent))
        return View(
            step.commit.name, step.changes, files, exchanged, tree.scheme, spoken, tree.ledger, content, content_before,
            step.gone,
        )  # fmt: skip


def _removed(change: FileChange) -> Counter[bytes]:
    return Counter(folded(line) for h in change.hunks for line in h.old)
