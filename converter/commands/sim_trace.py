"""`pgconv sim trace`: the memory calls of an strace log, replayed at each PG_SIZE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from converter.commands import sim_progress
from converter.commands.sim_footprint import as_record, draw, named_parts, summary, table
from converter.commands.sim_text import SIZES_HELP, count, geometries, heading, print_json, print_lines, row
from converter.errors import InputError
from converter.mmmodel import plots
from converter.mmmodel.footprint import Held, measure, measure_together
from converter.mmmodel.geometry import Geometry, format_size, parse_size
from converter.mmmodel.procfs import Process
from converter.mmmodel.replay import DEFAULT_TOUCH, Outcome, Touch, replay
from converter.mmmodel.strace import parse
from converter.mmmodel.trace import Trace, compile_trace


@dataclass(frozen=True, slots=True)
class Replayed:
    """A trace at several sizes: what each replay came to, and the processes when they held most at 4K."""

    path: Path
    trace: Trace
    outcomes: tuple[Outcome, ...]
    base: Outcome
    processes: tuple[Process, ...]

    @property
    def busiest_line(self) -> int:
        """The line of the log after which the processes hold most."""
        return self.trace.ops[self.base.busiest].line


def trace(
    log: Annotated[Path, typer.Argument(metavar="FILE", help="What strace -f -o FILE wrote.")],
    pg: Annotated[str, typer.Option(help=SIZES_HELP)] = "4K,16K,64K",
    touch: Annotated[
        str, typer.Option(help="Pages of a mapping that are used: all, none, first:SIZE or every:N.")
    ] = DEFAULT_TOUCH,
    ram: Annotated[str, typer.Option(help="Memory of the simulated machine.")] = "4G",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON (schema pgconv.trace/1).")] = False,
    plot: Annotated[Path | None, typer.Option(help="Also write a plot: FILE.png or FILE.svg.")] = None,
) -> None:
    """Replay the memory calls of an strace log, and report what its processes hold at each PG_SIZE.

    Example: strace -f -o log make; pgconv sim trace log

    A log does not say which pages are used. The default touch model, first:1M, uses the first MiB of each mapping:
    measured on shells and Python programs it comes within a tenth of their resident memory; a heap in one large
    mapping, as Java has it, needs more. What execve(2) itself maps (the program, the dynamic loader, the stack) is not
    in a log and not counted.
    """
    sizes = geometries(pg)
    model = Touch.parse(touch)
    if plot is not None:
        plots.check_suffix(plot)
    replayed = replay_log(log, sizes, model, parse_size(ram))
    total = [measure_together(replayed.processes, geometry) for geometry in sizes]
    each = [(process, [measure(process, geometry) for geometry in sizes]) for process in replayed.processes]
    if as_json:
        print_json(_as_json(replayed, touch, total, each))
    else:
        print_lines(_lines(replayed, touch, sizes, total, each))
    if plot is not None:
        plots.save(draw(f"Memory held by {log.name} when its processes hold most", each, total), plot)


def replay_log(path: Path, sizes: Sequence[Geometry], touch: Touch, ram: int) -> Replayed:
    """Reads a log and replays it at each size. Raises InputError, with the line, for a log that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    compiled = compile_trace(parse(text, str(path)))
    if not any(op.kind == "mmap" for op in compiled.ops):
        raise InputError(f"{path}: no memory call in it; record with strace -f -e trace=%memory,%process,%file")
    with sim_progress.shown(path.name, len(compiled.ops) * (len(sizes) + 2)) as progress:
        done = 0

        def run(geometry: Geometry, stop_after: int | None = None) -> Outcome:
            nonlocal done
            before = done
            outcome = replay(compiled, geometry, ram, touch, stop_after, lambda ops: progress(before + ops))
            done += len(compiled.ops)
            return outcome

        base = run(Geometry())
        processes = run(Geometry(), base.busiest).processes
        outcomes = tuple(run(geometry) for geometry in sizes)
    return Replayed(path, compiled, outcomes, base, processes)


def _lines(
    replayed: Replayed,
    touch: str,
    sizes: Sequence[Geometry],
    total: Sequence[Held],
    each: Sequence[tuple[Process, Sequence[Held]]],
) -> list[str]:
    calls = sum(op.kind not in ("spawn", "fork", "exit") for op in replayed.trace.ops)
    outcomes = replayed.outcomes
    lines = [f"{calls} memory calls, {len(replayed.trace.pids)} address spaces; touch model {touch}"]
    lines += [
        f"left out: {count(number, 'call')} ({reason})" for reason, number in replayed.trace.left_out.items() if number
    ]
    if unknown := replayed.base.unknown:
        lines.append(f"left out: {count(unknown, 'call')} on what execve mapped, which the log does not show")
    if different := replayed.base.different:
        lines.append(f"answered differently by the model: {different} calls; first: {replayed.base.first_difference}")
    lines += [
        f"out of memory at {format_size(outcome.geometry.pg_size)}: {outcome.out_of_memory} times; give more --ram"
        for outcome in outcomes
        if outcome.out_of_memory
    ]
    alive = count(len(each), "process", "processes")
    lines += [
        "",
        f"When the processes hold most at 4K (line {replayed.busiest_line}, {alive}):",
        *summary(sizes, total),
        "",
        *table(each, sizes),
        "",
        heading("the whole run, simulated", sizes, factor=True),
        row("most memory in use, with tables", [outcome.peak for outcome in outcomes], base=replayed.base.peak),
        row("page faults", [outcome.faults for outcome in outcomes], str, base=replayed.base.faults),
    ]
    return lines


def _as_json(
    replayed: Replayed, touch: str, total: Sequence[Held], each: Sequence[tuple[Process, Sequence[Held]]]
) -> dict[str, Any]:
    return {
        "schema": "pgconv.trace/1",
        "trace": str(replayed.path),
        "touch": touch,
        "left_out": {**replayed.trace.left_out, "on what execve mapped": replayed.base.unknown},
        "different": replayed.base.different,
        "busiest_line": replayed.busiest_line,
        "at_busiest": [as_record(held) for held in total],
        "processes": named_parts(each),
        "run": [
            {
                "pg_size": outcome.geometry.pg_size,
                "peak": outcome.peak,
                "faults": outcome.faults,
                "out_of_memory": outcome.out_of_memory,
            }
            for outcome in replayed.outcomes
        ],
    }
