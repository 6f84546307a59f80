"""Loads scenarios: programs of memory operations with expectations, as TOML.

    about = "one sentence"            [machine]                         [[step]]
    seed = 1                          ram = "64M"                       op = "mmap"
                                      pg = ["4K", "16K", "64K"]         length = "3*PG"
    [[file]]                          tables = "packed"                 as = "a"
    name = "data"
    size = "100K"                     (docs/sim.md has every field)

Every field is checked when the file is loaded, expressions and names in them included: an error names file, line,
entry and field.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NoReturn

import msgspec

from converter import data
from converter.errors import InputError
from converter.mmmodel.expression import Expression, ExpressionError
from converter.mmmodel.geometry import Geometry, parse_size
from converter.mmmodel.scenario_schema import (
    CONSTANTS,
    FIRST_SPACE,
    QUANTITIES,
    BySize,
    Call,
    Document,
    Expect,
    Fork,
    Mmap,
    Repeat,
    Simple,
    Step,
    Value,
    is_errno,
)

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class Scenario:
    """A scenario that has been checked. sizes: the geometries that it is made for."""

    def __init__(self, path: Path, text: str, document: Document) -> None:
        self.path = path
        self.name = _printable(path.stem)
        self.document = document
        self._text = text
        self.sizes = _Check(self).all()

    def place(self, entry: tuple[str | int, ...], field: str = "") -> str:
        """ "FILE:LINE: entry" for messages; entry such as ("step", 3, "do", 0), numbers from 0."""
        return f"{_printable(str(self.path))}:{line_of(self._text, entry, field)}: {_entry_name(self.document, entry)}"


def shipped() -> list[Path]:
    """The scenarios that come with pgconv, by name."""
    return sorted(data.path("fixtures/scenarios").glob("*.toml"))


def find(name: str) -> list[Path]:
    """The files that a name on the command line means: a file, the scenarios of a directory, or a shipped one."""
    path = Path(name)
    if path.is_dir():
        if found := sorted(path.glob("*.toml")):
            return found
        raise InputError(f"{name}: no scenario (*.toml) in this directory")
    if path.exists():
        return [path]
    if found := [each for each in shipped() if each.stem == name]:
        return found
    raise InputError(f"{name}: neither a file nor a shipped scenario; `pgconv sim run --list` shows those")


def load(path: Path) -> Scenario:
    """Raises InputError, naming file, line, entry and field, for what is not a scenario."""
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    try:
        document = msgspec.convert(content, Document)
    except msgspec.ValidationError as error:
        raise _schema_error(path, text, str(error)) from error
    return Scenario(path, text, document)


def line_of(text: str, entry: tuple[str | int, ...], field: str = "") -> int:
    """The line of an entry's field, or of its heading if the field is not on a line of its own."""
    wanted, at, heading = list(entry), 1, ""
    counts: dict[str, int] = {}
    inside = not entry
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*\[\[?\s*([\w.]+)\s*\]\]?", line):
            heading = found[1]
            counts[heading] = counts.get(heading, -1) + 1
            for nested in [each for each in counts if each.startswith(f"{heading}.")]:
                del counts[nested]
            here: list[str | int] = []
            for depth in range(1, heading.count(".") + 2):
                name = ".".join(heading.split(".")[:depth])
                here += [heading.split(".")[depth - 1], counts.get(name, 0)]
            exact = here == wanted or here[:1] == wanted
            at = number if exact or here == wanted[: len(here)] else at
            inside = exact
        elif inside and field and re.match(rf"\s*{re.escape(field)}\s*=", line):
            return number
    return at


def _printable(text: str) -> str:
    """A path as any terminal can show it: its bytes need not be characters."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _schema_error(path: Path, text: str, message: str) -> InputError:
    why, _, where = message.partition(" - at ")
    entry: list[str | int] = []
    for name, number in re.findall(r"(\w+)|\[(\d+)\]", where.strip("`$")):
        entry.append(int(number) if number else name)
    field = entry.pop() if entry and isinstance(entry[-1], str) and len(entry) != 1 else ""
    if len(entry) == 1 and entry[0] not in ("machine",):
        field, entry = entry[0], []
    if found := re.match(r"Object (?:missing required|contains unknown) field `(\w+)`", why):
        field = found[1]
    shown = f"field {field}: " if field else ""
    named = _entry_words(entry)
    return InputError(f"{path}:{line_of(text, tuple(entry), str(field))}: {named}{shown}{why}")


def _entry_words(entry: list[str | int]) -> str:
    words = [f"{part + 1}" if isinstance(part, int) else part for part in entry]
    return f"{' '.join(words)}: " if words else ""


def _entry_name(document: Document, entry: tuple[str | int, ...]) -> str:
    """ "step 4 (mmap)": the operation helps to find it."""
    words = _entry_words(list(entry)).removesuffix(": ")
    if entry[:1] == ("step",) and len(entry) > 1:
        step: Step = document.step[int(entry[1])]
        if len(entry) > 3 and isinstance(step, Repeat):
            step = step.do[int(entry[3])]
        return f"{words} ({step.__struct_config__.tag})"
    return words


class _Check:
    """What the types cannot say: expressions, names, words, sizes."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._document = scenario.document
        self._names: set[str] = set(CONSTANTS)
        self._spaces = {FIRST_SPACE}
        self._files: set[str] = set()
        self._sizes: list[Geometry] = []

    def all(self) -> tuple[Geometry, ...]:
        self._machine()
        for number, file in enumerate(self._document.file):
            self._size(("file", number), "size", file.size)
            if file.name in self._files:
                self._fail(("file", number), "name", f"{file.name!r} names a file above")
            self._files.add(file.name)
        for number, step in enumerate(self._document.step):
            self._step(("step", number), step)
        return tuple(self._sizes)

    def _machine(self) -> None:
        machine = self._document.machine
        self._size(("machine",), "ram", machine.ram)
        self._size(("machine",), "swap", machine.swap)
        if not machine.pg:
            self._fail(("machine",), "pg", "names no size")
        for size in machine.pg:
            try:
                self._sizes.append(Geometry.parse(size, machine.levels))
            except InputError as error:
                self._fail(("machine",), "pg", str(error))

    def _step(self, entry: tuple[str | int, ...], step: Simple | Repeat) -> None:
        if step.space not in self._spaces:
            self._fail(entry, "in", f"no process {step.space!r} has been forked")
        for field in step.values:
            self._value(entry, field, getattr(step, field))
        for field, words in step.words.items():
            for word in str(getattr(step, field)).split():
                if word not in words:
                    self._fail(entry, field, f"unknown {word!r} (known: {', '.join(words)})")
        if isinstance(step, Repeat):
            self._repeat(entry, step)
        elif isinstance(step, Expect):
            self._expect(entry, step)
        elif isinstance(step, Call):
            self._call(entry, step)

    def _repeat(self, entry: tuple[str | int, ...], step: Repeat) -> None:
        if (step.times is None) == (step.over is None):
            self._fail(entry, "times", "give either times or over")
        for field, values in (("times", [step.times]), ("over", step.over or [])):
            for value in values:
                if value is not None:
                    self._value(entry, field, value)
        known = {"i"} if step.over is None else {"i", "each"}
        self._names |= known
        for number, inner in enumerate(step.do):
            self._step((*entry, "do", number), inner)
        self._names -= known

    def _call(self, entry: tuple[str | int, ...], step: Call) -> None:
        if isinstance(step.expect, dict):
            self._by_size(entry, "expect", step.expect)
        elif step.expect is not None and not is_errno(step.expect) and step.expect != "any":
            self._value(entry, "expect", step.expect)
        if isinstance(step, Mmap) and step.file is not None and step.file not in self._files:
            self._fail(entry, "file", f"no [[file]] is named {step.file!r}")
        if isinstance(step, Fork):
            self._spaces.add(step.child)
        if step.keep is not None:
            if not _NAME.fullmatch(step.keep):
                self._fail(entry, "as", f"{step.keep!r} is not a name (small letters, digits, _)")
            self._names.add(step.keep)

    def _expect(self, entry: tuple[str | int, ...], step: Expect) -> None:
        if step.what not in QUANTITIES:
            self._fail(entry, "what", f"unknown quantity {step.what!r} (known: {', '.join(QUANTITIES)})")
        given = {"is": step.equal, "min": step.min, "max": step.max}
        if all(value is None for value in given.values()):
            self._fail(entry, "is", "nothing is expected; give is, min or max")
        for field, value in given.items():
            if isinstance(value, dict):
                self._by_size(entry, field, value)
            elif value is not None:
                self._value(entry, field, value)

    def _by_size(self, entry: tuple[str | int, ...], field: str, values: BySize) -> None:
        known = {geometry.pg_size for geometry in self._sizes}
        for size, value in values.items():
            self._size(entry, field, size)
            if parse_size(size) not in known:
                self._fail(entry, field, f"{size} is not among the machine's pg")
            if not is_errno(value):
                self._value(entry, field, value)

    def _value(self, entry: tuple[str | int, ...], field: str, value: Value) -> None:
        try:
            expression = Expression(value)
        except ExpressionError as error:
            self._fail(entry, field, str(error))
        if unknown := expression.names - self._names:
            self._fail(entry, field, f"unknown name {min(unknown)!r} in {expression.text!r}")

    def _size(self, entry: tuple[str | int, ...], field: str, size: str) -> None:
        try:
            parse_size(size)
        except InputError as error:
            self._fail(entry, field, str(error))

    def _fail(self, entry: tuple[str | int, ...], field: str, why: str) -> NoReturn:
        raise InputError(f"{self._scenario.place(entry, field)}: field {field}: {why}")
