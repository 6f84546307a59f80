"""A run of `pgconv ci`, from what the user names to a judgement."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from converter import __version__, data
from converter.ci import baseline as ratchet
from converter.ci.baseline import Baseline
from converter.ci.finding import Judgement
from converter.ci.judge import Judge, Said
from converter.ci.moving import MovingTree, near_base
from converter.ci.policy import Policy
from converter.ci.suggest import patch
from converter.collector import uncollected
from converter.errors import InputError
from converter.examine import Progress
from converter.tree.cache import Cache
from converter.tree.git import at, version_at
from converter.tree.history import Commit, Repository, scratch
from converter.vocabulary import scheme as load_scheme


@dataclass(frozen=True, slots=True)
class Options:
    """What is judged: `range_` of the repository, or the mails of a file, on `base` where that is named.

    update  lower the baseline to the end of the range
    """

    repository: str
    range_: str | None = None
    mails: Path | None = None
    base: str | None = None
    scheme: str = "pte-pg"
    jobs: int | None = None
    suggest: bool = False
    update: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The judgement, the fix-up patches, and what the ratchet can be lowered to: the baseline of the last tree."""

    judgement: Judgement
    patches: bytes
    lowered: Baseline | None


def run(
    options: Options, policy: Policy, baseline: Baseline | None, cache: Cache,
    progress: Progress | None = None, said: Said | None = None,
) -> Outcome:  # fmt: skip
    """Judge everything. Raises InputError where that cannot be done."""
    with ExitStack() as stack:
        repository, commits, named = _commits(options, stack)
        stack.callback(repository.reader.close)
        base = commits[0].parents[0]
        first = repository.tree_of(base)
        with uncollected():
            chosen, begin = load_scheme(options.scheme), f"the base of {named}"
            tree = near_base(repository, cache, chosen, first, options.jobs, progress, begin)
        judged = tuple(Judge(repository, tree, policy, baseline).run(commits, said))
        trees = {c.name: c.tree for c in commits}
        patches = b"".join(patch(repository, trees[j.name], j) for j in judged) if options.suggest else b""
        rules = {rule: (r.what, r.level) for rule, r in policy.rules.items()}
        tool = {"name": "pgconv", "version": __version__, "rules": data.rules_version()}
        warnings = (*tree.warnings, *cache.warnings)
        judgement = Judgement(tool, repository.path, named, options.scheme, judged, rules, warnings)
        lowered = None
        if baseline is not None and options.update:
            version_at(repository.directory, at(repository.path, f"the end of {named}"), commits[-1].tree)
            tree.move(commits[-1].tree)
            lowered = lower(repository, baseline, tree, commits[-1].name)
        return Outcome(judgement, patches, lowered)


def _commits(options: Options, stack: ExitStack) -> tuple[Repository, Sequence[Commit], str]:
    if options.mails is None:
        repository = Repository(options.repository)
        assert options.range_ is not None
        return repository, repository.commits(options.range_), options.range_
    from converter.ci import mbox  # with the library of mails, which a range needs not

    mails, said = mbox.read(options.mails)
    repository = stack.enter_context(scratch(options.repository))
    rev = options.base
    if rev is None:
        rev = said if said is not None and repository.has(said) else "HEAD"
    return repository, list(mbox.commits(repository, mails, repository.commit(rev))), str(options.mails)


def record(
    path: str, rev: str, scheme: str, cache: Cache, jobs: int | None = None, progress: Progress | None = None
) -> tuple[Repository, MovingTree, Commit]:
    """The tree of a revision, ready to be counted. Raises InputError."""
    repository = Repository(path)
    commit = repository.commit(rev)
    tree = near_base(repository, cache, load_scheme(scheme), commit.tree, jobs, progress, rev)
    return repository, tree, commit


def lower(repository: Repository, old: Baseline, tree: MovingTree, revision: str) -> Baseline:
    """The old baseline, lowered to what a tree has; files that were renamed since keep theirs."""
    now = of(tree, revision)
    return old.lowered(now, _renames(repository, old, tree.tree))


def of(tree: MovingTree, revision: str) -> Baseline:
    """The baseline of a tree."""
    opened = tree.opened()
    paths = sorted(p for p, (family, _) in tree.ledger.counts.items() if family)
    counts = ((p, opened.by_function(tree.live.number[p])) for p in paths)
    return ratchet.of(counts, tree.scheme.scheme, revision)


def _renames(repository: Repository, old: Baseline, tree: str) -> dict[str, str]:
    """path now -> path then. Nothing where the baseline's revision is not here any more."""
    if not repository.has(old.revision):
        return {}
    changes = repository.diff(repository.tree_of(old.revision), tree, lines=False)
    return {c.new_path: c.old_path for c in changes if c.new_path and c.old_path and c.new_path != c.old_path}


def needs(options: Options) -> None:
    """Raises InputError where neither a range nor a file of mails is named, or both."""
    if (options.range_ is None) == (options.mails is None):
        raise InputError("name either a range of commits, as in pgconv ci linux/ v6.12..HEAD, or --mbox FILE")
