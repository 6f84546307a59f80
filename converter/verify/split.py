"""Level *split*: with PG_SHIFT above PTE_SHIFT the compiler names every use that is left, and the scan knew each.

Each file is compiled again with the command by which kbuild made its object, only without code generation, and with a
larger PG_SHIFT. There PAGE_SIZE and its family are not defined any more. A compiler names an undeclared name once in a
function, or once in a file; a header put before everything else makes each use a name of its own, so that it names all,
those in macros' bodies where they stand there, and those in #if, which would silently be 0.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from converter.classify.record import Site
from converter.tree import Tree
from converter.verify.kbuild import Build, Config, Workshop, object_of
from converter.verify.objects import build, scope
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item, Result
from converter.vocabulary import Scheme, vocabulary

LEVEL = "split"

_LEFT = "PGCONV_LEFT_"
_NAMED = re.compile(rf"(?:error|warning): .*\b{_LEFT}(\w+?)_\d+\b")
_PROBLEM = re.compile(r"^(\S+?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)")
_OUTSIDE = re.compile(r"in expansion of macro 'PGCONV_PASTE'$")
_EXPANSION = re.compile(r"^(.+?):(\d+):(\d+): note: in expansion of macro '(\w+)'$")
_NOTE = re.compile(r": note: ")
_MARKER = re.compile(r'^# (\d+) "([^"]+)"')
_TOKEN = re.compile(rf"\b{_LEFT}(\w+?)_\d+\b")


_CALL = 40
"""Lines of the longest macro call that is looked through."""


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """A use that the compiler named; `line` and `col` from 1, `col` 0 where it is not known (assembler)."""

    path: str
    line: int
    col: int
    name: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the compiler said of one file with one PG_SHIFT: the uses that are left, and the first other error."""

    path: str
    uses: frozenset[Use]
    other: str


def vanishing(chosen: Scheme) -> list[str]:
    """The names of the family that are not defined where the two sizes differ."""
    return [n for n in vocabulary().family if n not in chosen.names[n].values()]


def header(chosen: Scheme, shift: int) -> str:
    """What goes before every file: the larger shift, and each use of the family a name that is not declared."""
    symbol = chosen.names["CONFIG_PAGE_SHIFT"]["pg"]
    lines = [
        f"#undef {symbol}",
        f"#define {symbol} {shift}",
        "#define PGCONV_PASTE_(a, b) a##b",
        "#define PGCONV_PASTE(a, b) PGCONV_PASTE_(a, b)",
    ]
    for name in vanishing(chosen):
        made = f"PGCONV_PASTE({_LEFT}{name}_, __COUNTER__)"
        call = vocabulary().names[name].form == "call"
        lines.append(f"#define {name}(...) {made}(__VA_ARGS__)" if call else f"#define {name} {made}")
    return "".join(line + "\n" for line in lines)


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
    build(after, wanted, objects)
    built = [p for p in wanted.files if object_of(p) in objects and after.command(p) is not None]
    compiled = {shift: _compile_all(after, built, chosen, shift, shop.jobs) for shift in shifts}
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
    if site is None and not use.col:
        site = next((s for (p, n, _, m), s in known.items() if (p, n, m) == (use.path, use.line, use.name)), None)
    what = f"{use.name} is left"
    if site is None:
        return Item(use.path, use.line, FAILED, what, "the scan does not know this use", f"column {use.col}")
    if site.status == "inert":
        return Item(use.path, use.line, FAILED, what, "the scan takes it for a comment or for user-space code")
    return Item(use.path, use.line, PASSED, f"{what}: {site.status}")


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
    named = {(u.path, u.line, u.col or None, u.name) for u in uses}
    for (path, line, col, name), site in sorted(known.items()):
        if path not in of_scope or name not in names or site.status in ("inert", "definition"):
            continue
        if (path, line, col, name) in named or (path, line, None, name) in named:
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
    first = after.directory / f"pgconv-split-{shift}.h"
    first.write_text(header(chosen, shift))
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda path: _compile(after, path, first), paths))


def _compile(after: Build, path: str, first: Path) -> Compiled:
    assembler = path.endswith(".S")
    words = [w for w in after.command(path) or [] if not w.startswith("-Wp,-M")]
    at = words.index("-o")
    source = words[-1]
    words = [*words[:at], *words[at + 2 : -1]]
    words = [w for w in words if w != "-c"]
    goal = "-E" if assembler else "-fsyntax-only"
    messages = ["-Wundef", "-fno-diagnostics-show-caret", "-fdiagnostics-column-unit=byte"]
    done = subprocess.run(
        [*words, "-include", str(first), goal, *messages, source],
        cwd=after.directory,
        env=after.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode("utf-8", "replace")
    root = f"{after.shop.copy.source}/"
    uses = set(named(said.splitlines(), root, _reader(after.shop.copy.source)))
    if assembler:
        uses |= set(tokens(done.stdout.decode("utf-8", "replace").splitlines(), root))
    return Compiled(path, frozenset(uses), _other(said))


def _reader(root: Path) -> Callable[[str], Sequence[str]]:
    """Gives the lines of a file below `root`, as bytes count columns; none of a file that is not there."""

    @cache
    def lines(path: str) -> Sequence[str]:
        try:
            return (root / path).read_text(encoding="latin-1").split("\n")
        except OSError:
            return []

    return lines


def named(lines: Iterable[str], root: str, source: Callable[[str], Sequence[str]]) -> Iterator[Use]:
    """The uses that gcc's messages name. `root` is cut from the paths; `source` gives the lines of a file.

    The name itself stands in the header before everything else; the note after that of PGCONV_PASTE says where its use
    is written, be it in a macro's body or among its arguments. Of what a macro pastes (`, ## input`) it says where the
    paste is: there the use is in the call that a later note names.
    """
    name = ""
    places: list[tuple[str, int, int]] = []
    outside = False
    for line in (*lines, ""):
        if m := _NAMED.search(line):
            yield from _written(name, places, source)
            name, places, outside = m[1], [], False
        elif _OUTSIDE.search(line):
            outside = True
        elif outside and (m := _EXPANSION.match(line)) and (places or m[4] == name):
            places.append((m[1].removeprefix(root), int(m[2]), int(m[3])))
        elif not _NOTE.search(line):
            yield from _written(name, places, source)
            name, places, outside = "", [], False


def _written(
    name: str, places: Sequence[tuple[str, int, int]], source: Callable[[str], Sequence[str]]
) -> Iterator[Use]:
    """The first of the places where the name stands, or the call there that holds it; else the first place."""
    word = re.compile(rf"\b{name}\b")
    for n, (path, line, col) in enumerate(places):
        lines = source(path)
        if lines[line - 1 : line] and word.match(lines[line - 1], col - 1):
            yield Use(path, line, col, name)
            return
        for at in range(line, min(line + _CALL, len(lines) + 1) if n else line):
            if m := word.search(lines[at - 1]):
                yield Use(path, at, m.start() + 1, name)
                return
            if ";" in lines[at - 1]:
                break
    if places:
        yield Use(*places[0], name)


def tokens(lines: Iterable[str], root: str) -> Iterator[Use]:
    """The uses that are left in preprocessed text: an assembler would take them for symbols of other files."""
    path, line = "", 0
    for text in lines:
        if m := _MARKER.match(text):
            path, line = m[2].removeprefix(root), int(m[1])
            continue
        for m in _TOKEN.finditer(text):
            yield Use(path, line, 0, m[1])
        line += 1


def _other(said: str) -> str:
    """The first error that is not about a use that is left."""
    for line in said.splitlines():
        if (m := _PROBLEM.match(line)) and _LEFT not in line:
            return f"{os.path.basename(m[1])}:{m[2]}: {m[3]}"
    return ""
