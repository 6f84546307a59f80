"""Whatever stands in a log, a scenario or an smaps file: it is used, or refused in one line. Nothing else happens."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from converter import data
from converter.errors import InputError
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.procfs import parse_smaps
from converter.mmmodel.replay import Touch, replay
from converter.mmmodel.strace import parse
from converter.mmmodel.trace import compile_trace
from tests.sim.test_smaps import ENTRY

LOG = data.path("fixtures/traces/python.strace").read_text().splitlines()
NUMBER = re.compile(r"0x[0-9a-f]+|(?<=[ (,])-?\d+")
ODD = ("0", "1", "-1", "4095", "4097", "0x7fffffffffff", "0xffffffffffffffff", "99999999999999999999999", "NULL", "?")


def refusal(use: Callable[[], object]) -> str | None:
    """What an input is refused with; None if it is used."""
    try:
        use()
    except InputError as error:
        return str(error)
    return None


def used_or_refused_in_one_line(use: Callable[[], object]) -> bool:
    message = refusal(use)
    return message is None or ("\n" not in message and re.match(r"saved:\d+: ", message) is not None)


@given(st.integers(0, len(LOG) - 30), st.integers(0, 10_000), st.sampled_from(ODD))
@settings(deadline=None, max_examples=80)
def test_a_log_with_any_number_replaced(first: int, which: int, odd: str) -> None:
    text = "\n".join(LOG[first : first + 30])
    numbers = list(NUMBER.finditer(text))
    start, end = numbers[which % len(numbers)].span()
    with contextlib.suppress(InputError):
        trace = compile_trace(parse(text[:start] + odd + text[end:], "saved"))
        replay(trace, Geometry.parse("64K"), 1 << 26, Touch.parse("first:64K"))


@given(st.integers(0, len(LOG) - 1), st.text(max_size=20), st.integers(0, 60))
@settings(deadline=None, max_examples=80)
def test_a_line_of_a_log_with_anything_in_it(which: int, text: str, at: int) -> None:
    line = LOG[which][:at] + text + LOG[which][at:]
    assert used_or_refused_in_one_line(lambda: compile_trace(parse(line, "saved")))


@given(st.text(max_size=40), st.integers(0, len(ENTRY)))
@settings(deadline=None, max_examples=80)
def test_an_smaps_file_with_anything_in_it(text: str, at: int) -> None:
    assert used_or_refused_in_one_line(lambda: parse_smaps(ENTRY[:at] + text + ENTRY[at:], "saved"))
