"""Reading strace logs: every form in which strace writes a line, and clear errors for what is none."""

from __future__ import annotations

import pytest

from converter.errors import InputError
from converter.mmmodel.strace import Call, Exit, parse


def calls(text: str) -> list[Call]:
    return [event for event in parse(text, "log") if isinstance(event, Call)]


def one(text: str) -> Call:
    (call,) = calls(text)
    return call


@pytest.mark.parametrize(
    "line",
    [
        "12 munmap(0x1000, 4096) = 0",
        "[pid    12] munmap(0x1000, 4096) = 0",
        "12 17:03:01 munmap(0x1000, 4096) = 0",
        "12 17:03:01.123456 munmap(0x1000, 4096) = 0 <0.000012>",
        "12 1700000000.123456 munmap(0x1000, 4096)  = 0",
        "12      0.000123 munmap(0x1000, 4096) = 0",
        "12 17:03:01 (+     0.000123) munmap(0x1000, 4096) = 0",
        "12 [00007f1c74e85a10] munmap(0x1000, 4096) = 0",
    ],
)
def test_a_call_is_the_same_in_every_format(line: str) -> None:
    call = one(line)
    assert (call.pid, call.name, call.args, call.result) == (12, "munmap", ("0x1000", "4096"), 0)


def test_a_log_of_one_process_has_no_numbers() -> None:
    assert one("brk(NULL) = 0x55550000").pid == 0


def test_on_a_terminal_the_first_process_is_named_only_while_there_are_others() -> None:
    text = """\
brk(NULL) = 0x1000
strace: Process 13 attached
[pid 12] brk(NULL) = 0x1000
[pid 13] brk(NULL) = 0x2000
[pid 13] +++ exited with 0 +++
brk(NULL) = 0x3000
"""
    assert [call.pid for call in calls(text)] == [0, 0, 13, 0]


def test_a_message_in_the_middle_of_a_call_does_not_break_it() -> None:
    text = "clone(child_stack=NULL, flags=SIGCHLDstrace: Process 13 attached\n, child_tidptr=0x1) = 13\n"
    assert one(text).args == ("child_stack=NULL", "flags=SIGCHLD", "child_tidptr=0x1")


def test_an_interrupted_call_counts_where_it_returned_with_the_line_where_it_began() -> None:
    text = """\
12 munmap(0x1000, <unfinished ...>
13 brk(NULL) = 0x1000
12 <... munmap resumed>4096) = 0
"""
    assert [(call.line, call.name, call.args) for call in calls(text)] == [
        (2, "brk", ("NULL",)),
        (1, "munmap", ("0x1000", "4096")),
    ]


def test_a_call_that_never_returned_is_none() -> None:
    assert list(parse("12 munmap(0x1000, <unfinished ...>\n12 +++ killed by SIGKILL +++\n", "log")) == [Exit(2, 12)]


def test_an_error_has_its_name_and_a_lost_result_none() -> None:
    failed, lost = calls("1 munmap(0x1001, 1) = -1 EINVAL (Invalid argument)\n1 exit_group(0) = ?\n")
    assert (failed.result, failed.errno) == (-1, "EINVAL")
    assert (lost.result, lost.errno) == (None, None)


def test_what_a_result_means_is_not_read() -> None:
    text = """\
1 poll([{fd=0, events=POLLIN}], 1, 0) = 1 ([{fd=0, revents=POLLIN}]) <0.000010>
1 select(1, NULL) = 0 (Timeout)
1 pause() = ? ERESTARTNOHAND (To be restarted if no handler)
"""
    assert [call.result for call in calls(text)] == [1, 0, None]


def test_commas_in_strings_structures_and_paths_do_not_part_arguments() -> None:
    text = '1 openat(AT_FDCWD</a,b>, "x, \\"y\\", (z", {a=1, b=[2, 3]}, O_RDONLY) = 3</x,y>\n'
    assert one(text).args == ("AT_FDCWD</a,b>", '"x, \\"y\\", (z"', "{a=1, b=[2, 3]}", "O_RDONLY")


def test_signals_and_messages_are_no_calls() -> None:
    text = "--- SIGCHLD {si_signo=SIGCHLD} ---\nstrace: Process 3 attached\n > /lib/x.so(f+0x1) [0x2]\n\n"
    assert calls(text) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1 brk(NULL) = 0x1000\nnot strace at all\n", 2),
        ("1 brk(NULL = 0x1000\n", 1),
        ("1 <... brk resumed>) = 0x1000\n", 1),
        ("1 munmap(0x1, <unfinished ...>\n1 <... brk resumed>) = 0x1000\n", 2),
        ("\x00\x01\x02\n", 1),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text: str, line: int) -> None:
    with pytest.raises(InputError, match=rf"^log:{line}: "):
        list(parse(text, "log"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mprotect(0x1000, lots, PROT_READ) = 0", "log:1: mprotect: length 'lots': not a number"),
        ("mprotect(0x1000) = 0", "log:1: mprotect: length 'missing': only 1 arguments"),
    ],
)
def test_an_argument_that_cannot_be_read_is_named_with_line_and_field(text: str, why: str) -> None:
    with pytest.raises(InputError) as error:
        one(text).number(1, "length")
    assert str(error.value) == why


def test_flags_are_names_or_numbers_and_comments_are_not_read() -> None:
    names = {"A": 1, "B": 2}
    assert one("f(A|B|0x40 /* C */) = 0").flags(0, "flags", names) == 0x43
    with pytest.raises(InputError, match="unknown flag C"):
        one("f(A|C) = 0").flags(0, "flags", names)
