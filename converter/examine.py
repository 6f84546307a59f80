"""The facts of a whole tree: which are known by content, which must be made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache as once
from functools import partial
from pathlib import Path

import msgspec

from converter import __version__, data
from converter.kept import KeptFacts, fact_key
from converter.tree import Problems, Tree
from converter.tree.cache import Cache
from converter.tree.pool import Lost, chunked, run
from converter.units.facts import Facts, decode
from converter.worker import Worker

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


@once
def engine_version() -> str:
    """Changes whenever the code that makes facts, decisions or what else the cache keeps changes."""
    whole = hashlib.sha256(__version__.encode())
    package = Path(__file__).resolve().parent
    for folder in (".", "csource", "units", "classify", "ci"):
        for file in sorted((package / folder).glob("*.py")):
            whole.update(file.read_bytes())
    return whole.hexdigest()[:16]


@dataclass(slots=True)
class Analysis:
    """Facts of a whole tree: what every question about units starts from."""

    tree: Tree
    paths: list[str]
    facts: list[Facts]
    digests: dict[str, str]
    warnings: list[str]
    problems: Problems = field(default_factory=Problems)  # what of the warnings single files gave rise to


def examine(
    tree: Tree,
    cache: Cache,
    scheme_name: str,
    jobs: int | None = None,
    progress: Progress | None = None,
    known: Mapping[str, str] | None = None,
) -> Analysis:
    """Facts of every file, from the cache where the content is known. `known`: as cache.digests() says of the tree."""
    known = cache.digests(tree) if known is None else known
    analysis = facts_of(tree, cache, scheme_name, jobs, progress, known)
    cache.remember_digests(tree, analysis.digests)
    return analysis


def facts_of(
    tree: Tree, cache: Cache, scheme_name: str, jobs: int | None, progress: Progress | None, known: Mapping[str, str]
) -> Analysis:
    """The same of a tree that may be a part of one: the cache's digests of the tree stay as they are."""
    kept = KeptFacts(cache, cache_key(scheme_name))
    digests = dict(known)
    keys = {path: fact_key(path, digest) for path, digest in digests.items()}
    before = kept.of(set(keys.values()))
    pending = [e for e in tree.entries if keys.get(e.path) not in before]
    raw = {path: before[k] for path, k in keys.items() if k in before}
    made: dict[str, Facts] = {}
    problems = Problems()
    total = sum(e.size for e in pending)
    done = 0
    make = partial(Worker, tree.reader, scheme_name)
    with closing(run(make, chunked(pending, lambda e: e.size), jobs or os.cpu_count() or 1)) as results:
        for result in results:
            if isinstance(result, Lost):
                problems.add(f"not scanned: {result.reason}", result.item.path)
                done += result.item.size
                continue
            for found in result:
                done += found.size
                if found.problem:
                    problems.add(f"not read: {found.problem}", found.path)
                    continue
                digests[found.path] = found.digest
                kept.add(fact_key(found.path, found.digest), found.facts)
                if found.facts:
                    made[found.path] = decode(found.facts)
            if progress is not None:
                progress(done, total)
    kept.finish()
    for path, content in raw.items():
        if content:
            try:
                made[path] = decode(content)
            except msgspec.MsgspecError:  # an entry that passed its checksum and is still wrong: ask the source
                entry = next(e for e in tree.entries if e.path == path)
                again = Worker(tree.reader, scheme_name)([entry])[0]
                made[path] = decode(again.facts) if again.facts else Facts()
    paths = sorted(made)
    facts = [made[path] for path in paths]
    for path in paths:
        for what in made[path].warnings:
            problems.add(what, path)
    return Analysis(tree, paths, facts, digests, [*tree.warnings, *problems.lines()], problems)


def cache_key(scheme_name: str) -> str:
    """What facts and reports depend on besides the files: code, rules and scheme."""
    return f"{engine_version()}:{data.rules_version()}:{scheme_name}"
