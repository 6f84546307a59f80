"""`pgconv sim run`: scenarios on the model, side by side at several PG_SIZEs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from converter.commands import sim_progress
from converter.commands.sim_text import WIDTH, clip, geometries, heading, human, print_json, print_lines, row
from converter.errors import EXIT_FOUND, InputError
from converter.mmmodel import plots
from converter.mmmodel.geometry import Geometry, format_size
from converter.mmmodel.scenario import Scenario, find, load, shipped
from converter.mmmodel.scenario_run import Run, length
from converter.mmmodel.scenario_run import run as run_scenario

_COUNTS = ("faults", "swap_outs", "ooms")
_LABELS = {
    "peak": "most memory in use",
    "anon": "anonymous",
    "file": "page cache",
    "tables": "page tables",
    "swap_used": "swap in use",
    "waste.all": "waste, all",
    "faults": "page faults",
    "copied": "copied on write",
    "swap_outs": "PTEs swapped out",
    "ooms": "out of memory",
}


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="SCENARIO", help="Files, directories of them, or names of shipped scenarios."),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the shipped scenarios.")] = False,
    pg: Annotated[
        str | None, typer.Option(help="PG_SIZEs to put side by side; those that the scenario names if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON (schema pgconv.run/1).")] = False,
    plot: Annotated[Path | None, typer.Option(help="Also write a plot of one scenario: FILE.png or FILE.svg.")] = None,
) -> None:
    """Run scenarios and check what they expect.

    Example: pgconv sim run mremap-storm --pg 4K,16K,64K

    Every invariant of the model is checked after each step, and that nothing is left when all processes have exited.
    Exit code 1 if an expectation fails, 2 if a scenario cannot be read.
    """
    if listing:
        print_lines(_list_lines())
        return
    if not names:
        raise InputError("name a scenario: a file, a directory, or one of `pgconv sim run --list`")
    if plot is not None:
        plots.check_suffix(plot)
    scenarios = [load(path) for name in names for path in find(name)]
    if plot is not None and len(scenarios) != 1:
        raise InputError(f"--plot draws one scenario, and these are {len(scenarios)}; name one")
    results = [(scenario, _run_all(scenario, _sizes(scenario, pg))) for scenario in scenarios]
    if as_json:
        print_json(_as_json(results))
    elif len(results) == 1:
        print_lines(_lines(*results[0]))
    else:
        print_lines(_overview(results))
    if plot is not None:
        plots.save(_draw(*results[0]), plot)
    if any(each.failures for _, runs in results for each in runs):
        raise typer.Exit(EXIT_FOUND)


def _sizes(scenario: Scenario, pg: str | None) -> Sequence[Geometry]:
    return geometries(pg, scenario.document.machine.levels) if pg is not None else scenario.sizes


def _run_all(scenario: Scenario, sizes: Sequence[Geometry]) -> list[Run]:
    lengths = [length(scenario, geometry) for geometry in sizes]
    runs = []
    with sim_progress.shown(scenario.name, sum(lengths)) as progress:
        for number, geometry in enumerate(sizes):
            before = sum(lengths[:number])

            def advance(done: int, before: int = before) -> None:
                progress(before + done)

            runs.append(run_scenario(scenario, geometry, advance))
    return runs


def _lines(scenario: Scenario, runs: Sequence[Run]) -> list[str]:
    sizes = [each.geometry for each in runs]
    lines = [
        *textwrap.wrap(f"{scenario.name}: {scenario.document.about}", WIDTH),
        "",
        heading("when the steps are done", sizes),
    ]
    names = [name for name in runs[0].figures if any(each.figures.get(name) for each in runs)]
    for name in names:
        label = _LABELS.get(name, "  " + name.removeprefix("waste.").replace("_", " "))
        lines.append(row(label, [each.figures.get(name, 0) for each in runs], str if name in _COUNTS else human))
    lines += ["", *_verdict(runs)]
    return lines


def _draw(scenario: Scenario, runs: Sequence[Run]) -> Any:
    return plots.scenario(
        f"Scenario {scenario.name}", [each.geometry for each in runs], [each.figures for each in runs]
    )


def _verdict(runs: Sequence[Run]) -> list[str]:
    failures = [failure for each in runs for failure in each.failures]
    operations = sum(each.operations for each in runs)
    if not failures:
        return [f"all expectations met ({operations} operations)"]
    return [*failures, f"{len(failures)} failed ({operations} operations)"]


def _overview(results: Sequence[tuple[Scenario, list[Run]]]) -> list[str]:
    lines = []
    for scenario, runs in results:
        failed = [format_size(each.geometry.pg_size) for each in runs if each.failures]
        verdict = f"FAILED at {', '.join(failed)}" if failed else "ok"
        lines.append(clip(scenario.name, WIDTH - 28) + verdict)
        lines += [f"  {failure}" for each in runs for failure in each.failures]
    failed_ones = sum(any(each.failures for each in runs) for _, runs in results)
    return [*lines, f"{len(results) - failed_ones} scenarios as expected, {failed_ones} failed"]


def _list_lines() -> list[str]:
    lines = []
    for path in shipped():
        about = load(path).document.about
        lines += [path.stem, *textwrap.wrap(about, WIDTH, initial_indent="    ", subsequent_indent="    ")]
    return lines


def _as_json(results: Sequence[tuple[Scenario, list[Run]]]) -> dict[str, Any]:
    return {
        "schema": "pgconv.run/1",
        "scenarios": [
            {
                "name": scenario.name,
                "about": scenario.document.about,
                "runs": [
                    {
                        "pg_size": each.geometry.pg_size,
                        "operations": each.operations,
                        "failures": list(each.failures),
                        "figures": each.figures,
                    }
                    for each in runs
                ],
            }
            for scenario, runs in results
        ],
    }
