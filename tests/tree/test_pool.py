"""Work spread over processes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.errors import InputError, RulesError
from converter.tree.pool import Lost, chunked, run
from tests.tree import workers

ROOT = Path(__file__).resolve().parents[2]


def outcome(results: Iterator[Any]) -> list[Any]:
    """All results as one list, items in order, whatever the chunks."""
    return [item for result in results for item in ([result] if isinstance(result, Lost) else result)]


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_the_order_of_the_chunks(jobs: int) -> None:
    chunks = [list(range(start, start + start % 4)) for start in range(100)]
    assert list(run(workers.doubling, chunks, jobs)) == [[2 * item for item in chunk] for chunk in chunks]


def test_no_chunks_give_no_results() -> None:
    assert list(run(workers.doubling, [], 4)) == []


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("memory", "out of memory"),
        ("recursion", "RecursionError: maximum recursion depth exceeded"),
        ("error", "ValueError: two lines (workers.py:"),
    ],
)
def test_an_item_on_which_the_worker_raises_is_lost_alone(item: str, reason: str, jobs: int) -> None:
    result = outcome(run(workers.doubling, [[1, 2], [3, item, 4], [5, 6]], jobs))
    lost = result.pop(3)
    assert result == [2, 4, 6, 8, 10, 12]
    assert lost.item == item
    assert lost.reason.startswith(reason)
    assert "\n" not in lost.reason


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("exit", "its worker ended with exit code 7"),
        ("killed", "its worker was ended by SIGKILL"),
        ("crashed", "its worker was ended by SIGSEGV"),
    ],
)
def test_an_item_that_ends_its_worker_is_lost_alone(item: str, reason: str) -> None:
    chunks: list[list[Any]] = [[1, 2], [3, item, 4], [item], *([number] for number in range(5, 30))]
    result = outcome(run(workers.doubling, chunks, 2))
    assert result == [2, 4, 6, Lost(item, reason), 8, Lost(item, reason), *(2 * number for number in range(5, 30))]


def test_a_result_that_cannot_be_sent_is_lost() -> None:
    (result, lost) = run(workers.doubling, [[1], ["unpicklable"]], 2)
    assert result == [2]
    assert isinstance(lost, Lost)
    assert lost.item == "unpicklable"


def test_an_item_has_a_second_chance_after_the_death_of_its_worker(tmp_path: Path) -> None:
    chunks = [[number] for number in range(6)]
    assert outcome(run(partial(workers.dying_once, tmp_path), chunks, 2)) == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize("jobs", [1, 2])
def test_bad_input_found_by_a_worker_ends_the_run(jobs: int) -> None:
    with pytest.raises(RulesError, match=r"rules/x.toml: broken"):
        list(run(workers.doubling, [[1], [2, "input"], [3]], jobs))


@pytest.mark.parametrize("jobs", [1, 2])
def test_bad_input_found_while_setting_up_ends_the_run(jobs: int) -> None:
    with pytest.raises(InputError, match="no rules"):
        list(run(workers.refused, [[1], [2]], jobs))


def test_workers_that_never_start_end_the_run() -> None:
    with pytest.raises(InputError, match="cannot start worker processes: its worker ended with exit code 9"):
        list(run(workers.stillborn, [[1], [2]], 2))


def test_a_machine_without_room_for_a_process_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(forkserver._forkserver, "ensure_running", full)
    with pytest.raises(InputError, match=r"cannot start worker processes: .*temporarily unavailable; one job"):
        list(run(workers.doubling, [[1], [2]], 2))


def test_chunks_and_results_larger_than_a_pipe_do_not_block() -> None:
    chunks = [[b"x" * size] for size in (1_000_000, 10, 30_000, 2_000_000, 40_000, 30_000, 30_000, 1_000_000)]
    results = [result for result in run(workers.measured, chunks, 2) if not isinstance(result, Lost)]
    assert [size for size, _ in results] == [len(item) for (item,) in chunks]


def test_a_single_chunk_is_done_in_this_process(tmp_path: Path) -> None:
    assert list(run(partial(workers.slow, tmp_path, 0), [[1, 2]], 8)) == [2]
    assert [int(mark.name) for mark in tmp_path.iterdir()] == [os.getpid()]


def test_ending_the_iteration_early_ends_the_workers(tmp_path: Path) -> None:
    results = run(partial(workers.slow, tmp_path, 0.01), [[number] for number in range(1000)], 2)
    assert any(len(alive(tmp_path)) == 2 for _ in results)
    results.close()
    wait_for(lambda: not alive(tmp_path))


INTERRUPTED = """
import sys
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from converter.tree.pool import run
from tests.tree import workers

if __name__ == "__main__":
    try:
        print("started", flush=True)
        list(run(partial(workers.slow, Path(sys.argv[1]), 30), [[1], [2], [3]], 2))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(130)
"""


UNGUARDED = """
from converter.tree.pool import run
from tests.tree import workers

print("script")
print(list(run(workers.doubling, [[1], [2], [3]], 2)))
"""


def test_a_script_without_a_guard_is_not_run_again_by_the_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("script\n[[2], [4], [6]]\n", "")


OWN_SETUP = """
from converter.tree.pool import run

def setup():
    return sum

if __name__ == "__main__":
    print(list(run(setup, [[1, 2], [3], [4]], 2)))
"""


def test_the_setup_may_be_a_function_of_the_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(OWN_SETUP)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[3, 3, 4]\n", "")


INTERRUPTED_IMPORT = """
import os, signal

if os.getpid() != int(os.environ["SCRIPT"]):
    os.kill(os.getpid(), signal.SIGINT)

def setup():
    return sum
"""

STARTS_IT = """
import os
os.environ["SCRIPT"] = str(os.getpid())
from converter.tree.pool import run
from interrupted import setup

print(list(run(setup, [[1, 2], [3], [4]], 2)))
"""


def test_ctrl_c_while_the_fork_server_imports_does_not_reach_it(tmp_path: Path) -> None:
    """It belongs to the parent, which ends its workers; Python's fork server would print a traceback."""
    (tmp_path / "interrupted.py").write_text(INTERRUPTED_IMPORT)
    (tmp_path / "script.py").write_text(STARTS_IT)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[3, 3, 4]\n", "")


@pytest.fixture
def scan(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process group of its own, as a terminal makes it, in which two workers are at work for a long time."""
    script = tmp_path / "scan.py"
    script.write_text(INTERRUPTED)
    (tmp_path / "pids").mkdir()
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "pids")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: len(alive(tmp_path / "pids")) == 2)
    yield process
    process.kill()
    process.communicate()


def test_ctrl_c_ends_the_workers_without_a_word(scan: subprocess.Popen[str], tmp_path: Path) -> None:
    os.killpg(scan.pid, signal.SIGINT)
    output, errors = scan.communicate(timeout=10)
    assert (output, errors, scan.returncode) == ("started\ninterrupted\n", "", 130)
    wait_for(lambda: not alive(tmp_path / "pids"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_when_their_parent_is_killed(scan: subprocess.Popen[str], tmp_path: Path, number: int) -> None:
    scan.send_signal(number)
    scan.wait(timeout=10)
    wait_for(lambda: not alive(tmp_path / "pids"))


def alive(pids: Path) -> list[int]:
    """The processes that left their number in a directory and still run."""
    found = []
    for mark in pids.iterdir():
        try:
            state = Path("/proc", mark.name, "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(int(mark.name))
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        time.sleep(0.01)


@given(st.lists(st.integers(0, 100)), st.integers(1, 120), st.integers(1, 5))
def test_chunks_hold_the_items_in_order_and_within_bounds(items: list[int], heaviest: int, longest: int) -> None:
    chunks = chunked(items, lambda item: item, heaviest, longest)
    assert [item for chunk in chunks for item in chunk] == items
    assert all(0 < len(chunk) <= longest for chunk in chunks)
    assert all(len(chunk) == 1 or sum(chunk) <= heaviest for chunk in chunks)
