"""`pgconv sim footprint --smaps`: what a saved smaps file can tell, which is bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converter.commands.sim_text import WIDTH, clip, human, print_json, print_lines
from converter.errors import InputError
from converter.mmmodel import plots
from converter.mmmodel.footprint import CAUSES
from converter.mmmodel.geometry import Geometry, format_size
from converter.mmmodel.procfs import Area, parse_smaps
from converter.mmmodel.smaps_bounds import Bounds, Range, Waste, bound, waste

_CELL = 16
_ROWS = 20
_SHOWN = tuple(cause for cause in CAUSES if cause != "file_tail")


def show(path: Path, sizes: Sequence[Geometry], as_json: bool, plot: Path | None) -> None:
    """Prints the bounds, and plots them. Raises InputError where the file cannot be read or is none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    areas = [area for area in parse_smaps(text, str(path)) if not area.kernel_owned]
    if not areas:
        raise InputError(f"{path}: no mapping in it; give a copy of /proc/PID/smaps")
    bounds = [bound(areas, geometry) for geometry in sizes]
    wastes = [waste(areas, geometry) for geometry in sizes]
    if as_json:
        print_json(_as_json(areas, bounds, wastes))
    else:
        print_lines(_lines(areas, bounds, wastes))
    if plot is not None:
        plots.save(plots.bounds(f"Memory held, as far as {path.name} tells", bounds, _by_label(areas, bounds)), plot)


def _by_label(areas: Sequence[Area], bounds: Sequence[Bounds]) -> dict[str, list[Range]]:
    """What each file or kind of mapping holds at each size, largest first."""
    found: dict[str, list[Range]] = {}
    for number, area in enumerate(areas):
        now = [each.by_area[number] for each in bounds]
        before = found.get(area.label, [Range(0, 0)] * len(bounds))
        found[area.label] = [one + other for one, other in zip(before, now, strict=True)]
    return dict(sorted(found.items(), key=lambda item: (-item[1][-1].high, item[0])))


def _lines(areas: Sequence[Area], bounds: Sequence[Bounds], wastes: Sequence[Waste]) -> list[str]:
    exact = sum(each.exact for each in bounds[-1].by_area)
    lines = [
        f"{len(areas)} mappings. smaps counts resident pages but not which they are: bounds,",
        "from pages as close together as they can lie, to as far apart.",
        "",
        _line("memory", [format_size(each.pg_size) for each in bounds]),
        _line("held", [_range(each.total) for each in bounds]),
        _line("  anonymous", [_range(each.anon) for each in bounds]),
        _line("  file", [_range(each.file) for each in bounds]),
        "",
        _line("waste by cause", [format_size(each.pg_size) for each in bounds]),
        *(_line(f"  {cause.replace('_', ' ')}", [human(each.by_cause[cause]) for each in wastes]) for cause in _SHOWN),
        _line("  cause not known", [_range(each.rest) for each in wastes]),
        "",
        f"causes are known of {wastes[0].areas} of {len(areas)} mappings: those wholly resident, or not at all",
        f"exact at {format_size(bounds[-1].pg_size)} in {exact} of {len(areas)} mappings",
        "",
        _line("mapping (largest first)", [format_size(each.pg_size) for each in bounds]),
    ]
    named = [(label, ranges) for label, ranges in _by_label(areas, bounds).items() if ranges[-1].high]
    lines += [_line(label, [_range(each) for each in ranges]) for label, ranges in named[:_ROWS]]
    if len(named) > _ROWS:
        lines.append(f"and {len(named) - _ROWS} more mappings; --json has all")
    return lines


def _line(label: str, cells: Sequence[str]) -> str:
    return clip(label, WIDTH - _CELL * len(cells)) + "".join(cell.rjust(_CELL) for cell in cells)


def _range(each: Range) -> str:
    return human(each.low) if each.exact else f"{human(each.low)}..{human(each.high)}"


def _as_json(areas: Sequence[Area], bounds: Sequence[Bounds], wastes: Sequence[Waste]) -> dict[str, Any]:
    def pair(each: Range) -> dict[str, int]:
        return {"low": each.low, "high": each.high}

    return {
        "schema": "pgconv.footprint-bounds/1",
        "total": [
            {
                "pg_size": each.pg_size,
                "held": pair(each.total),
                "anon": pair(each.anon),
                "file": pair(each.file),
                "waste": {cause: wasted.by_cause[cause] for cause in _SHOWN},
                "waste_of_unknown_cause": pair(wasted.rest),
            }
            for each, wasted in zip(bounds, wastes, strict=True)
        ],
        "mappings": {
            label: {format_size(each.pg_size): pair(held) for each, held in zip(bounds, ranges, strict=True)}
            for label, ranges in _by_label(areas, bounds).items()
        },
    }
