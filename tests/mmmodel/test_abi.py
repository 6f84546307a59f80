"""The model against the kernel of this machine."""

import errno
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule
from typer.testing import CliRunner

from converter.commands import sim_abi
from converter.errors import InputError
from converter.mmmodel import abi, fault, reclaim, uapi, zap
from converter.mmmodel.abi import Difference
from converter.mmmodel.abi_kernel import Kernel, older_than_the_rules, require_linux
from converter.mmmodel.abi_model import Setup
from converter.mmmodel.abi_print import c_source, python_source
from converter.mmmodel.abi_program import ARENA_PAGES, BOUNDARIES, OPERATIONS, PAGE, Op
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import MM, Machine
from converter.mmmodel.physmem import PhysicalMemory

MIDDLE = BOUNDARIES[-1][1]


def oracle_refused() -> str | None:
    """Why this machine cannot be the oracle, None if it can."""
    try:
        require_linux()
        if older_than_the_rules():
            return "it is older than Linux 6.17, and its mremap differs"
        abi.run_program(Setup(Geometry(), "packed", "naive", MIDDLE), [Op(0, "munmap", (0, PAGE))])
    except (InputError, OSError) as error:
        return str(error)
    return None


REFUSED = oracle_refused()
pytestmark = pytest.mark.skipif(REFUSED is not None, reason=f"the kernel here cannot be the oracle: {REFUSED}")


def regressions() -> list[Any]:
    document = tomllib.loads((Path(__file__).parent / "regressions.toml").read_text())
    return [
        pytest.param([Op(process, name, tuple(args)) for process, name, *args in entry["ops"]], id=entry["name"])
        for entry in document["program"]
    ]


@pytest.mark.parametrize("size", ["4K", "8K", "64K", "2M"])
@pytest.mark.parametrize("program", regressions())
def test_a_program_that_once_told_them_apart_no_longer_does(program: list[Op], size: str) -> None:
    for crossing in ("naive", "straddle"):
        setup = Setup(Geometry.parse(size), "packed", crossing, MIDDLE)
        assert abi.run_program(setup, program).said is None


@pytest.mark.parametrize("size", abi.PG_SIZES)
def test_random_programs_do_the_same_on_both_sides(size: str) -> None:
    report = abi.run(600, seed=5, sizes=(size,))
    assert report.difference is None, report.difference
    assert report.tally.operations >= 600


def test_random_programs_come_to_every_call_and_its_errors() -> None:
    answers = abi.run(4000, seed=3, sizes=("16K",)).tally.answers
    assert {name for name, error in answers if not error} == set(OPERATIONS)
    expected = {
        "mmap": (errno.EINVAL, errno.EEXIST, errno.EACCES),
        "munmap": (errno.EINVAL,),
        "mprotect": (errno.EINVAL, errno.ENOMEM),
        "mremap": (errno.EINVAL, errno.EFAULT, errno.ENOMEM),
        "madvise": (errno.EINVAL, errno.ENOMEM, errno.EACCES, errno.EFAULT),
        "mlock": (errno.ENOMEM,),
        "munlock": (errno.ENOMEM,),
        "mincore": (errno.ENOMEM,),
        "msync": (errno.EINVAL, errno.ENOMEM),
        "read": (errno.EFAULT,),
        "write": (errno.EFAULT,),
    }
    assert {(name, error) for name, errors in expected.items() for error in errors} <= answers.keys()


class KernelAndModel(RuleBasedStateMachine):
    """Operations on ranges that were mapped before, run on both sides when the machine is done."""

    ranges = Bundle("ranges")

    @initialize(size=st.sampled_from(abi.PG_SIZES), middle=st.sampled_from([middle for _, middle in BOUNDARIES]))
    def begin(self, size: str, middle: int) -> None:
        self.setup = Setup(Geometry.parse(size), "batch", "straddle", middle)
        self.program: list[Op] = []
        self.forked = False

    @rule(
        target=ranges,
        page=st.integers(0, ARENA_PAGES - 1),
        pages=st.integers(1, 24),
        prot=st.sampled_from([0, 1, 3]),
        kind=st.sampled_from([uapi.MAP_PRIVATE, uapi.MAP_SHARED]),
        file=st.sampled_from([-1, 0, 1]),
        offset=st.integers(0, 26),
    )
    def mmap(self, page: int, pages: int, prot: int, kind: int, file: int, offset: int) -> Any:
        pages = min(pages, ARENA_PAGES - page)
        flags = kind | uapi.MAP_FIXED | (uapi.MAP_ANONYMOUS if file < 0 else 0)
        where = offset * PAGE if file >= 0 else 0
        self.program.append(Op(0, "mmap", (page * PAGE, pages * PAGE, prot, flags, file, where, 0)))
        return multiple((page, pages))

    @rule(where=ranges, at=st.integers(0, 23), byte=st.integers(1, 255), process=st.integers(0, 1))
    def write(self, where: tuple[int, int], at: int, byte: int, process: int) -> None:
        addr = (where[0] + at % where[1]) * PAGE
        self.program.append(Op(process, "write", (addr + 8, 16, byte)))

    @rule(where=ranges, at=st.integers(0, 23), process=st.integers(0, 1))
    def read(self, where: tuple[int, int], at: int, process: int) -> None:
        self.program.append(Op(process, "read", ((where[0] + at % where[1]) * PAGE, 32)))

    @rule(where=ranges, prot=st.sampled_from([0, 1, 2, 3]), process=st.integers(0, 1))
    def mprotect(self, where: tuple[int, int], prot: int, process: int) -> None:
        self.program.append(Op(process, "mprotect", (where[0] * PAGE, where[1] * PAGE, prot)))

    @rule(
        where=ranges,
        pages=st.integers(1, 16),
        to=st.integers(0, ARENA_PAGES - 16),
        flags=st.sampled_from([1, 3, 3, 5, 7]),
        process=st.integers(0, 1),
    )
    def mremap(self, where: tuple[int, int], pages: int, to: int, flags: int, process: int) -> None:
        old = where[1] * PAGE
        new = old if flags & uapi.MREMAP_DONTUNMAP else pages * PAGE
        self.program.append(Op(process, "mremap", (where[0] * PAGE, old, new, flags, to * PAGE)))

    @rule(
        where=ranges,
        skip=st.integers(0, 23),
        advice=st.sampled_from(
            [uapi.MADV_DONTNEED, uapi.MADV_DONTFORK, uapi.MADV_WIPEONFORK, uapi.MADV_REMOVE, uapi.MADV_POPULATE_WRITE]
        ),
    )
    def madvise(self, where: tuple[int, int], skip: int, advice: int) -> None:
        skip %= where[1]
        self.program.append(Op(0, "madvise", ((where[0] + skip) * PAGE, (where[1] - skip) * PAGE, advice)))

    @rule(where=ranges, process=st.integers(0, 1))
    def munmap(self, where: tuple[int, int], process: int) -> None:
        self.program.append(Op(process, "munmap", (where[0] * PAGE, where[1] * PAGE)))

    @rule()
    def fork_or_exit(self) -> None:
        self.program.append(Op(1, "exit", ()) if self.forked else Op(0, "fork", (1,)))
        self.forked = not self.forked

    def teardown(self) -> None:
        outcome = abi.run_program(self.setup, getattr(self, "program", []))
        assert outcome.said is None, (self.setup, self.program[: outcome.done], outcome.said)


KernelAndModel.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestKernelAndModel = KernelAndModel.TestCase


def test_a_copy_on_write_that_loses_earlier_writes_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = PhysicalMemory.copy

    def copy_whole_page(self: PhysicalMemory, source: int, target: int) -> None:
        count = self.geometry.ptes_per_page
        for part in range(count):
            honest(self, source - source % count + part, target - target % count + part)

    monkeypatch.setattr(PhysicalMemory, "copy", copy_whole_page)
    report = abi.run(20_000, seed=1, sizes=("64K",))
    assert report.difference is not None
    small = abi.shrink(report.difference)
    assert "holds" in small.said or "read got" in small.said
    assert len(small.program) <= 8


def test_a_wrong_errno_is_found_and_shrunk_to_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MM, "msync", lambda self, addr, length, flags: 0)
    report = abi.run(20_000, seed=1, sizes=("4K",))
    assert report.difference is not None
    small = abi.shrink(report.difference)
    assert [op.name for op in small.program] == ["msync"]
    assert "on the kernel, 0x0 on the model" in small.said


def test_a_write_that_another_process_sees_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault, "mapped_only_by", lambda machine, page, mm: True)
    program = [
        Op(0, "mmap", (0, 4 * PAGE, 3, 0x32, -1, 0, 0)),
        Op(0, "write", (PAGE, 8, 7)),
        Op(0, "fork", (1,)),
        Op(0, "fork", (2,)),
        Op(2, "write", (PAGE, 8, 9)),
        Op(0, "mincore", (0, PAGE)),
    ]
    outcome = abi.run_program(Setup(Geometry.parse("64K"), "packed", "naive", MIDDLE), program)
    assert outcome.done == 5
    assert outcome.said is not None
    assert outcome.said.startswith("process 0: page 1 holds 0707")


def test_memory_that_no_fault_asked_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = MM.mmap

    def populating(self: MM, addr: int, length: int, prot: int, flags: int, *rest: Any) -> int:
        return honest(self, addr, length, prot, flags | uapi.MAP_POPULATE, *rest)

    monkeypatch.setattr(MM, "mmap", populating)
    program = [Op(0, "mmap", (0, 40 * PAGE, 3, 0x32, -1, 0, 0))]
    said = abi.run_program(Setup(Geometry(), "packed", "naive", MIDDLE), program).said
    assert said == "process 0: mincore of page 0 is 0 on the kernel, 1 on the model"
    said = abi.run_program(Setup(Geometry.parse("64K"), "packed", "naive", MIDDLE), program).said
    assert said is not None
    assert "no part that the kernel ever had" in said


class Swapping(Kernel):
    """A kernel that seems to have sent to swap each page of an MADV_PAGEOUT: tests may not turn swap on."""

    def __init__(self, base: int) -> None:
        super().__init__(base)
        self.has_swap = True
        self._hidden: set[int] = set()

    def run(self, op: Op) -> tuple[int, bytes]:
        self._hidden.clear()
        if op.name == "madvise" and op.args[2] == uapi.MADV_PAGEOUT:
            self._hidden = set(range(op.args[0] // PAGE, (op.args[0] + op.args[1]) // PAGE))
        return super().run(op)

    def pages(self, process: int) -> dict[int, bytes]:
        return {page: data for page, data in super().pages(process).items() if page not in self._hidden}

    def swapped(self, process: int) -> frozenset[int]:
        return frozenset(super().pages(process).keys() & self._hidden)

    def bring_back(self, process: int) -> None:
        self._hidden.clear()


SENT_TO_SWAP = reclaim.evict_anon
PAGED_OUT = [
    Op(0, "mmap", (0, 4 * PAGE, 3, 0x32, -1, 0, 0)),
    Op(0, "write", (PAGE, 8, 7)),
    Op(0, "madvise", (0, 4 * PAGE, uapi.MADV_PAGEOUT)),
]


def losing_bytes(machine: Machine, page: int) -> bool:
    """Send a page to swap without what it holds."""
    done = SENT_TO_SWAP(machine, page)
    machine.swap.data.clear()
    return done


@pytest.mark.parametrize("size", ["4K", "64K"])
def test_memory_in_swap_is_compared_when_it_comes_back(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setattr(abi, "Kernel", Swapping)
    setup = Setup(Geometry.parse(size), "packed", "naive", MIDDLE)
    outcome = abi.run_program(setup, PAGED_OUT)
    assert outcome.said is None
    assert outcome.tally.in_swap == 1
    monkeypatch.setattr(reclaim, "evict_anon", losing_bytes)
    said = abi.run_program(setup, PAGED_OUT).said
    assert said == "process 0: page 1 holds 0707070707070707 at +0 on the kernel, zeros on the model"


def test_a_page_that_comes_back_from_swap_needs_no_witness_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abi, "Kernel", Swapping)
    program = [
        PAGED_OUT[0],
        Op(0, "write", (0, 8, 7)),
        Op(0, "munmap", (0, PAGE)),
        Op(0, "madvise", (PAGE, 3 * PAGE, uapi.MADV_PAGEOUT)),
        Op(0, "madvise", (PAGE, 3 * PAGE, uapi.MADV_WILLNEED)),
    ]
    assert abi.run_program(Setup(Geometry.parse("256K"), "batch", "naive", MIDDLE), program).said is None


def test_memory_in_swap_that_the_model_does_not_have_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abi, "Kernel", Swapping)
    monkeypatch.setattr(reclaim, "page_out", zap.zap)
    said = abi.run_program(Setup(Geometry(), "packed", "naive", MIDDLE), PAGED_OUT).said
    assert said == "process 0: page 1 is in swap on the kernel, not there on the model"


def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(sim_abi.abi)
    return app


def test_the_command_says_what_it_ran_and_that_nothing_differs() -> None:
    done = CliRunner().invoke(command(), ["--ops", "300", "--seed", "4", "--pg", "16K"])
    assert done.exit_code == 0
    assert "300 operations in 3 programs at PG_SIZE 16K" in done.output
    assert re.search(r"^  mmap +ok \d+, .*EINVAL \d+", done.output, re.MULTILINE)
    assert "no difference between the kernel and the model" in done.output


def test_the_command_prints_a_difference_as_programs_and_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MM, "munlock", lambda self, addr, length: -1)
    done = CliRunner().invoke(command(), ["--ops", "20000", "--seed", "1", "--pg", "64K"])
    assert done.exit_code == 1
    assert "munlock returned" in done.output
    assert "show(0, op_munlock(" in done.output
    assert "#include <sys/mman.h>" in done.output
    data = CliRunner().invoke(command(), ["--ops", "20000", "--seed", "1", "--pg", "64K", "--json"])
    assert json.loads(data.output)["difference"]["program"][0][1] == "munlock"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the printed C program")
def test_a_difference_is_printed_as_programs_that_do_the_same(tmp_path: Path) -> None:
    program = (
        Op(0, "mmap", (0, 4 * PAGE, 3, 0x32, -1, 0, 0)),
        Op(0, "write", (PAGE, 8, 7)),
        Op(0, "fork", (1,)),
        Op(1, "write", (PAGE, 8, 9)),
        Op(0, "read", (PAGE, 8)),
        Op(1, "read", (PAGE, 8)),
        Op(0, "brk", (40 * PAGE,)),
        Op(0, "mmap", (20 * PAGE, PAGE, 1, 0x11, 0, PAGE, 0)),
        Op(0, "mincore", (0, 5 * PAGE)),
        Op(1, "exit", ()),
    )
    difference = Difference(Setup(Geometry.parse("64K"), "packed", "naive", MIDDLE), program, "an example")
    script, source, binary = tmp_path / "program.py", tmp_path / "program.c", tmp_path / "program"
    script.write_text(python_source(difference))
    source.write_text(c_source(difference))
    python = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert python[2:5] == [
        "3: process 1: 0x8",
        "4: process 0: 0x707070707070707",
        "5: process 1: 0x909090909090909",
    ]
    assert python[7] == "8: process 0: Cannot allocate memory"
    compiled = subprocess.run(["gcc", "-Wall", "-Wno-unused-result", "-o", binary, source], check=False)
    assert compiled.returncode == 0
    ran = subprocess.run([binary], capture_output=True, text=True, check=True).stdout.splitlines()
    operations = len(program) - 2
    assert [line.replace("0x0", "0") for line in python[:operations]] == ran[:operations]
