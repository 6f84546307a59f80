"""docs/sim.md says everything that a scenario can use, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from converter.mmmodel import scenario_schema as schema
from converter.mmmodel.footprint import CAUSES
from converter.mmmodel.scenario import load
from converter.mmmodel.scenario_run import run

DOC = Path(__file__).parents[2] / "docs" / "sim.md"


@pytest.fixture(scope="module")
def text() -> str:
    return DOC.read_text()


def test_the_example_of_a_scenario_runs(text: str, tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "example.toml").write_text(example)
    scenario = load(tmp_path / "example.toml")
    for geometry in scenario.sizes:
        assert run(scenario, geometry).failures == ()


def test_every_operation_has_a_row_with_its_fields(text: str) -> None:
    rows = {
        name: line
        for line in text.splitlines()
        if line.startswith("| ")
        for name in re.findall(r"\w+", line.split("|")[1])
    }
    common = {"space", "expect", "keep"}
    for kind in (*get_args(schema.Simple), schema.Repeat):
        row = rows[str(kind.__struct_config__.tag)]
        known = {"equal": "is"}
        for field in kind.__struct_fields__:
            assert field in common or known.get(field, field) in row, (kind, field)


@pytest.mark.parametrize("what", [what for what in schema.QUANTITIES if not what.startswith("waste.")])
def test_every_quantity_is_named(text: str, what: str) -> None:
    assert re.search(rf"\b{re.escape(what)}\b", text)


def test_every_cause_of_waste_is_explained(text: str) -> None:
    for cause in CAUSES:
        assert f"| {cause.replace('_', ' ')} |" in text
