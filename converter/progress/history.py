"""A repository and a range in, a History out."""

from __future__ import annotations

from pathlib import PurePosixPath

from converter import __version__, data
from converter.convert.maintainers import REST, Maintainers
from converter.examine import Progress
from converter.progress.measure import Measured
from converter.progress.origin import new_uses
from converter.progress.record import Counts, History, NewUse, Step
from converter.progress.steps import kind, steps
from converter.tree.cache import Cache
from converter.tree.git import git
from converter.tree.history import Repository
from converter.vocabulary import scheme

NEWEST_STEPS = 3
"""The last steps whose new uses are listed."""


def history(
    path: str, revs: str, step: str, cache: Cache, scheme_name: str = "pte-pg", jobs: int | None = None,
    progress: Progress | None = None,
) -> History:  # fmt: skip
    """The uses at every step of the range. Raises InputError."""
    chosen = scheme(scheme_name)
    wanted = kind(step)
    repository = Repository(path)
    try:
        found = steps(repository, revs, wanted)
        measured = Measured(repository, cache, chosen, jobs, progress)
        files = [measured.counts(each.tree) for each in found]
        newest: list[NewUse] = []
        for n in range(max(1, len(found) - NEWEST_STEPS), len(found)):
            newest += new_uses(repository, measured, cache, found[n - 1], found[n], n)
        newest.sort(key=lambda u: (-(u.origin.time if u.origin else found[u.step].time), u.path, u.line, u.col))
        return History(
            tool={"name": "pgconv", "version": __version__, "rules": data.rules_version()},
            repository=PurePosixPath(repository.directory.removesuffix("/.git")).name,
            range=revs,
            scheme=chosen.scheme,
            steps=tuple(found),
            files=tuple(files),
            subsystems=_subsystems(repository, found[-1], files),
            newest=tuple(newest),
            warnings=(*measured.warnings(found[-1].tree), *cache.warnings),
        )
    finally:
        repository.reader.close()


def _subsystems(repository: Repository, last: Step, files: list[dict[str, Counts]]) -> dict[str, str]:
    """The section of MAINTAINERS through whose tree a patch to each file goes; all by the last step's, so that a
    subsystem that was renamed keeps its line."""
    text = git(repository.directory, "cat-file", "blob", f"{last.tree}:MAINTAINERS")
    paths = sorted({path for each in files for path in each})
    directories = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    maintainers = Maintainers(text.stdout.decode("utf-8", "replace"), directories.__contains__)
    sections = {path: maintainers.merger(path) for path in paths}
    return {path: section.name if section is not None else REST for path, section in sections.items()}
