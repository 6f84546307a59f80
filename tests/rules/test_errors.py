"""A slip in a file under rules/: the message names the file, the entry, and the line of the wrong word."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from converter import data
from converter.classify.roles import rules
from converter.errors import RulesError
from converter.units.signatures import signatures
from converter.vocabulary import scheme, vocabulary

LOADERS: dict[str, Callable[[], object]] = {
    "roles": rules.__wrapped__,
    "signatures": signatures.__wrapped__,
    "schemes": lambda: scheme.__wrapped__("pte-pg"),
    "vocabulary.toml": vocabulary.__wrapped__,
}


@pytest.fixture
def own_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of rules/ that is read instead of the real one."""
    shutil.copytree(data.path("rules"), tmp_path / "rules")
    monkeypatch.setattr(data, "_ROOTS", (tmp_path,))
    return tmp_path / "rules"


SIZE = 'id = "order-size"'
PFN = 'name = "pfn_to_page"'
PARAMETER = 'params = ["pfn"]'
ENTRY = "the line on which the entry begins"


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "says"),
    [
        ("roles/memory.toml", SIZE, f"{SIZE}\ncolour = 3", "colour", "order-size: Object contains unknown field `col"),
        ("roles/memory.toml", SIZE, "id = 3", "id = 3", "3: id: Expected `str`, got `int`"),
        ("roles/memory.toml", f"[[rule]]\n{SIZE}", f"[[ruel]]\n{SIZE}", "[[ruel", "unknown field `ruel`"),
        ("roles/memory.toml", SIZE, f"{SIZE} {SIZE}", SIZE, "not TOML: "),
        ("roles/memory.toml", 'unit = "pg"', 'unit = "pge"', ENTRY, "order-shift: unit 'pge': not pte, pg, pfn, a pol"),
        ("roles/memory.toml", '["order"]', '["ordre"]', ENTRY, "when.operation 'ordre': not one of add, align, "),
        ("roles/memory.toml", '["PAGE_SHIFT"]', '["PAGESHIFT"]', ENTRY, "when.name 'PAGESHIFT': not in rules/vocab"),
        ("signatures/pfn.toml", PFN, PFN.replace("name", "nmae"), "nmae", "unknown field `nmae`"),
        ("signatures/pfn.toml", PFN, "", ENTRY, "this macro has no name"),
        ("signatures/pfn.toml", PARAMETER, 'params = ["pnf"]', ENTRY, "pfn_to_page: 'pnf': there is no such unit"),
        ("signatures/pfn.toml", PARAMETER, 'params = ["=1"]', ENTRY, "'=1': must be = and a parameter's number"),
        ("schemes/pte-pg.toml", 'unit = "pg"', 'unit = "gp"', "gp", "Invalid enum value 'gp'"),
        ("schemes/pte-pg.toml", "PG_ADDR_ALIGN", "PG_ALIGN", "PFN_ALIGN", "PG_ALIGN is what PAGE_ALIGN becomes"),
        ("vocabulary.toml", 'kind = "shift"', 'kind = "shaft"', "shaft", "PAGE_SHIFT: kind: Invalid enum value 'shaf"),
    ],
)
def test_a_slip_is_named_with_file_line_and_entry(
    own_rules: Path, file: str, old: str, new: str, line: str, says: str
) -> None:
    path = own_rules / file
    before, found, after = path.read_text().partition(old)
    assert found
    path.write_text(before + new + after)
    if line == ENTRY:
        number = before.count("\n", 0, before.rindex("[[")) + 1
    else:
        number = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if line in text)
    with pytest.raises(RulesError) as refused:
        LOADERS[file.partition("/")[0]]()
    assert str(refused.value).startswith(f"{path}:{number}: ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
