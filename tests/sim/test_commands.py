"""`pgconv sim` as a person or a script meets it: what it prints, writes and refuses, and its exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from converter import data
from tests.sim.conftest import Sim

COMMANDS = ("abi", "footprint", "pagecache", "trace", "run", "report")
LOG = data.path("fixtures/traces/shell.strace")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three small files."""
    for name, size in (("a", 10), ("b", 5000), ("c", 70_000)):
        (tmp_path / "tree").mkdir(exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(b"x" * size)
    return tmp_path / "tree"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A copy of this process's smaps."""
    path = tmp_path / "smaps"
    path.write_text(Path("/proc/self/smaps").read_text())
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_fits_the_terminal_and_shows_an_example(sim: Sim, command: str) -> None:
    result = sim(command, "--help")
    assert result.code == 0
    assert f"pgconv sim {command}" in result.out.split("Example:")[1] or command == "trace"
    assert max(map(len, result.out.splitlines())) <= 80


def test_every_report_fits_the_terminal(sim: Sim, tree: Path, saved: Path) -> None:
    calls = (
        ("footprint", "--pid", os.getpid(), "--pg", "4K,16K,64K,2M"),
        ("footprint", "--all"),
        ("footprint", "--smaps", saved, "--pg", "4K,16K,64K,2M"),
        ("pagecache", tree, "--pg", "4K,16K,64K,2M"),
        ("trace", LOG),
        ("run", "tables-packed"),
        ("run", "tables-packed", "tables-batch"),
        ("run", "--list"),
    )
    for call in calls:
        result = sim(*call)
        assert (result.code, result.err) == (0, "")
        assert max(map(len, result.out.splitlines())) <= 80, call


def test_footprint_takes_processes_as_a_list(sim: Sim) -> None:
    for arguments in (["--pid", os.getpid(), os.getppid()], ["--pid", os.getpid(), "--pid", os.getppid()]):
        result = sim("footprint", *arguments, "--json")
        found = json.loads(result.out)
        seen = {each["pid"] for each in found["processes"]} | set(found["skipped"]["unreadable"])
        assert seen == {os.getpid(), os.getppid()}


def test_footprint_json_adds_up(sim: Sim) -> None:
    found = json.loads(sim("footprint", "--pid", os.getpid(), "--json").out)
    assert found["schema"] == "pgconv.footprint/1"
    small, _, large = found["total"]
    assert (small["pg_size"], large["pg_size"]) == (4096, 65536)
    assert large["held"] - sum(large["waste"].values()) == small["held"] == small["anon"] + small["file"]
    assert sum(found["processes"][0]["sizes"][2]["mappings"].values()) == found["processes"][0]["sizes"][2]["held"]


def test_a_process_that_is_gone_is_skipped_and_the_others_are_measured(sim: Sim) -> None:
    result = sim("footprint", "--pid", os.getpid(), 2**22 + 1)
    assert result.code == 0
    assert "skipped 1 (1 gone, 0 not readable, 0 without memory)" in result.out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["footprint"], "one of --pid PID..., --all or --smaps FILE"),
        (["footprint", "--all", "--pid", "1"], "one of --pid PID..., --all or --smaps FILE"),
        (["footprint", "--pid", 2**22 + 1], "no process can be measured; skipped 1 (1 gone"),
        (["footprint", "--all", "--pg", "48K"], "not a power of two"),
        (["footprint", "--all", "--pg", "2K"], "smaller than PTE_SIZE"),
        (["footprint", "--all", "--pg", "4K,8K,16K,32K,64K"], "5 sizes; 4 fit side by side"),
        (["footprint", "--all", "--plot", "x.pdf"], "a plot is written as .png or .svg"),
        (["run", "file-tail", "brk-grows", "--plot", "x.png"], "--plot draws one scenario, and these are 2"),
        (["footprint", "--smaps", "/nonexistent"], "/nonexistent: cannot be read: No such file"),
        (["footprint", "--smaps", "/proc/self/stat"], "/proc/self/stat:1: not a line of /proc/PID/smaps"),
        (["footprint", "--smaps", "/dev/null"], "no mapping in it"),
        (["pagecache", "/nonexistent"], "no such directory"),
        (["trace", "/nonexistent"], "cannot be read: No such file"),
        (["trace", "/dev/null"], "no memory call in it"),
        (["trace", LOG, "--touch", "some"], "write all, none, first:SIZE (first:1M) or every:N"),
        (["trace", LOG, "--ram", "1K"], "at least 16"),
        (["trace", LOG, "--ram", "4096T"], "too large to simulate"),
        (["run"], "name a scenario"),
        (["run", "no-such"], "neither a file nor a shipped scenario"),
        (["report", "-o", "/nonexistent/r.html", "--dir", "/dev/shm", "--pid", os.getpid()], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(sim: Sim, arguments: list[object], why: str) -> None:
    result = sim(*arguments)
    assert (result.code, result.out) == (2, "")
    assert why in result.err
    assert result.err.count("\n") == 1


def test_a_bad_line_of_a_log_is_named(sim: Sim, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("1 brk(NULL) = 0x1000\n1 mmap(NULL, x, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7000000\n")
    result = sim("trace", tmp_path / "log")
    assert result.code == 2
    assert "log:2: mmap: length 'x': not a number" in result.err


def test_smaps_gives_bounds_that_contain_what_pid_finds(sim: Sim, saved: Path) -> None:
    found = json.loads(sim("footprint", "--smaps", saved, "--json").out)
    assert found["schema"] == "pgconv.footprint-bounds/1"
    for size in found["total"]:
        assert size["held"]["low"] <= size["held"]["high"]
    small = found["total"][0]
    rss = sum(int(kb) for kb in re.findall(r"^Rss: +(\d+) kB", saved.read_text(), re.MULTILINE)) << 10
    assert small["held"]["low"] <= rss
    assert found["mappings"]["[heap]"]["64K"]["high"] >= found["mappings"]["[heap]"]["64K"]["low"] > 0


def test_pagecache_json_adds_up(sim: Sim, tree: Path) -> None:
    found = json.loads(sim("pagecache", tree, "--json").out)
    assert (found["schema"], found["files"], found["bytes"]) == ("pgconv.pagecache/1", 3, 75_010)
    assert [size["cached"] for size in found["sizes"]] == [21 * 4096, 7 * 16384, 4 * 65536]
    for size, name in zip(found["sizes"], ("4K", "16K", "64K"), strict=True):
        assert sum(bucket["waste"][name] for bucket in found["by_file_size"]) == size["waste"]


def test_trace_shows_processes_waste_and_faults(sim: Sim) -> None:
    found = json.loads(sim("trace", LOG, "--json").out)
    assert found["schema"] == "pgconv.trace/1"
    assert found["different"] == 0
    assert {"sh", "wc"} <= {each["name"] for each in found["processes"]}
    small, _, large = found["run"]
    assert small["faults"] > large["faults"]


def test_run_lists_what_is_shipped(sim: Sim) -> None:
    result = sim("run", "--list")
    assert "mremap-storm\n    10,000 random moves" in result.out


def test_run_exits_with_1_when_an_expectation_fails(sim: Sim, tmp_path: Path) -> None:
    case = tmp_path / "case.toml"
    case.write_text('about = "x"\n[[step]]\nop = "expect"\nwhat = "maps"\nis = 1\n')
    result = sim("run", case, "--pg", "4K")
    assert result.code == 1
    assert f"{case}:5: step 1 (expect) at PG_SIZE 4K: maps is 0, expected 1" in result.out
    both = sim("run", case, "tables-packed")
    assert both.code == 1
    assert "1 scenarios as expected, 1 failed" in both.out
    (run,) = json.loads(sim("run", case, "--pg", "64K", "--json").out)["scenarios"][0]["runs"]
    assert (run["pg_size"], len(run["failures"])) == (65536, 1)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_each_plot_is_written_in_the_format_of_its_name(
    sim: Sim, tree: Path, saved: Path, tmp_path: Path, suffix: str
) -> None:
    calls = (
        ("footprint", "--pid", os.getpid()),
        ("footprint", "--smaps", saved),
        ("footprint", "--pid", os.getpid(), os.getppid()),
        ("pagecache", tree),
        ("trace", LOG),
        ("run", "sparse-touches"),
        ("run", "tables-whole-page"),
    )
    for number, call in enumerate(calls):
        plot = tmp_path / f"{number}.{suffix}"
        assert sim(*call, "--plot", plot).code == 0
        content = plot.read_bytes()
        if suffix == "png":
            assert content.startswith(b"\x89PNG\r\n")
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")
        assert len(content) > 5000


def test_a_name_that_would_be_a_formula_is_drawn_as_it_stands(sim: Sim, tmp_path: Path) -> None:
    (tmp_path / "$x_{$").mkdir()
    assert sim("pagecache", tmp_path / "$x_{$", "--plot", tmp_path / "x.svg").code == 0


def test_a_plot_of_a_trace_is_the_same_each_time(sim: Sim, tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        assert sim("trace", LOG, "--plot", tmp_path / name).code == 0
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_without_matplotlib_a_plot_is_refused_in_one_line(
    sim: Sim, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = sim("pagecache", tree, "--plot", tmp_path / "x.svg")
    assert result.code == 2
    assert "plots need matplotlib" in result.err
    assert result.err.count("\n") == 1


def test_a_long_run_shows_progress_on_a_terminal() -> None:
    terminal, screen = pty.openpty()
    command = [str(Path(sys.executable).with_name("pgconv")), "sim", "run", "mremap-storm", "--pg", "16K"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=screen, env={**os.environ, "TERM": "xterm"}) as run:
        os.close(screen)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while part := os.read(terminal, 4096):
                shown += part
        assert run.stdout is not None
        out = run.stdout.read()
    os.close(terminal)
    assert b"mremap-storm" in shown
    assert re.search(rb"[1-9]\d?%", shown)
    assert b"%" not in out


def test_nothing_moves_where_there_is_no_terminal(sim: Sim) -> None:
    result = sim("run", "fork-both-write")
    assert result.err == ""
    assert "\x1b" not in result.out
