"""explain, gaps, check, rules and --what-if as a person meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run


@pytest.fixture(scope="module")
def demo_sites(pgconv: Run, demo_tree: Path) -> list[dict[str, Any]]:
    report = json.loads(pgconv("scan", demo_tree, "--format", "json").stdout)
    return list(report["sites"])


def place(site: dict[str, Any]) -> str:
    return f"{site['path']}:{site['line']}:{site['col']}"


def test_explain_numbers_the_chain_and_shows_source_lines(
    pgconv: Run, demo_tree: Path, demo_sites: list[dict[str, Any]]
) -> None:
    site = next(s for s in demo_sites if s["status"] == "decided" and len(s["evidence"]) > 2)
    said = pgconv("explain", demo_tree, place(site)).stdout
    source = (demo_tree / site["path"]).read_text(errors="replace").splitlines()[site["line"] - 1]
    assert f"status       {site['status']}" in said
    assert " ".join(source.split()) in said
    assert f"  {len(site['evidence'])}. " in said
    assert f"replacement  {site['replacement']}" in said


def test_explain_shows_both_chains_where_they_meet(
    pgconv: Run, demo_tree: Path, demo_sites: list[dict[str, Any]]
) -> None:
    site = next(s for s in demo_sites if s["status"] == "logic" and s["rule"] == "conflict")
    said = pgconv("explain", demo_tree, place(site)).stdout
    assert "one side:" in said
    assert "the other side:" in said
    assert f"missing: {site['missing']}" in said


def test_explain_says_in_words_what_a_rule_wants_rewritten(
    pgconv: Run, demo_tree: Path, demo_sites: list[dict[str, Any]]
) -> None:
    site = next(s for s in demo_sites if s["status"] == "logic" and s["rule"].startswith("rule:"))
    said = pgconv("explain", demo_tree, place(site)).stdout
    assert said.count(site["missing"]) == 1
    assert f"  {site['evidence'][1]['why']}\n  {site['against'][0]['why']}\n" in said


def test_explain_says_what_would_settle_an_open_use(pgconv: Run, tmp_path: Path) -> None:
    for name in ("mm", "include/linux", "arch"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n")
    (tmp_path / "Kbuild").write_text("")
    (tmp_path / "mm/x.c").write_text("long f(long n)\n{\n\topaque(n);\n\treturn n << PAGE_SHIFT;\n}\n")
    said = pgconv("explain", tmp_path, "mm/x.c:4").stdout
    assert (
        "missing: the unit of parameter 1 of opaque() is unknown" in said
        or "missing: the unit of parameter 1 of f()" in said
    )
    assert "would reach 1 open use" in said


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("mm/nothing.c:1", "nothing.c: no file of the tree"),
        ("nonsense", "PATH:LINE"),
        ("mm/mremap.c:1", "uses nearby"),
    ],
)
def test_explain_of_no_use_is_one_line(pgconv: Run, demo_tree: Path, where: str, what: str) -> None:
    done = pgconv("explain", demo_tree, where)
    assert (done.returncode, done.stdout) == (2, "")
    assert what in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_gaps_lists_unseeded_quantities_by_use(pgconv: Run, demo_tree: Path) -> None:
    lines = pgconv("gaps", demo_tree, "--top", "5").stdout.splitlines()[2:]
    counts = [int(line.split()[0]) for line in lines]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == 5


def test_what_if_counts_what_a_signature_would_decide(pgconv: Run, demo_tree: Path, tmp_path: Path) -> None:
    (tmp_path / "mm").mkdir()
    (tmp_path / "arch").mkdir()
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n")
    (tmp_path / "mm/x.c").write_text("long f(long n)\n{\n\treturn opaque(n) << PAGE_SHIFT;\n}\n")
    guess = tmp_path / "guess.toml"
    guess.write_text(
        '[[function]]\nname = "opaque"\nheader = "mm/y.h"\nparams = ["-"]\nreturns = "pte"\nwhy = "a guess"\n'
    )
    said = pgconv("scan", tmp_path, "--what-if", guess).stdout
    assert said.startswith("would decide 1 more uses, open 0, and turn 0")
    assert "mm/x.c:3:22 PAGE_SHIFT -> pte" in said


def test_check_of_converted_code_exits_1_with_both_sides(pgconv: Run, tmp_path: Path) -> None:
    (tmp_path / "mm").mkdir()
    (tmp_path / "include/linux").mkdir(parents=True)
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n")
    (tmp_path / "include/linux/page.h").write_text("#define PG_SIZE 16384\n")
    (tmp_path / "mm/x.c").write_text("long f(struct page *p)\n{\n\treturn page_to_pfn(p) << PG_SHIFT;\n}\n")
    done = pgconv("check", tmp_path)
    assert done.returncode == 1
    assert "mm/x.c:3:27: PG_SHIFT, but the units say PTE in f()" in done.stdout
    assert "fix   write PTE_SHIFT" in done.stdout
    gcc = pgconv("check", tmp_path, "--format", "gcc")
    assert gcc.stdout.startswith("mm/x.c:3:27: ")
    (tmp_path / "mm/x.c").write_text("long f(struct page *p)\n{\n\treturn page_to_pfn(p) << PTE_SHIFT;\n}\n")
    assert pgconv("check", tmp_path).returncode == 0


def test_rules_stats_prints_the_measured_shares(pgconv: Run) -> None:
    lines = pgconv("rules", "--stats").stdout.splitlines()
    assert lines[0].split() == ["kind", "of", "evidence", "uses", "right", "confidence"]
    assert "decided from a confidence of: pg 0." in lines[-1]
    assert any(line.startswith("units:pte:near:alone") for line in lines)


def test_a_broken_signature_file_is_named_with_its_entry_and_line(pgconv: Run, demo_tree: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text('[[function]]\nname = "x"\nheader = "a.h"\nwhy = "y"\n\n[[function]]\nnam = "x"\n')
    done = pgconv("scan", demo_tree, "--what-if", broken)
    assert done.returncode == 2
    assert f"{broken}:7: function: Object contains unknown field `nam`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
