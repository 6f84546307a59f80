"""How the simulator's figures are laid out on a terminal of 80 columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from converter.errors import InputError
from converter.mmmodel.geometry import Geometry, format_size
from converter.report.output import write, write_text

WIDTH = 80
_CELL = 10
_FACTOR = 8
_MOST_SIZES = 4

SIZES_HELP = "PG_SIZEs to put side by side, smallest first."


def print_lines(lines: Sequence[str]) -> None:
    """Text on standard output."""
    write_text(None, "\n".join([*lines, ""]))


def print_json(value: object) -> None:
    """JSON on standard output."""
    write(None, json.dumps(value, indent=1).encode() + b"\n")


def geometries(sizes: str, levels: int = 4) -> list[Geometry]:
    """The geometries of a list such as "4K,16K,64K", ascending. Raises InputError."""
    found = sorted({Geometry.parse(size, levels) for size in sizes.split(",")}, key=lambda each: each.pg_shift)
    if len(found) > _MOST_SIZES:
        raise InputError(f"--pg {sizes}: {len(found)} sizes; {_MOST_SIZES} fit side by side")
    return found


def human(size: int) -> str:
    """Bytes as people read them: 940K, 12.5M, 1.20G."""
    if size == 0:
        return "0"
    if abs(size) < 10 << 20:
        return f"{size / 1024:.0f}K" if size % 1024 == 0 or abs(size) >= 10 << 10 else f"{size}B"
    for unit, shift, digits in (("M", 20, 1), ("G", 30, 2), ("T", 40, 2)):
        if abs(size) < 10 << (shift + 10) or unit == "T":
            return f"{size / (1 << shift):.{digits}f}{unit}"
    raise AssertionError(size)


def count(number: int, one: str, many: str = "") -> str:
    """A number and what it counts: "1 process", "2 processes"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def heading(title: str, sizes: Sequence[Geometry], factor: bool = False) -> str:
    """The line above rows(): a title and the sizes."""
    cells = [format_size(geometry.pg_size) for geometry in sizes]
    return _line(title, cells, f"{cells[-1]}/4K" if factor else "")


def row(label: str, values: Sequence[int], write: Callable[[int], str] = human, base: int | None = None) -> str:
    """A label and a figure for each size; base gives a last column, the factor of the last figure over it."""
    factor = f"x{values[-1] / base:.2f}" if base else ""
    return _line(label, [write(value) for value in values], factor)


def _line(label: str, cells: Sequence[str], last: str) -> str:
    width = WIDTH - _FACTOR - _CELL * len(cells)
    return (clip(label, width) + "".join(cell.rjust(_CELL) for cell in cells) + last.rjust(_FACTOR)).rstrip()


def clip(text: str, width: int) -> str:
    """text padded to width; what is too long loses its beginning, for the ends of paths tell more."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown.ljust(width) if len(shown) < width else f"...{shown[-(width - 4) :]} "
