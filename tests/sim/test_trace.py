"""From a log to a replay: whose address space a call changes, and what the recorded programs come to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import data
from converter.errors import InputError
from converter.mmmodel.footprint import measure_together
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.procfs import HEAP
from converter.mmmodel.replay import DEFAULT_TOUCH, Outcome, Touch, replay
from converter.mmmodel.strace import parse
from converter.mmmodel.trace import Trace, compile_trace

RECORDED = ("python", "gcc", "shell")
RAM = 1 << 28
ANON = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"


def trace(text: str) -> Trace:
    return compile_trace(parse(text, "log"))


def kinds(text: str) -> list[tuple[str, int]]:
    return [(op.kind, op.space) for op in trace(text).ops]


def recorded(name: str) -> Trace:
    path = data.path(f"fixtures/traces/{name}.strace")
    return compile_trace(parse(path.read_text(), path.name))


def run(text: str, size: str = "4K", touch: str = "all") -> Outcome:
    return replay(trace(text), Geometry.parse(size), RAM, Touch.parse(touch))


def test_fork_copies_and_execve_replaces_an_address_space() -> None:
    text = """\
1 fork() = 2
2 execve("/bin/true", ["true"], 0x1 /* 2 vars */) = 0
2 +++ exited with 0 +++
1 +++ exited with 0 +++
"""
    assert kinds(text) == [("spawn", 0), ("fork", 0), ("exit", 1), ("spawn", 2), ("exit", 2), ("exit", 0)]


@pytest.mark.parametrize(
    "call", ["vfork()", "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS)", "clone3({flags=CLONE_VM}, 88)"]
)
def test_who_shares_memory_shares_the_address_space_until_both_are_gone(call: str) -> None:
    text = f"1 {call} = 2\n2 +++ exited with 0 +++\n1 munmap(0x1000, 4096) = 0\n1 +++ exited with 0 +++\n"
    assert kinds(text) == [("spawn", 0), ("munmap", 0), ("exit", 0)]


def test_a_child_may_speak_before_clone_has_returned_in_the_parent() -> None:
    text = "1 fork( <unfinished ...>\n2 munmap(0x1000, 4096) = 0\n1 <... fork resumed>) = 2\n"
    assert kinds(text) == [("spawn", 0), ("fork", 0), ("munmap", 1)]


def test_a_log_that_begins_with_the_youngest_of_many_is_read() -> None:
    text = "".join(f"{pid} fork() = {pid + 1}\n" for pid in range(3000, 0, -1))
    assert [op.kind for op in trace(text).ops] == ["spawn", *["fork"] * 3000]


def test_a_number_that_is_used_again_is_another_process() -> None:
    text = "1 fork() = 2\n2 +++ exited with 0 +++\n1 fork() = 2\n2 +++ exited with 0 +++\n"
    assert kinds(text) == [("spawn", 0), ("fork", 0), ("exit", 1), ("fork", 0), ("exit", 2)]


def test_files_are_known_by_path_or_by_the_descriptor_that_was_opened() -> None:
    text = """\
1 openat(AT_FDCWD, "/lib/a", O_RDONLY) = 3
1 dup(3) = 4
1 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 4, 0x1000) = 0x7000000
1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 5</lib/b>, 0) = 0x7100000
"""
    assert trace(text).files == {"/lib/a": 0x3000, "/lib/b": 4096}


def test_the_heap_is_what_brk_adds() -> None:
    text = "1 brk(NULL) = 0x1000000\n1 brk(0x1021000) = 0x1021000\n1 brk(0x1010000) = 0x1010000\n"
    grown, cut = trace(text).ops[1:]
    assert (grown.kind, grown.args[:2], grown.name) == ("mmap", (0x1000000, 0x21000), HEAP)
    assert (cut.kind, cut.args) == ("munmap", (0x1010000, 0x11000))


def test_the_heap_has_its_name_in_the_report() -> None:
    ops = trace(f"1 brk(NULL) = 0x1000000\n1 brk(0x1021000) = 0x1021000\n1 mmap(NULL, 4096, {ANON}) = 0x7000000\n")
    (process,) = replay(ops, Geometry(), RAM, Touch.parse("all"), stop_after=2).processes
    assert [residency.area.label for residency in process.areas] == [HEAP, "(anonymous)"]


def test_failed_calls_and_huge_pages_are_left_out_and_counted() -> None:
    text = f"""\
1 mmap(NULL, 4096, {ANON}) = -1 ENOMEM (Cannot allocate memory)
1 mmap(NULL, 2097152, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB, -1, 0) = 0x7000000
"""
    assert trace(text).left_out == {"failed, or never returned": 1, "huge pages": 1}


def test_an_unknown_flag_is_an_error_with_its_line() -> None:
    with pytest.raises(InputError, match=r"log:1: mmap: flags 'MAP_PRIVATE\|MAP_NEW': unknown flag MAP_NEW"):
        trace("1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_NEW, -1, 0) = 0x7000000\n")


@pytest.mark.parametrize(("touch", "faults"), [("all", 256), ("none", 0), ("first:64K", 16), ("every:4", 64)])
def test_the_touch_model_decides_what_is_used(touch: str, faults: int) -> None:
    assert run(f"1 mmap(NULL, 1048576, {ANON}) = 0x7000000\n1 +++ exited with 0 +++\n", touch=touch).faults == faults


@pytest.mark.parametrize("text", ["some", "first", "first:", "every:0", "every:x", "all:3"])
def test_another_touch_model_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Touch.parse(text)


def test_a_stack_is_used_from_its_end() -> None:
    assert list(Touch.parse("first:4K").ranges(0, 0x10000, downward=True)) == [(0xF000, 0x1000)]


@given(st.integers(1, 400), st.sampled_from(["all", "none", "first:64K", "every:3"]))
def test_what_is_touched_lies_in_the_mapping(pages: int, touch: str) -> None:
    for address, length in Touch.parse(touch).ranges(0x1000, 0x1000 + pages * 4096, downward=False):
        assert 0x1000 <= address < address + length <= 0x1000 + pages * 4096


def test_what_a_loader_maps_over_is_not_used() -> None:
    text = f"""\
1 mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, 3</lib/a>, 0) = 0x7000000
1 mmap(0x7000000, 65536, {ANON.replace("MAP_ANONYMOUS", "MAP_ANONYMOUS|MAP_FIXED")}) = 0x7000000
1 mprotect(0x7000000, 65536, PROT_READ) = 0
"""
    ops = trace(text)
    state = replay(ops, Geometry(), RAM, Touch.parse("all"), stop_after=len(ops.ops) - 1)
    held = measure_together(state.processes, Geometry())
    assert (held.anon, held.file) == (65536, 0)


def test_calls_on_what_execve_mapped_are_counted_not_wrong() -> None:
    outcome = run("1 mprotect(0x7000000, 4096, PROT_READ) = 0\n")
    assert (outcome.unknown, outcome.different) == (1, 0)


def test_an_answer_that_no_kernel_gives_is_a_difference() -> None:
    outcome = run(f"1 mmap(NULL, 4096, {ANON}) = 0x7000001\n")
    assert outcome.different == 1
    assert outcome.first_difference == "line 1: mmap gave EINVAL, not 0x7000001"


def test_running_out_of_memory_is_counted() -> None:
    text = "".join(f"1 mmap(NULL, 4194304, {ANON}) = {0x7000000 + number * 0x400000:#x}\n" for number in range(4))
    outcome = replay(trace(text + "1 +++ exited with 0 +++\n"), Geometry(), 8 << 20, Touch.parse("all"))
    assert outcome.out_of_memory > 0


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("size", ["4K", "16K", "64K"])
def test_the_model_answers_every_recorded_call_as_the_kernel_did(name: str, size: str) -> None:
    outcome = replay(recorded(name), Geometry.parse(size), RAM, Touch.parse(DEFAULT_TOUCH))
    assert (outcome.different, outcome.first_difference, outcome.out_of_memory) == (0, "", 0)


@pytest.mark.parametrize("name", RECORDED)
def test_larger_pages_hold_more_and_fault_less(name: str) -> None:
    outcomes = [replay(recorded(name), Geometry.parse(size), RAM, Touch.parse(DEFAULT_TOUCH)) for size in ("4K", "64K")]
    assert outcomes[0].peak < outcomes[1].peak
    assert outcomes[0].faults > outcomes[1].faults


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_logs_tell_nothing_of_who_recorded_them(name: str) -> None:
    text = Path(data.path(f"fixtures/traces/{name}.strace")).read_text()
    assert "/home/" not in text
    assert "/root" not in text
    assert "/* 2 vars */" in text
