"""Level *split*: with PG_SHIFT above PTE_SHIFT the compiler names every use that is left, and the scan knew each.

Each file is compiled with the command by which kbuild makes its object, only without code generation, and with a
larger PG_SHIFT. There PAGE_SIZE and its family are not defined any more.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from converter.classify.record import Site
from converter.tree import Tree
from converter.verify.kbuild import Build, Config, Workshop, object_of
from converter.verify.left import Use, header, larger, marked, named, other, reader, undefined, vanishing
from converter.verify.objects import scope
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item, Result
from converter.vocabulary import Scheme

LEVEL = "split"
_OURS = "a failure of pgconv"
"""...and not of the tree or of the conversion."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the compiler said of one file with one PG_SHIFT: the uses that are left, and the first other error.

    `lacking`: it includes what make generates together with its object.
    """

    path: str
    uses: frozenset[Use]
    other: str
    lacking: bool


def run(
    shop: Workshop,
    tree: Tree,
    files: Mapping[str, bytes],
    paths: Sequence[str],
    config: Config,
    shifts: Sequence[int],
    chosen: Scheme,
    sites: Iterable[Site],
) -> Result:
    """Compile the scope with each shift. `sites`: what a scan says of the converted tree, which is the workshop's."""
    wanted = scope(tree, files, paths, config.source_arch)
    shop.state("converted", files)
    after = shop.build("after", config)
    prepared = after.prepare()
    if prepared.code != 0:
        return Result(LEVEL, (Item("Makefile", 0, FAILED, "make prepare", prepared.complaint(), prepared.log),))
    objects = after.configured(wanted.places) & {object_of(p) for p in wanted.files}
    configured = [p for p in wanted.files if object_of(p) in objects]
    unplanned = [p for p in configured if after.command(p) is None]
    if unplanned:
        after.make(*map(object_of, unplanned), keep_going=True)
    built = [p for p in configured if after.command(p) is not None]
    compiled = {shift: _compile_all(after, built, chosen, shift, shop.jobs) for shift in shifts}
    lacking = sorted({c.path for all_ in compiled.values() for c in all_ if c.lacking})
    if lacking:
        after.make(*map(object_of, lacking), keep_going=True)
        for shift in shifts:
            again = {c.path: c for c in _compile_all(after, lacking, chosen, shift, shop.jobs)}
            compiled[shift] = [again.get(c.path, c) for c in compiled[shift]]
    uses = {u for all_ in compiled.values() for c in all_ for u in c.uses}
    known = {(s.path, s.line, s.col, s.macro): s for s in sites}
    items = [
        *(_judged(u, known) for u in sorted(uses)),
        *_clean(compiled),
        *_unseen(uses, known, wanted.files, set(built), chosen),
    ]
    return Result(LEVEL, tuple(items), tuple(_figures(compiled, uses)), tuple(_notes(compiled)))


def _judged(use: Use, known: Mapping[tuple[str, int, int, str], Site]) -> Item:
    site = known.get((use.path, use.line, use.col, use.name))
    what = f"{use.name} is left"
    if site is None:
        return Item(use.path, use.line, FAILED, what, f"{_OURS}: the scan does not know this use", f"column {use.col}")
    if site.status != "inert":
        return Item(use.path, use.line, PASSED, f"{what}: {site.status}")
    return Item(use.path, use.line, FAILED, what, f"{_OURS}: the scan takes it for a comment or for user-space code")


def _clean(compiled: Mapping[int, Sequence[Compiled]]) -> Iterator[Item]:
    """Files without a use that is left, in themselves or in what they include."""
    for told in zip(*compiled.values(), strict=True):
        if not any(c.uses for c in told):
            others = [c.other for c in told if c.other]
            what = f"compiles with PG_SHIFT {' and '.join(map(str, compiled))}"
            if others:
                yield Item(
                    told[0].path, 0, NOT_COVERED, what, "nothing is left in it, and it does not compile", others[0]
                )
            else:
                yield Item(told[0].path, 0, PASSED, what)


def _unseen(
    uses: set[Use],
    known: Mapping[tuple[str, int, int, str], Site],
    files: Iterable[str],
    built: set[str],
    chosen: Scheme,
) -> Iterator[Item]:
    """What the scan knows in the files of the scope and the compiler did not name."""
    of_scope, names = set(files), set(vanishing(chosen))
    named = {(u.path, u.line, u.col, u.name) for u in uses}
    for (path, line, col, name), site in sorted(known.items()):
        if path not in of_scope or name not in names or site.status in ("inert", "definition"):
            continue
        if (path, line, col, name) in named:
            continue
        why = "not compiled: another branch of an #if, or a macro that nothing uses" if path in built else (
            "in a file that is not part of this configuration"
        )  # fmt: skip
        yield Item(path, line, NOT_COVERED, f"{name}: {site.status}", why)


def _figures(compiled: Mapping[int, Sequence[Compiled]], uses: set[Use]) -> Iterator[tuple[str, float]]:
    for shift, all_ in compiled.items():
        done = sum(not c.uses for c in all_)
        yield f"files compiled with PG_SHIFT {shift}", float(len(all_))
        yield f"files without a use left, PG_SHIFT {shift}", float(done)
    yield "uses left", float(len(uses))
    for place, count in sorted(Counter(_directory(u.path) for u in uses).items()):
        yield f"uses left in {place}", float(count)


def _notes(compiled: Mapping[int, Sequence[Compiled]]) -> Iterator[str]:
    """Files that fail for another reason than a name that is left."""
    for shift, all_ in compiled.items():
        for c in all_:
            if c.other and not c.uses:
                yield f"{c.path}: PG_SHIFT {shift}: another error: {c.other}"


def _directory(path: str) -> str:
    return os.path.dirname(path) + "/"


def _compile_all(after: Build, paths: Sequence[str], chosen: Scheme, shift: int, jobs: int) -> list[Compiled]:
    first = {}
    for suffix, text in (".c", header(chosen, shift)), (".S", larger(chosen, shift)):
        first[suffix] = after.directory / f"pgconv-split-{shift}{suffix}.h"
        first[suffix].write_text(text)
    names = frozenset(vanishing(chosen))
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda path: _compile(after, path, first[os.path.splitext(path)[1]], names), paths))


def _compile(after: Build, path: str, first: Path, names: frozenset[str]) -> Compiled:
    assembler = path.endswith(".S")
    words = [w for w in after.command(path) or [] if not w.startswith("-Wp,-M")]
    at = words.index("-o")
    source = words[-1]
    words = [*words[:at], *words[at + 2 : -1]]
    words = [w for w in words if w != "-c"]
    goal = ["-E", "-fdebug-cpp"] if assembler else ["-fsyntax-only"]
    messages = ["-Wundef", "-fno-diagnostics-show-caret", "-fdiagnostics-column-unit=byte"]
    done = subprocess.run(
        [*words, "-include", str(first), *goal, *messages, source],
        cwd=after.directory,
        env=after.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode("utf-8", "replace")
    root = f"{after.shop.copy.source}/"
    if assembler:
        uses = {
            *marked(done.stdout.decode("utf-8", "replace").splitlines(), root, names),
            *undefined(said.splitlines(), root, names),
        }
    else:
        uses = set(named(said.splitlines(), root, reader(after.shop.copy.source)))
    return Compiled(path, frozenset(uses), other(said), "No such file or directory" in said)
