"""The shipped scenarios meet their expectations, and a scenario that does not is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter.errors import InputError
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.scenario import Scenario, load, shipped
from converter.mmmodel.scenario_run import Run, length, pattern, run
from converter.mmmodel.scenario_schema import QUANTITIES, Repeat

FAULTS = ("anonymous-write", "anonymous-read", "file-read", "shared-write", "private-cow", "swap-in")
ALIGNMENTS = ("aligned", "unaligned", "misaligned")


def runs(tmp_path: Path, text: str, size: str = "64K") -> Run:
    path = tmp_path / "case.toml"
    path.write_text(f'about = "a case"\n{text}')
    return run(load(path), Geometry.parse(size))


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_a_shipped_scenario_meets_its_expectations(path: Path) -> None:
    scenario = load(path)
    for geometry in scenario.sizes:
        assert run(scenario, geometry).failures == ()


def test_at_least_forty_are_shipped() -> None:
    assert len(shipped()) >= 40


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_each_fault_kind_meets_each_alignment_at_a_boundary_of_each_level(fault: str, alignment: str) -> None:
    (path,) = [path for path in shipped() if path.stem == f"fault-{fault}-{alignment}"]
    document = load(path).document
    boundaries = [step.over for step in document.step if isinstance(step, Repeat)]
    assert boundaries == [["TABLE", "PMD", "PUD", "P4D"]]
    assert document.machine.levels == 5


def test_the_storm_makes_ten_thousand_moves() -> None:
    (path,) = [path for path in shipped() if path.stem == "mremap-storm"]
    moves = [step for step in load(path).document.step if isinstance(step, Repeat)]
    assert [step.times for step in moves] == [10_000]


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_a_shipped_scenario_says_in_a_sentence_what_it_is_about(path: Path) -> None:
    about = load(path).document.about
    assert about.endswith(".")
    assert len(about) <= 160


WRITE = """
[[step]]
op = "mmap"
addr = "1G"
length = "64K"
flags = "private anonymous fixed"
as = "a"
[[step]]
op = "write"
addr = "a"
length = "8K"
fill = 5
step = 1
"""


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        ('op = "expect"\nwhat = "anon"\nis = "4K"', "field anon is 65536 (64K), expected 4096 (4K)"),
        ('op = "expect"\nwhat = "anon"\nmin = "1M"', "anon is 65536 (64K), expected at least 1048576 (1M)"),
        ('op = "expect"\nwhat = "anon"\nmax = { 64K = 1 }', "anon is 65536 (64K), expected at most 1"),
        ('op = "read"\naddr = "a"\nlength = "8K"\nfill = 5', "byte 4096 (page 1) is 6, expected 5"),
        ('op = "read"\naddr = "a"\nlength = "4K"\nfill = 5\nexpect = "EFAULT"', "gave 4096 (4K), expected EFAULT"),
        ('op = "munmap"\naddr = "a + 1"\nlength = "4K"', "failed with EINVAL"),
        ('op = "munmap"\naddr = "a + 1"\nlength = "4K"\nexpect = 0', "gave EINVAL, expected 0"),
        ('op = "touch"\naddr = "a"\nlength = "4K"\nexpect = 1', "gave 0, expected 1"),
        ('op = "read"\naddr = "a"\nlength = "2G"', "length 2147483648 is not between 0 and 1G"),
        ('op = "mmap"\naddr = "1 // (a - a)"\nlength = "4K"', "division by zero"),
    ],
)
def test_a_failed_expectation_says_what_was_found_and_where(tmp_path: Path, step: str, failure: str) -> None:
    (found,) = runs(tmp_path, f"{WRITE}[[step]]\n{step}\n").failures
    assert failure.removeprefix("field ") in found
    assert "case.toml:" in found
    assert "step 3 (" in found
    assert "at PG_SIZE 64K" in found


def test_an_expectation_for_another_size_says_nothing(tmp_path: Path) -> None:
    step = '[[step]]\nop = "expect"\nwhat = "anon"\nis = { 4K = 1 }\n'
    assert runs(tmp_path, WRITE + step, "64K").failures == ()
    assert len(runs(tmp_path, WRITE + step, "4K").failures) == 1


def test_a_failure_in_a_repeat_names_the_round_and_ends_after_ten(tmp_path: Path) -> None:
    text = '[[step]]\nop = "repeat"\ntimes = 1000\n[[step.do]]\nop = "munmap"\naddr = 1\nlength = 1\n'
    found = runs(tmp_path, text).failures
    assert len(found) == 11
    assert "round 10: failed with EINVAL" in found[9]
    assert "given up after 10 failures" in found[10]


def test_the_steps_of_a_process_that_has_exited_fail(tmp_path: Path) -> None:
    text = '[[step]]\nop = "exit"\n[[step]]\nop = "munmap"\naddr = 0\nlength = "4K"\n'
    (found,) = runs(tmp_path, text).failures
    assert "process 'main' does not live any more" in found


def test_equal_seeds_make_equal_runs_and_other_seeds_others(tmp_path: Path) -> None:
    each = '[[step.do]]\nop = "touch"\naddr = "1G + rand(0, 64K, 4K)"\nlength = "4K"\n'
    text = f'{WRITE}[[step]]\nop = "repeat"\ntimes = 8\n{each}'
    figures = [runs(tmp_path, f"seed = {seed}\n{text}", "4K").figures for seed in (1, 1, 2, 3)]
    assert figures[0] == figures[1]
    assert len({str(each) for each in figures}) > 1


def test_every_quantity_can_be_asked_for(tmp_path: Path) -> None:
    steps = "".join(f'[[step]]\nop = "expect"\nwhat = "{what}"\nmin = -1\n' for what in QUANTITIES)
    assert runs(tmp_path, WRITE + steps).failures == ()


def test_a_machine_that_cannot_exist_is_bad_input_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"case.toml:\d+: machine: .*at least 16"):
        runs(tmp_path, '[machine]\nram = "64K"\n' + WRITE)


def test_a_machine_that_is_too_large_to_simulate_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"case.toml:\d+: machine: a machine of 8192T is too large to simulate"):
        runs(tmp_path, '[machine]\nram = "8192T"\n' + WRITE)


def test_the_length_of_a_run_is_known_before(tmp_path: Path) -> None:
    for path in shipped():
        if not path.stem.startswith(("pressure", "mremap-storm", "fork")):
            scenario: Scenario = load(path)
            geometry = scenario.sizes[-1]
            assert run(scenario, geometry).operations == length(scenario, geometry)


def test_a_pattern_gives_each_page_its_byte() -> None:
    assert pattern(5, 254, 1, 2) == bytes([254, 254, 255, 255, 0])
