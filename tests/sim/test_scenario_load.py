"""Scenario files: what is wrong with one is said with file, line, entry and field, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter.errors import InputError
from converter.mmmodel.scenario import Scenario, find, line_of, load, shipped

GOOD = """\
about = "a mapping is written"

[machine]
ram = "16M"

[[file]]
name = "data"
size = "64K"

[[step]]
op = "mmap"
length = "64K"
as = "a"

[[step]]
op = "repeat"
times = 3

[[step.do]]
op = "write"
addr = "a + i * 4K"
length = "4K"

[[step]]
op = "expect"
what = "anon"
min = "4K"
"""


def loaded(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "case.toml"
    path.write_text(text)
    return load(path)


def refusal(tmp_path: Path, old: str, new: str) -> str:
    """What load() says of GOOD with one thing changed."""
    assert old in GOOD
    with pytest.raises(InputError) as error:
        loaded(tmp_path, GOOD.replace(old, new))
    message = str(error.value).removeprefix(f"{tmp_path}/")
    assert "\n" not in message
    return message


def test_a_good_scenario_is_made_for_the_three_sizes(tmp_path: Path) -> None:
    assert [geometry.pg_size for geometry in loaded(tmp_path, GOOD).sizes] == [4096, 16384, 65536]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('as = "a"', 'as = "A b"', "case.toml:13: step 1 (mmap): field as: 'A b' is not a name"),
        ('length = "64K"\nas', 'length = "64Q"\nas', "case.toml:12: step 1 (mmap): field length: not an expression"),
        ('length = "64K"\nas', 'prot = "rq"\nlength = 1\nas', "case.toml:12: step 1 (mmap): field prot: unknown 'rq'"),
        ('length = "64K"\nas', 'file = "x"\nlength = 1\nas', "case.toml:12: step 1 (mmap): field file: no [[file]] is"),
        ('"a + i * 4K"', '"b"', "case.toml:21: step 2 do 1 (write): field addr: unknown name 'b'"),
        ("times = 3", 'times = "i"', "case.toml:17: step 2 (repeat): field times: unknown name 'i'"),
        ("times = 3", "", "case.toml:15: step 2 (repeat): field times: give either times or over"),
        ('what = "anon"', 'what = "anonymous"', "case.toml:26: step 3 (expect): field what: unknown quantity"),
        ('min = "4K"', "", "case.toml:24: step 3 (expect): field is: nothing is expected"),
        ('min = "4K"', "is = { 2M = 1 }", "case.toml:27: step 3 (expect): field is: 2M is not among the machine's pg"),
        ('min = "4K"', 'min = 1\nin = "child"', "case.toml:28: step 3 (expect): field in: no process 'child'"),
        ('size = "64K"', 'size = "much"', "case.toml:8: file 1: field size: not a size"),
        ('ram = "16M"', 'ram = "16M"\npg = ["48K"]', "case.toml:5: machine: field pg: impossible geometry"),
        ('ram = "16M"', 'ram = "16M"\nlevels = 3', "impossible geometry: 3 page-table levels"),
        ('ram = "16M"', "ram = 16", "case.toml:4: machine: field ram: Expected `str`, got `int`"),
        ('op = "mmap"', 'op = "mmop"', "case.toml:11: step 1: field op: Invalid value 'mmop'"),
        ('op = "write"', 'op = "repeat"', "case.toml:20: step 2 do 1: field op: Invalid value 'repeat'"),
        ('length = "64K"\nas', "as", "case.toml:10: step 1: field length: Object missing required field"),
        ('length = "4K"\n', 'length = "4K"\nsize = 1\n', "case.toml:23: step 2 do 1: field size: Object contains"),
        ('about = "a mapping is written"', "", "case.toml:1: field about: Object missing required field"),
        ("[machine]", "[machine", "not TOML"),
    ],
)
def test_a_fault_is_named_with_line_entry_and_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in refusal(tmp_path, old, new)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name in ("missing.toml", "binary.toml"):
        with pytest.raises(InputError, match=name):
            load(tmp_path / name)


def test_a_name_means_a_file_a_directory_or_a_shipped_scenario(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text(GOOD)
    assert find(str(tmp_path)) == find(str(tmp_path / "case.toml")) == [tmp_path / "case.toml"]
    assert find(shipped()[0].stem) == [shipped()[0]]
    with pytest.raises(InputError, match="neither a file nor a shipped scenario"):
        find("no-such-scenario")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no scenario"):
        find(str(tmp_path / "empty"))


def test_the_line_of_an_inline_entry_is_that_of_its_table() -> None:
    text = 'about = ""\n[[step]]\nop = "repeat"\ntimes = 2\ndo = [\n  { op = "exit" },\n]\n'
    assert line_of(text, ("step", 0, "do", 0), "op") == 2
